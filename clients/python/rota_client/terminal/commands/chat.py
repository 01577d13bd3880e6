"""A chat in the terminal: sends messages, prints answers, prompts for decisions."""

import asyncio
import importlib
import io
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from rota_client import RotaClient, errors
from rota_client.gen.rota.chat.v1 import Approval, Decision, Message, MessageRole, TurnEvent
from rota_client.streams import frame_kind
from rota_client.terminal.interrupt import on_interrupt
from rota_client.terminal.prompts import ApprovalPrompt, Quit, print_welcome, prompt_line
from rota_client.terminal.refusal import CardRefused, label_fields
from rota_client.terminal.screen import Screen

Events = AsyncGenerator[TurnEvent, None]
_BUSY = ("APPROVALS_UNDECIDED", "TURN_IN_PROGRESS")
_WAITS = "it waits: `rota approvals` lists what is left for later"
# How many of the newest messages are looked through for results of runs.
_NEWEST = 20
_PASSED = ("APPROVAL_DECIDED", "APPROVAL_EXPIRED")


@dataclass(slots=True, kw_only=True)
class Segment:
    """The frames of a turn up to its end or its next wait, summarised."""

    kind: str = ""
    turn: str = ""
    sequence: int = 0
    approvals: dict[str, Approval] = field(default_factory=dict)

    def add(self, event: TurnEvent) -> None:
        self.kind, self.sequence = frame_kind(event), event.sequence
        if event.started is not None:
            self.turn = event.started.turn
        if event.approval_requested is not None and event.approval_requested.approval is not None:
            wanted = event.approval_requested.approval
            self.approvals[wanted.name] = wanted
        if event.suspended is not None:
            # the frame that asked says more: it has the whole card
            self.approvals = {
                pending.name: self.approvals.get(pending.name, pending)
                for pending in event.suspended.approvals
            }

    @property
    def is_waiting(self) -> bool:
        return self.kind == "suspended" and bool(self.approvals)


