"""A segment of a turn: what it shows, uses and ends with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.llm.metering import Meter
from chat_service.llm.usage import ModelUsage
from chat_service.persistence.turns import Turn
from chat_service.turns.message_parts import Fold
from chat_service.turns.usage_sum import UsageSum
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

    def account(self, used: ModelUsage) -> None:
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
