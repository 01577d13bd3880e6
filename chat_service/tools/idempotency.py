"""Tool calls that must not run twice: claimed by a key before they start."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import uuid5

from chat_service.runtime.events import AgentEvent
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.approval import ToolCall, call_place
from chat_service.tools.question import Answers
from shared import errors


class PeerUnreachable(errors.RotaError):
    """The peer can't be reached; nothing was done."""

    code, reason = errors.Code.UNAVAILABLE, "SERVICE_UNAVAILABLE"


class OutcomeUnknown(errors.RotaError):
    """The call may have run or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentCall:
    """The tool call that is carried out. `key` is the same after a takeover or an answer.

    `answers` are for questions of its server; None where nobody can be asked.
    """

    run: AgentRun
    call: ToolCall
    key: str
    claim: Callable[[], Awaitable[bool]]
    answers: Answers | None = None

    @property
    def step(self) -> str:
        """The id of the step that shows how far the call is, unique in the turn."""
        subagent = self.run.context.subagent
        its = f"{subagent.subagent}-{subagent.number}-" if subagent else ""
        return f"progress-{its}{self.call.id}"

    def emit(self, event: AgentEvent) -> None:
        """Sends an event of the call to the stream of its turn."""
        self.call.emit(event)


_CURRENT: Final[ContextVar[CurrentCall | None]] = ContextVar("current_call", default=None)


def current_call() -> CurrentCall | None:
    return _CURRENT.get()


async def start_call() -> bool:
    """Claims the current call right before it runs. False if it was claimed before."""
    current = _CURRENT.get()
    return current is None or await current.claim()


@contextmanager
def call_in_progress(
    run: AgentRun, call: ToolCall, *, repeatable: bool, answers: Answers | None = None
) -> Iterator[None]:
    """Sets the current call. A `repeatable` call is idempotent and needs no claim.

    A call that is made again with one more answer has a claim of its own.
    """
    place = call_place(run, call)
    claimed = f"{place}:answer:{answers.count}" if answers is not None and answers.count else place

    async def claim() -> bool:
        # a claim whose reply is lost may be stored: the retry returns False, and the call does
        # not run
        return repeatable or await run.deps.retry.peer.call(
            lambda: run.deps.claims.claim(run.context.runtime.turn, claimed)
        )

    key = str(uuid5(run.context.runtime.turn, place))
    current = CurrentCall(run=run, call=call, key=key, claim=claim, answers=answers)
    token = _CURRENT.set(current)
    try:
        yield
    finally:
        _CURRENT.reset(token)
