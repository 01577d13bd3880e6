"""A segment of a turn: what it shows, uses and ends with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.llm.metering import Meter
from chat_service.llm.usage import ModelUsage
from chat_service.persistence.turns import Turn
from chat_service.runtime.ports import StartMode
from chat_service.turns.message_parts import MessageParts
from chat_service.turns.usage_sum import UsageSum
from shared import errors


@dataclass(frozen=True, slots=True)
class SegmentCompleted:
    pass


@dataclass(frozen=True, slots=True)
class SegmentSuspended:
    pass


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    error: errors.RotaError


@dataclass(frozen=True, slots=True)
class SegmentCancelled:
    pass


SegmentOutcome = SegmentCompleted | SegmentSuspended | SegmentFailed | SegmentCancelled


class FlowKind(StrEnum):
    NEW_CHAT = "new_chat"
    RESUME_CHAT = "resume_chat"
    AGENT_TASK = "agent_task"


class SegmentIO(Protocol):
    """What a flow does to the segment that it runs. The turn engine provides it."""

    def start_span(self) -> None:
        """Starts the segment's span and its clock. The first thing that a flow does."""
        ...

    async def write(self, frame: pb.TurnEvent) -> None:
        """Adds a frame to the message and the frame log. Waits while the database is behind."""
        ...

    async def flush(self) -> bool:
        """Waits until all frames are stored. False: another owner has the turn."""
        ...

    def record_first_token(self) -> None:
        """Only the first call counts."""
        ...

    def record_fallback(self, config_id: int) -> None:
        """Another model goes on, in a span of its own."""
        ...

    async def finalize(self, outcome: SegmentOutcome) -> None:
        """Stores the segment's end. The last thing that a flow does.

        The engine does it for a flow that raises.
        """
        ...


# Runs a segment from its start to its end.
Flow = Callable[["Segment", SegmentIO], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTurn:
    """What is known of a turn that has just been opened, and need not be read again."""

    parts: Sequence[Mapping[str, Any]]  # what was said
    is_first_message: bool  # the thread has no earlier message
    titled: bool  # the thread has a title, or was told to have none


@dataclass(slots=True, kw_only=True)
class Segment:
    """A segment in progress.

    `recovered`: its first owner died. `opened`: only in a turn's first segment.
    """

    turn: Turn
    opened: OpenedTurn | None = None
    recovered: bool = False
    message: MessageParts = field(default_factory=MessageParts)
    usage: UsageSum = field(default_factory=UsageSum)
    premium_micros: int = 0  # the part of the usage that is charged against credit
    counted_calls: set[str] = field(default_factory=set)  # the model calls in the usage
    meter: Meter = field(default_factory=Meter)  # also of calls that the flow was not told of
    open_block: int | None = None  # the block of a model call that has not ended
    rerouted: bool = False

    @property
    def flow(self) -> FlowKind:
        if self.turn.task is not None:
            return FlowKind.AGENT_TASK
        return FlowKind.RESUME_CHAT if self.resumed else FlowKind.NEW_CHAT

    @property
    def mode(self) -> StartMode:
        if self.recovered:
            return StartMode.RECOVERED
        return StartMode.RESUMED if self.resumed else StartMode.NEW

    @property
    def resumed(self) -> bool:
        return self.turn.segment > 0

    @property
    def turn_name(self) -> str:
        return convert.turn_name(self.turn.workspace_id, self.turn.thread_id, self.turn.id)

    @property
    def agent_message_name(self) -> str:
        return self._message(self.turn.agent_message_id)

    @property
    def user_message_name(self) -> str:
        return self._message(self.turn.asked_message_id)

    def count_usage(self, used: ModelUsage) -> None:
        """Counts a model call once, however often it is told of."""
        self.open_block = None
        if used.call and used.call in self.counted_calls:
            return
        self.counted_calls.add(used.call)
        self.usage.add(used)
        if used.premium:
            self.premium_micros += used.cost_micros

    def text(self) -> str:
        """What the agent said, without its thoughts."""
        return "".join(p["text"] for p in self.message.parts() if "text" in p)

    def started_frame(self) -> pb.TurnEvent:
        return pb.TurnEvent(
            started=pb.TurnStarted(
                turn=self.turn_name,
                user_message=self.user_message_name,
                agent_message=self.agent_message_name,
                resumed=self.resumed,
            )
        )

    def _message(self, message: UUID) -> str:
        return convert.message_name(self.turn.workspace_id, self.turn.thread_id, message)
