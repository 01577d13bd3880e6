"""A turn that has a checkpoint: what it holds, what it waits for and how it goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.types import Command, StateSnapshot

from chat_service.agent import telling
from chat_service.agent.events import AgentEvent, TextRetracted
from chat_service.agent.run import Run
from shared import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """`first_resume`: the checkpoint holds nothing of this segment yet."""

    messages: list[BaseMessage]
    waiting: dict[str, UUID]  # the approvals waited for, by interrupt
    undecided: tuple[UUID, ...]
    first_resume: bool
    only_waits: bool

    @classmethod
    def read(cls, state: StateSnapshot, run: Run, resume: Sequence[UUID]) -> "Begun":
        """Raises ApprovalsUndecided when a resume leaves out what its pause waits for."""
        messages = messages_of(state)
        waiting = {i.id: telling.approval_of(i) for i in state.interrupts}
        undecided = tuple(a for a in waiting.values() if a not in resume)
        first_resume = bool(resume and waiting) and not telling.holds_any(messages, run)
        # after the first resume, a pause for quite other approvals is a new one
        if resume and undecided and (first_resume or len(undecided) < len(waiting)):
            names = [f"workspaces/{run.context.workspace}/approvals/{a}" for a in undecided]
            raise errors.ApprovalsUndecided(run.context.turn_name, names)
        return cls(
            messages=messages,
            waiting=waiting,
            undecided=undecided,
            first_resume=first_resume,
            only_waits=all(task.interrupts or task.result is not None for task in state.tasks),
        )

    def told_anew(self, run: Run) -> Iterator[AgentEvent]:
        if run.next_block > 0:
            yield TextRetracted(from_block=0)
        yield from telling.replay(self.messages, run)

    def onward(self) -> Any:
        """The graph's input: the decisions it waits for, or None to go on where it is."""
        decided = {i: a for i, a in self.waiting.items() if a not in self.undecided}
        if not decided:
            return None
        return Command(resume={i: {"approval": str(a)} for i, a in decided.items()})


def messages_of(state: StateSnapshot) -> list[BaseMessage]:
    found: list[BaseMessage] = state.values.get("messages", [])
    return found
