"""A segment of a turn in hand: what it has said and used, and how it ends."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from google.protobuf import json_format
from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.agent.events import ModelUsed
from chat_service.agent.meter import Meter
from chat_service.agent.text import clean, clean_json
from chat_service.persistence.turns import Turn
from shared import errors


@dataclass(frozen=True, slots=True)
class Completed:
    pass


@dataclass(frozen=True, slots=True)
class Suspended:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    error: errors.RotaError


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


Outcome = Completed | Suspended | Failed | Cancelled


@dataclass(slots=True)
class UsageSum:
    """What models used, by model."""

    models: dict[str, dict[str, int]] = field(default_factory=dict)
    estimated: set[str] = field(default_factory=set)  # models of which some is an estimate

    def add(self, used: ModelUsed) -> None:
        self._add(
            used.model,
            used.estimated,
            {
                "input_tokens": used.input_tokens,
                "output_tokens": used.output_tokens,
                "cached_tokens": used.cached_tokens,
                "cost_micros": used.cost_micros,
                "model_calls": 1,
            },
        )

    def include(self, stored: Mapping[str, Any]) -> None:
        for model in stored.get("by_model", ()):
            counts = {k: int(v) for k, v in model.items() if k not in ("model", "estimated")}
            self._add(model["model"], bool(model.get("estimated")), counts)

    def stored(self) -> dict[str, Any]:
        """As JSON of the proto's Usage; empty when no model was called."""
        if not self.models:
            return {}
        total: dict[str, Any] = {}
        for counts in self.models.values():
            for key, count in counts.items():
                total[key] = total.get(key, 0) + count
        by_model = [
            {"model": model, **counts, **_marked(model in self.estimated)}
            for model, counts in self.models.items()
        ]
        return {**total, "by_model": by_model, **_marked(bool(self.estimated))}

    def _add(self, model: str, estimated: bool, counts: Mapping[str, int]) -> None:
        if estimated:
            self.estimated.add(model)
        had = self.models.setdefault(model, {})
        for key, count in counts.items():
            had[key] = had.get(key, 0) + count


def _marked(estimated: bool) -> dict[str, bool]:
    return {"estimated": True} if estimated else {}


@dataclass(slots=True)
class _Block:
    reasoning: str = ""
    text: str = ""
    calls: list[str] = field(default_factory=list)


_WRITTEN: Final = ("tool", "args_json")


@dataclass(slots=True)
class Fold:
    """What the frames of a segment amount to: the parts of its message.

    Calls of an earlier segment finish in a later one, so `calls` may hold calls whose block is
    not here; they come first.
    """

    blocks: dict[int, _Block] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    approvals: set[str] = field(default_factory=set)
    thinking_done: bool = False
    titled: bool = False
    # Tool and arguments of calls that an earlier segment began.
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_block: int = -1  # the highest number ever used; retracted ones are not used again

    def add(self, event: pb.TurnEvent) -> None:
        match event.WhichOneof("event"):
            case "step":
                self.thinking_done |= event.step.state == pb.Step.COMPLETED
            case "text_delta":
                self._block(event.text_delta.block).text += event.text_delta.text
            case "reasoning_delta":
                self._block(event.reasoning_delta.block).reasoning += event.reasoning_delta.text
            case "tool_call_started":
                began = event.tool_call_started
                self._block(began.block).calls.append(began.tool_call_id)
                self._call(began.tool_call_id)["tool"] = began.tool
            case "tool_call_args_delta":
                delta = event.tool_call_args_delta
                self._call(delta.tool_call_id)["args_json"] += delta.json
            case "tool_call_finished":
                self._finish(event.tool_call_finished)
            case "text_retracted":
                self._retract(event.text_retracted.from_block)
            case "thread_updated":
                self.titled = True
            case "approval_requested":
                self.approvals.add(event.approval_requested.approval.name)
            case _:
                pass

    @property
    def next_block(self) -> int:
        return self.last_block + 1

    def says_from(self, block: int) -> bool:
        """Whether there is anything that a retraction from a block would take back."""
        return any(number >= block for number in self.blocks)

    def has_ended(self, call: str) -> bool:
        return "outcome" in self.calls.get(call, ())

    def parts(self) -> list[dict[str, Any]]:
        in_blocks = {call for block in self.blocks.values() for call in block.calls}
        parts = [self._tool_part(c) for c in self.calls if c not in in_blocks]
        for _, block in sorted(self.blocks.items()):
            if block.reasoning:
                parts.append({"reasoning": block.reasoning})
            if block.text:
                parts.append({"text": block.text})
            parts.extend(self._tool_part(call) for call in block.calls)
        return parts

    def salvage(self, *, whole: bool) -> None:
        """Keeps of what was said what a database can store, or nothing at all."""
        if not whole:
            self.blocks, self.calls = {}, {}
        for block in self.blocks.values():
            block.reasoning, block.text = clean(block.reasoning), clean(block.text)
            block.calls = [clean(call) for call in block.calls]
        self.calls = clean_json(self.calls)

    def sizes(self) -> list[int]:
        """Bytes that each block's model call wrote."""
        return [self._size(block) for _, block in sorted(self.blocks.items())]

    def _size(self, block: _Block) -> int:
        called = [found[k] for c in block.calls for found in [self.calls[c]] for k in _WRITTEN]
        return sum(len(text.encode()) for text in (block.reasoning, block.text, *called))

    def _tool_part(self, call: str) -> dict[str, Any]:
        found = self.calls[call]
        began = {} if found["tool"] else self.earlier.get(call, {})
        return {"tool_call": {"tool_call_id": call, **found, **began}}

    def _block(self, number: int) -> _Block:
        self.last_block = max(self.last_block, number)
        return self.blocks.setdefault(number, _Block())

    def _call(self, call: str) -> dict[str, Any]:
        return self.calls.setdefault(call, {"tool": "", "args_json": ""})

    def _finish(self, finished: pb.ToolCallFinished) -> None:
        call = self._call(finished.tool_call_id)
        call["outcome"] = pb.ToolCallFinished.Outcome.Name(finished.outcome)
        call["output"] = json_format.MessageToDict(finished.output)
        if finished.resource:
            call["resource"] = finished.resource

    def _retract(self, from_block: int) -> None:
        for number in [n for n in self.blocks if n >= from_block]:
            for call in self.blocks.pop(number).calls:
                self.calls.pop(call, None)


