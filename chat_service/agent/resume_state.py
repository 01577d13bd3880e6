"""The state of a turn that has a checkpoint: its messages, its interrupts and its next input."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Interrupt, StateSnapshot

from chat_service.agent import stream_events
from chat_service.runtime.events import AgentEvent, TextRetracted
from chat_service.runtime.run_context import AgentRun, RunContext
from shared import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInterrupt:
    """An unanswered interrupt. `segment` is the segment that paused."""

    approvals: tuple[UUID, ...]
    segment: str | None
    answer: dict[str, Any]

    @classmethod
    def from_interrupt(cls, interrupt: Interrupt) -> "PendingInterrupt":
        answer = {key: said for key, said in interrupt.value.items() if key != "segment"}
        return cls(
            approvals=stream_events.approvals_of(interrupt),
            segment=interrupt.value.get("segment"),
            answer=answer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeState:
    """`first_resume`: the checkpoint holds no message of this segment yet."""

    messages: list[BaseMessage]
    decided: dict[str, PendingInterrupt]  # by interrupt
    undecided: tuple[UUID, ...]
    first_resume: bool
    only_waits: bool

    @classmethod
    def from_snapshot(cls, state: StateSnapshot, context: RunContext) -> "ResumeState":
        """Raises ApprovalsUndecided when a resume lacks an approval that its pause waits for."""
        messages, resume = messages_of(state), context.decided
        waiting = {i.id: PendingInterrupt.from_interrupt(i) for i in state.interrupts}
        first_resume = bool(resume and waiting) and not stream_events.holds_segment(
            messages, context.segment
        )
        left_out = [
            approval
            for one in waiting.values()
            # an interrupt of this segment is a new one
            if one.segment != context.segment and (one.segment is not None or first_resume)
            for approval in one.approvals
            if approval not in resume
        ]
        if resume and left_out:
            names = [f"workspaces/{context.runtime.workspace}/approvals/{a}" for a in left_out]
            raise errors.ApprovalsUndecided(context.runtime.turn_name, names)
        return cls(
            messages=messages,
            decided={i: one for i, one in waiting.items() if set(one.approvals) <= set(resume)},
            undecided=tuple(
                a for one in waiting.values() for a in one.approvals if a not in resume
            ),
            first_resume=first_resume,
            only_waits=all(task.interrupts or task.result is not None for task in state.tasks),
        )

    @property
    def is_suspended(self) -> bool:
        """Returns whether nothing can run until a person decides."""
        return bool(self.undecided) and self.only_waits and not self.decided

    def replay_events(self, run: AgentRun) -> Iterator[AgentEvent]:
        if run.state.next_block > 0:
            yield TextRetracted(from_block=0)
        yield from stream_events.replay_events(self.messages, run)

    def resume_input(self) -> Any:
        """Returns the graph's input: the decisions it waits for, or None to continue."""
        if not self.decided:
            return None
        return Command(resume={i: one.answer for i, one in self.decided.items()})


def messages_of(state: StateSnapshot) -> list[BaseMessage]:
    found: list[BaseMessage] = state.values.get("messages", [])
    return found
