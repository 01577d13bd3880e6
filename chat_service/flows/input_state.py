"""The model's input: earlier messages of the thread, then the message to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from chat_service.flows import mentions
from chat_service.flows.dependencies import FlowDeps
from chat_service.persistence import messages
from chat_service.persistence.enums import MessageRole, TurnState
from chat_service.persistence.messages import Message
from chat_service.runtime.ports import TaskLimits, ThreadMessage
from chat_service.turns.segment import Segment

MOST_MESSAGES: Final = 200
MOST_RESULTS: Final = 10  # of runs, beside the messages
# the ends of turns that no model finished
_UNFINISHED: Final = {
    TurnState.FAILED: "[This answer was not finished: the turn failed.]",
    TurnState.CANCELLED: "[This answer was not finished: the person stopped it.]",
}
# Replaces a message whose parts were all dropped. The model still answers it.
_NOTHING: Final = ({"text": "(message)"},)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInput:
    """What a segment's agent starts with. `decided` are the approvals of a segment that resumes."""

    messages: Sequence[ThreadMessage] = ()
    decided: Sequence[UUID] = ()
    task: TaskLimits | None = None


async def load_model_messages(deps: FlowDeps, segment: Segment) -> list[ThreadMessage]:
    """Finished messages before this turn, oldest first, then the turn's user message.

    Each mention is a message of its own right before it. What the agent said in earlier
    segments of this turn is in its checkpoint, not here.
    """
    found, parts = await _read(deps, segment)
    asked = segment.turn.asked_message_id
    shown = await mentions.render_mentions(deps.db, deps.automations, segment.turn, parts)
    context = [
        ThreadMessage(id=f"{asked}-{number}", role="user", parts=[{"text": block}])
        for number, block in enumerate(shown, start=1)
    ]
    present = ThreadMessage(id=str(asked), role="user", parts=parts or _NOTHING)
    return [*to_model_messages([*reversed(found)]), *context, present]


def text_of(of: ThreadMessage) -> str:
    """The text that a person wrote; empty if every part was dropped."""
    if of.parts is _NOTHING:
        return ""
    return " ".join(part.get("text", "") for part in of.parts).strip()


async def _read(
    deps: FlowDeps, segment: Segment
) -> tuple[Sequence[Message], Sequence[Mapping[str, Any]]]:
    """Earlier messages, newest first, and the parts of the turn's own message."""
    turn, opened = segment.turn, segment.opened
    if opened is not None and opened.is_first_message:
        return (), opened.parts
    async with deps.db.connect() as connection:
        found = await messages.list_history(
            connection,
            turn.thread_id,
            before=turn.asked_message_id,
            size=MOST_MESSAGES,
            results=MOST_RESULTS,
        )
        if opened is not None:
            return found, opened.parts
        own = await messages.list_by_turn(connection, turn.id)
    (asked,) = [m for m in own if m.id == turn.asked_message_id]
    return found, asked.parts


def to_model_messages(found: Sequence[Message]) -> list[ThreadMessage]:
    """Messages, oldest first. A tool call that a later segment finished is shown once.

    The last message of a turn that failed or was cancelled says so.
    """
    answers = {
        (message.turn_id, call["tool_call_id"]): call
        for message in found
        for call in _calls(message)
        if "outcome" in call
    }
    last = {m.turn_id: m.id for m in found if m.role is MessageRole.AGENT}
    told: set[tuple[UUID, str]] = set()
    result = []
    for message in found:
        parts: list[Mapping[str, Any]] = []
        for part in message.parts:
            key = (message.turn_id, part.get("tool_call", {}).get("tool_call_id", ""))
            if key in told:
                continue
            if key in answers:
                told.add(key)
                part = {"tool_call": {**answers[key], **_begun(part["tool_call"])}}
            parts.append(part)
        if last.get(message.turn_id) == message.id and message.turn_state in _UNFINISHED:
            gap = "\n\n" if parts and "text" in parts[-1] else ""
            parts.append({"text": f"{gap}{_UNFINISHED[message.turn_state]}"})
        result.append(replace(_said(message), parts=parts))
    return result


def _calls(message: Message) -> list[Mapping[str, Any]]:
    return [part["tool_call"] for part in message.parts if "tool_call" in part]


def _begun(call: Mapping[str, Any]) -> dict[str, Any]:
    return {key: call[key] for key in ("tool", "args_json") if call.get(key)}


def _said(message: Message) -> ThreadMessage:
    return ThreadMessage(
        id=str(message.id),
        role="user" if message.role is MessageRole.USER else "agent",
        parts=message.parts,
        create_time=message.create_time,
    )