async def _nowhere(event: pb.TurnEvent) -> None:
    """Where frames go of a segment that is not run here."""


def _unseen(*_: object) -> None:
    """Nobody observes a segment that is not run here."""


async def _at_once() -> bool:
    """Nothing is to be stored of a segment that is not run here."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What is known of a turn that has just been opened, and need not be read again."""

    parts: Sequence[Mapping[str, Any]]  # what was said
    first: bool  # nothing was said in the thread before
    titled: bool  # the thread has a title, or was told to have none


@dataclass(slots=True, kw_only=True)
class Work:
    """A segment in hand. `recovered` when its first owner died, `opened` while it is the first."""

    turn: Turn
    opened: Opened | None = None
    recovered: bool = False
    fold: Fold = field(default_factory=Fold)
    usage: UsageSum = field(default_factory=UsageSum)
    premium_micros: int = 0  # the part of the usage that is charged against credit
    counted: set[str] = field(default_factory=set)  # the model calls in the usage
    meter: Meter = field(default_factory=Meter)  # also of calls that the flow was not told of
    standing: int | None = None  # the block of a model call that has not ended
    rerouted: bool = False
    # Puts a frame between those of the flow, and waits for all frames to be stored. The engine
    # sets both.
    show: Callable[[pb.TurnEvent], Awaitable[None]] = _nowhere
    stored: Callable[[], Awaitable[bool]] = _at_once
    # Text came; another model goes on. Also set by the engine.
    spoke: Callable[[], None] = _unseen
    switched: Callable[[int], None] = _unseen

    @property
    def flow(self) -> str:
        if self.turn.task is not None:
            return "agent_task"
        return "resume_chat" if self.resumed else "new_chat"

    @property
    def resumed(self) -> bool:
        return self.turn.segment > 0

    @property
    def name(self) -> str:
        return convert.turn_name(self.turn.workspace_id, self.turn.thread_id, self.turn.id)

    @property
    def agent_message(self) -> str:
        return self._message(self.turn.agent_message_id)

    @property
    def user_message(self) -> str:
        return self._message(self.turn.user_message_id)

    def account(self, used: ModelUsed) -> None:
        """Counts a model call once, however often it is told of."""
        self.standing = None
        if used.call and used.call in self.counted:
            return
        self.counted.add(used.call)
        self.usage.add(used)
        if used.premium:
            self.premium_micros += used.cost_micros

    def text(self) -> str:
        """What the agent said, without its thoughts."""
        return "".join(p["text"] for p in self.fold.parts() if "text" in p)

    def started(self) -> pb.TurnEvent:
        return pb.TurnEvent(
            started=pb.TurnStarted(
                turn=self.name,
                user_message=self.user_message,
                agent_message=self.agent_message,
                resumed=self.resumed,
            )
        )

    def _message(self, message: UUID) -> str:
        return convert.message_name(self.turn.workspace_id, self.turn.thread_id, message)
