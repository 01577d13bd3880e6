"""A question that a server asks a person within a call: stored and decided like an approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langgraph.types import interrupt

from chat_service.llm.text import one_line
from chat_service.runtime.ports import ActionType, StoredApproval
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.approval import Proposal, ToolCall, call_place, new_draft
from shared.json import canonical_json

MAX_QUESTIONS: Final = 3  # of one call
MAX_SUMMARY: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `schema` is that of the answer: an object of plain values."""

    server: str
    tool: str
    message: str
    schema: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The same for questions that a person can't tell apart."""
        return _digest(self.message, self.schema)

    @property
    def defaults(self) -> dict[str, Any]:
        """The answer that is shown before a person edits it."""
        fields = self.schema["properties"]
        return {name: one["default"] for name, one in fields.items() if "default" in one}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person answered to the question of a digest."""

    digest: str
    action: Literal["accept", "decline", "cancel"]
    values: Mapping[str, Any]
    reason: str = ""


class QuestionAsked(Exception):
    """A call ended early: its server asks what nobody has answered yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.tool)
        self.question = question


class Answers:
    """The answers that one attempt of a call may give, each once."""

    def __init__(self, given: Sequence[Answer]) -> None:
        self.count = len(given)
        self._left = list(given)

    @property
    def may_ask(self) -> bool:
        """Whether the call may ask a person another question."""
        return self.count < MAX_QUESTIONS

    def take(self, question: Question) -> Answer | None:
        """Returns the answer to a question; None if nobody has answered it."""
        for answer in self._left:
            if answer.digest == question.digest:
                self._left.remove(answer)
                return answer
        return None


async def read_answers(run: AgentRun, call: ToolCall) -> tuple[Answer, ...]:
    """Returns the answers to the questions of a call, in order.

    Pauses the turn for a question that nobody has answered yet.
    """
    found: list[Answer] = []
    approvals, again, turn = run.deps.approvals, run.deps.retry.peer.call, run.context.runtime.turn
    for number in range(MAX_QUESTIONS):
        key = _key(run, call, number)
        stored = await again(lambda key=key: approvals.find(turn, key))  # type: ignore[misc]
        if stored is None:
            break
        found.append(await _wait_answered(run, stored))
    return tuple(found)


async def request_answer(
    run: AgentRun, call: ToolCall, question: Question, earlier: Sequence[Answer]
) -> tuple[Answer, ...]:
    """Stores a question and pauses the turn until a person answers it.

    Returns the answers to all questions of the call.
    """
    shown = Proposal(
        summary=one_line(f"{question.server} asks: {question.message}", MAX_SUMMARY),
        payload=question.defaults,
        payload_schema=question.schema,
        context={
            "server": question.server,
            "tool": question.tool,
            "message": question.message,
            **({"warnings": list(question.warnings)} if question.warnings else {}),
        },
        preview={},
    )
    draft = new_draft(run, _key(run, call, len(earlier)), ActionType.QUESTION, call, shown)
    approvals, turn = run.deps.approvals, run.context.runtime.turn
    stored = await run.deps.retry.peer.call(lambda: approvals.store(turn, draft))
    return (*earlier, await _wait_answered(run, stored))


async def _wait_answered(run: AgentRun, stored: StoredApproval) -> Answer:
    found: StoredApproval | None = stored
    while found is not None and found.state == "pending":
        # what it returns may be the decision of an earlier pause of the call
        interrupt({"approval": str(stored.id), "segment": run.context.segment})
        found = await run.deps.retry.peer.call(lambda: run.deps.approvals.get(stored.id))
    digest = _digest(stored.context["message"], stored.payload_schema)
    match found:
        case StoredApproval(state="approved"):
            return Answer(digest=digest, action="accept", values=found.payload)
        case StoredApproval(state="rejected"):
            return Answer(digest=digest, action="decline", values={}, reason=found.reason)
    return Answer(digest=digest, action="cancel", values={})


def _key(run: AgentRun, call: ToolCall, number: int) -> str:
    return f"{call_place(run, call)}:question:{number}"


def _digest(message: str, schema: Mapping[str, Any]) -> str:
    return canonical_json.digest({"message": message, "schema": dict(schema)})