class Chat:
    """`on_frame` gets every frame. One thread; `-` until its first turn has named it."""

    def __init__(
        self,
        runner: asyncio.Runner,
        rota: RotaClient,
        screen: Screen,
        *,
        thread: str,
        zone: str,
        on_frame: Callable[[TurnEvent], None],
        model: int = 0,
    ) -> None:
        self._runner = runner
        self._rota = rota
        self._screen = screen
        self._zone = zone
        self._on_frame = on_frame
        self._model = model
        self._last_message = ""
        self.thread = thread

    def send(self, text: str) -> Segment:
        said = self._read(
            self._rota.send_message(
                text, thread=self.thread, time_zone=self._zone, model_config_id=self._model
            )
        )
        self.thread = said.turn.partition("/turns/")[0] or self.thread
        return said

    def watch(self, turn: str, after_sequence: int = 0) -> Segment:
        return self._read(self._rota.watch_turn(turn, after_sequence=after_sequence), turn)

    def resume(self, segment: Segment, decisions: Sequence[Decision]) -> Segment:
        """Raises CardRefused for decisions that are invalid."""
        with label_fields(segment.approvals, decisions):
            return self._read(self._rota.resume_turn(segment.turn, decisions), segment.turn)

    def resume_open_turn(self) -> Segment | None:
        """Watches the thread's open turn from its first frame; None when no turn is open."""
        if self.thread == "-":
            return None
        thread = self._runner.run(self._rota.get_thread(self.thread))
        return self.watch(thread.open_turn) if thread.open_turn else None

    def show_results(self) -> None:
        """Prints what runs delivered to the thread since the last call, oldest first.

        The first call begins after what the person said last.
        """
        if self.thread == "-":
            return
        newest = self._runner.run(self._rota.list_messages(self.thread).take(_NEWEST)).items
        fresh: list[Message] = []
        for message in newest:
            is_old = message.role == MessageRole.USER and not self._last_message
            if is_old or message.name == self._last_message:
                break
            fresh.append(message)
        self._last_message = newest[0].name if newest else self._last_message
        for message in reversed(fresh):
            for part in message.parts:
                if part.run_result is not None:
                    self._screen.show_result(message, part.run_result)

    def decide_pending(self, segment: Segment) -> Segment:
        """Prompts for pending decisions until the turn stops waiting or the person postpones."""
        while segment.is_waiting:
            deciding = {
                n: ApprovalPrompt(self._screen, a, partial(self._preview, a))
                for n, a in segment.approvals.items()
            }
            try:
                following = self._prompt(segment, deciding)
            except Quit:
                self._screen.note(_WAITS)
                raise
            if following is None:
                return segment
            segment = following
        return segment

    def _preview(self, approval: Approval, decision: Decision) -> Approval:
        with label_fields({approval.name: approval}, [decision]):
            return self._runner.run(self._rota.preview_decision(decision))

    def _prompt(self, segment: Segment, deciding: dict[str, ApprovalPrompt]) -> Segment | None:
        made: dict[str, Decision | None] = {}
        while True:
            try:
                for name, one in deciding.items():
                    if name not in made:
                        made[name] = one.decide()
                decisions = [decision for decision in made.values() if decision is not None]
                return self._send(segment, decisions, whole=len(decisions) == len(deciding))
            except CardRefused as refused:
                if not refused.approvals:
                    raise
                self._screen.error(refused)
                made = {name: d for name, d in made.items() if name not in refused.approvals}
            except errors.FailedPrecondition as passed:
                if passed.reason not in _PASSED:
                    raise
                self._screen.error(passed)
                return self.watch(segment.turn, segment.sequence)

    def _send(
        self, segment: Segment, decisions: Sequence[Decision], *, whole: bool
    ) -> Segment | None:
        if whole:
            return self.resume(segment, decisions)
        for decision in decisions:
            with label_fields(segment.approvals, [decision]):
                self._runner.run(self._rota.decide_approval(decision))
        self._screen.note(_WAITS)
        return None

    def _read(self, events: Events, turn: str = "") -> Segment:
        return self._runner.run(self._follow(events, Segment(turn=turn)))

    async def _follow(self, events: Events, segment: Segment) -> Segment:
        with on_interrupt(lambda: self._cancel(segment)):
            async with aclosing(events):
                async for event in events:
                    segment.add(event)
                    self._on_frame(event)
        return segment

    async def _cancel(self, segment: Segment) -> None:
        if not segment.turn:
            self._screen.note("nothing has begun; Ctrl-C again leaves")
            return
        self._screen.note("cancelling; Ctrl-C again leaves")
        try:
            await self._rota.cancel_turn(segment.turn)
        except errors.Unimplemented:
            self._screen.note("this server can't cancel a turn yet, so it goes on")
        except errors.RotaError as exc:
            self._screen.error(exc)


def run_chat(chat: Chat, screen: Screen) -> None:
    """Runs until /quit, the end of the input, or Ctrl-C while no turn runs.

    Bytes of the input that are not UTF-8 become U+FFFD.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdin.isatty():
        # gives `input` its line editing
        importlib.import_module("readline")
        print_welcome(screen)
    try:
        _attempt(chat, screen, chat.resume_open_turn)
        _show_results(chat, screen)
        while (text := prompt_line("> ")) is not None:
            if text:
                _say(chat, screen, text)
            _show_results(chat, screen)
    except Quit:
        return
    except KeyboardInterrupt:
        # ends the line of the prompt
        screen.show("")


def _say(chat: Chat, screen: Screen, text: str) -> None:
    def say() -> Segment | None:
        try:
            return chat.send(text)
        except errors.FailedPrecondition as busy:
            if busy.reason not in _BUSY:
                raise
            screen.note("not sent: an earlier turn of this thread has not ended")
            return chat.resume_open_turn()

    _attempt(chat, screen, say)


def _show_results(chat: Chat, screen: Screen) -> None:
    try:
        chat.show_results()
    except errors.RotaError as exc:
        screen.error(exc)


def _attempt(chat: Chat, screen: Screen, act: Callable[[], Segment | None]) -> None:
    try:
        segment = act()
        if segment is not None:
            chat.decide_pending(segment)
    except errors.RotaError as exc:
        screen.error(exc)
