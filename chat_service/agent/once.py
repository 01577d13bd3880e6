"""An act that may not be repeated: kept as begun before it is, and known by a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from uuid import uuid5

from chat_service.agent.approval import ToolCall, place_of
from chat_service.agent.run import Run

_KEY: Final[ContextVar[str]] = ContextVar("idempotency_key", default="")


def present_key() -> str:
    """The key of the tool call in hand: the same for whoever takes it over. Empty outside."""
    return _KEY.get()


@contextmanager
def keyed(run: Run, call: ToolCall) -> Iterator[None]:
    token = _KEY.set(str(uuid5(run.context.turn, place_of(run, call))))
    try:
        yield
    finally:
        _KEY.reset(token)


async def begins(run: Run, call: ToolCall) -> bool:
    """False when the act was begun before: how it ended nobody knows."""
    return await run.desk.acts.begin(run.context.turn, place_of(run, call))
