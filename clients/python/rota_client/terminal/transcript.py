"""The transcript of a run: what the agents of its steps were asked, thought, did and said."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import betterproto2
from rich.text import Text

from rota_client import json_format
from rota_client.client import RotaClient
from rota_client.errors import NotFound, RotaError
from rota_client.gen.rota.automation.v1 import Run, RunState, StepResult
from rota_client.gen.rota.chat.v1 import (
    Message,
    MessageRole,
    Part,
    ToolCall,
    ToolCallFinishedOutcome,
    Turn,
    TurnEvent,
    TurnState,
    Usage,
)
from rota_client.streams import OPEN
from rota_client.terminal.formatting import format_cost, sanitize
from rota_client.terminal.screen import Screen

NO_LONGER_KEPT: Final = "its transcript is no longer kept: it is for 30 days after the step's end"
_NONE: Final = "no step of it was an agent's"
# Characters of the arguments or the output of a tool.
_SHOWN: Final = 2_000
_GOING_ON: Final = (RunState.PENDING, RunState.RUNNING)

PrintJson = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The agent's session of one try of a step."""

    id: str
    step_id: str
    attempt: int
    attempts: int


async def print_transcript(
    rota: RotaClient, run: Run, screen: Screen, print_json: PrintJson | None = None
) -> None:
    """Prints the sessions of a run, the running one as it goes on, until the run has ended.

    With `print_json` each turn, message and live frame is one object.
    """
    shown = 0
    async with aclosing(_list_sessions(rota, run)) as sessions:
        async for session in sessions:
            shown += 1
            await _Printer(rota, screen, session, print_json).print()
    if not shown and print_json is None:
        screen.note(_NONE)


async def _list_sessions(rota: RotaClient, run: Run) -> AsyncGenerator[Session, None]:
    """Yields each session once, those of a run that goes on when they begin."""
    seen = set[str]()
    for step in run.step_results:
        for session in _sessions_of(step):
            seen.add(session.id)
            yield session
    if run.state not in _GOING_ON:
        return
    async with aclosing(rota.watch_run(run.name)) as events:
        async for event in events:
            if event.step_updated is None or event.step_updated.step is None:
                continue
            for session in _sessions_of(event.step_updated.step):
                if session.id not in seen:
                    seen.add(session.id)
                    yield session


def _sessions_of(step: StepResult) -> Iterator[Session]:
    ids = [*step.earlier_session_ids, *([step.session_id] if step.session_id else [])]
    for place, session in enumerate(ids):
        yield Session(
            id=session,
            step_id=step.step_id,
            attempt=step.attempts - len(ids) + 1 + place,
            attempts=step.attempts,
        )


class _Printer:
    """Prints one session."""

    def __init__(
        self, rota: RotaClient, screen: Screen, session: Session, print_json: PrintJson | None
    ) -> None:
        self._rota = rota
        self._screen = screen
        self._session = session
        self._print_json = print_json

    async def print(self) -> None:
        one = self._session
        of = f", try {one.attempt}" if one.attempts > 1 else ""
        if self._print_json is None:
            self._screen.show(Text(sanitize(f"{one.step_id}{of}"), style="bold"))
        try:
            turns = [turn async for turn in self._rota.list_turns(one.id)]
            messages = [message async for message in self._rota.list_messages(one.id)]
        except NotFound:
            self._say_gone()
            return
        for turn in reversed(turns):
            of_turn = [m for m in reversed(messages) if m.turn == turn.name]
            if turn.state in OPEN:
                await self._follow(turn, of_turn)
            else:
                self._show(turn, of_turn)

    def _say_gone(self) -> None:
        if self._print_json is not None:
            self._tell("error", {"reason": "RESOURCE_NOT_FOUND", "message": NO_LONGER_KEPT})
        else:
            self._screen.note(NO_LONGER_KEPT)

    async def _follow(self, turn: Turn, messages: list[Message]) -> None:
        """Shows a turn from its first frame until it ends."""
        for message in messages:
            if message.role == MessageRole.USER:
                self._show_message(message)
        async with aclosing(self._rota.watch_turn(turn.name)) as frames:
            async for frame in frames:
                self._show_frame(frame)

    def _show_frame(self, frame: TurnEvent) -> None:
        if self._print_json is not None:
            self._tell("event", json_format.to_dict(frame))
        else:
            self._screen.show_frame(frame)

    def _show(self, turn: Turn, messages: list[Message]) -> None:
        if self._print_json is not None:
            self._tell("turn", json_format.to_dict(turn))
        for message in messages:
            self._show_message(message)
        if self._print_json is not None:
            return
        if turn.error is not None:
            self._screen.error(RotaError.of(turn.error))
        elif turn.state == TurnState.CANCELLED:
            self._screen.note("cancelled")
        if turn.usage is not None:
            self._screen.note(_describe_usage(turn.usage))

    def _show_message(self, message: Message) -> None:
        if self._print_json is not None:
            self._tell("message", json_format.to_dict(message))
            return
        asked = message.role == MessageRole.USER
        for part in message.parts:
            for line in _describe_asked(part) if asked else _describe_part(part):
                self._screen.show(line)

    def _tell(self, kind: str, value: dict[str, Any]) -> None:
        assert self._print_json is not None
        one = self._session
        self._print_json({"step_id": one.step_id, "session_id": one.id, kind: value})


def _describe_asked(part: Part) -> Iterator[Text]:
    if part.text:
        quoted = "\n".join(f"> {line}" for line in sanitize(part.text).splitlines())
        yield Text(quoted, style="dim")


def _describe_part(part: Part) -> Iterator[Text]:
    match betterproto2.which_one_of(part, "part"):
        case "text", str(said):
            yield Text(sanitize(said))
        case "reasoning", str(thought):
            yield Text(f"· thought: {sanitize(thought.strip())}", style="dim italic")
        case "tool_call", ToolCall() as call:
            failed = call.outcome == ToolCallFinishedOutcome.ERROR
            yield Text(
                f"· {sanitize(call.tool)} {_clip(sanitize(call.args_json))}"
                + (" did not work" if failed else ""),
                style="dim",
            )
            if output := json_format.struct_to_dict(call.output):
                given = json.dumps(output, ensure_ascii=False)
                yield Text(f"  → {_clip(sanitize(given))}", style="dim")


def _describe_usage(usage: Usage) -> str:
    calls = f"{usage.model_calls} model call{'' if usage.model_calls == 1 else 's'}"
    tokens = f"{usage.input_tokens:,} tokens read, {usage.output_tokens:,} written"
    return ", ".join(filter(None, (calls, tokens, format_cost(usage.cost_micros))))


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}… (--json has all of it)"
