"""Tool calls that must not run twice: claimed by a key before they start."""

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
    """The peer can't be reached; nothing was done."""

    code, reason = errors.Code.UNAVAILABLE, "SERVICE_UNAVAILABLE"


class OutcomeUnknown(errors.RotaError):
    """The call may have run or not."""


@dataclass(frozen=True, slots=True)
class _Act:
    key: str
    begin: Callable[[], Awaitable[bool]]


_ACT: Final[ContextVar[_Act | None]] = ContextVar("act", default=None)


def current_key() -> str:
    """Returns the key of the current tool call, stable over a takeover; empty outside of one."""
    act = _ACT.get()
    return act.key if act else ""


async def start_call() -> bool:
    """Claims the current call right before it runs. False if it was claimed before."""
    act = _ACT.get()
    return act is None or await act.begin()


@contextmanager
def call_in_progress(run: AgentRun, call: ToolCall, *, repeatable: bool) -> Iterator[None]:
    """Sets the current call. A `repeatable` call is idempotent and needs no claim."""
    place = call_place(run, call)

    async def begin() -> bool:
        # a claim whose reply is lost may be stored: the retry returns False, and the call does
        # not run
        return repeatable or await run.deps.retry.peer.call(
            lambda: run.deps.claims.claim(run.context.runtime.turn, place)
        )

    token = _ACT.set(_Act(key=str(uuid5(run.context.runtime.turn, place)), begin=begin))
    try:
        yield
    finally:
        _ACT.reset(token)
