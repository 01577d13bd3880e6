"""An act that may not be repeated: kept as begun before it is, and known by a key."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import uuid5

from chat_service.runtime.run_context import AgentRun
from chat_service.tools.approval import ToolCall, call_place
from shared import errors


class PeerUnreachable(errors.RotaError):
    """Whoever would act can't be reached, so nothing was done."""

    code, reason = errors.Code.UNAVAILABLE, "SERVICE_UNAVAILABLE"


class OutcomeUnknown(errors.RotaError):
    """Whether an act was done, nobody knows."""


@dataclass(frozen=True, slots=True)
class _Act:
    key: str
    begin: Callable[[], Awaitable[bool]]


_ACT: Final[ContextVar[_Act | None]] = ContextVar("act", default=None)


def current_key() -> str:
    """The key of the tool call in hand: the same for whoever takes it over. Empty outside."""
    act = _ACT.get()
    return act.key if act else ""


async def start_call() -> bool:
    """Right before the act in hand is done. False when it was begun before: it may be done."""
    act = _ACT.get()
    return act is None or await act.begin()


@contextmanager
def call_in_progress(run: AgentRun, call: ToolCall, *, repeatable: bool) -> Iterator[None]:
    """`repeatable`: to do it again does no more than to do it once."""
    place = call_place(run, call)

    async def begin() -> bool:
        # One whose answer is lost may have been kept: asked again it is false, which errs on the
        # side of an act too few.
        return repeatable or await run.deps.retry.peer.call(
            lambda: run.deps.claims.claim(run.context.turn, place)
        )

    token = _ACT.set(_Act(key=str(uuid5(run.context.turn, place)), begin=begin))
    try:
        yield
    finally:
        _ACT.reset(token)
