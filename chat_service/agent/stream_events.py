"""The parts that a graph streams, or its checkpoint holds → agent events."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import (
    AgentEvent,
    ReasoningDelta,
    TextDelta,
    TextRetracted,
    ToolCallArgs,
    ToolCallFinished,
    ToolCallStarted,
)
from chat_service.runtime.run_context import AgentRun, stamp_of, unreadable_of


class StreamEvents:
    """Reads one stream of a graph. `paused` collects the approvals that it waits for."""

    def __init__(self, run: AgentRun) -> None:
        self._run = run
        self.paused: list[UUID] = []

    def read(self, part: Mapping[str, Any]) -> Iterator[AgentEvent]:
        match part:
            case {"type": "updates", "data": {"__interrupt__": interrupts}}:
                self.paused += [a for i in interrupts for a in approvals_of(i)]
            case {"type": "updates", "data": {"tools": update}}:
                for message in _messages(update):
                    yield from _finished(message, self._run)


def replay_events(messages: Sequence[BaseMessage], run: AgentRun) -> Iterator[AgentEvent]:
    """Yields the events of this segment's messages again, in new blocks."""
    for message in messages:
        match message:
            case HumanMessage() if stamp_of(message).get("segment") == run.context.segment:
                yield TextRetracted(from_block=run.state.next_block - 1)
            case _ if stamp_of(message).get("segment") != run.context.segment:
                continue
            case AIMessage():
                yield from _spoken(message, run.state.open_block())
            case ToolMessage():
                yield from _finished(message, run)


def holds_segment(messages: Sequence[BaseMessage], segment: str) -> bool:
    """Returns whether a checkpoint holds a message of the segment."""
    return any(stamp_of(message).get("segment") == segment for message in messages)


def _finished(message: ToolMessage, run: AgentRun) -> Iterator[AgentEvent]:
    """Yields each call's end once: a resumed graph streams results of its checkpoint again."""
    stamp = stamp_of(message)
    in_this_segment = stamp.get("segment", run.context.segment) == run.context.segment
    if message.tool_call_id in run.state.finished_calls or not in_this_segment:
        return
    run.state.finished_calls.add(message.tool_call_id)
    if run.context.replays and message.tool_call_id not in run.state.self_metered_calls:
        yield from (ModelUsage(**used) for used in stamp.get("spent", ()))
    yield ToolCallFinished(
        tool_call_id=message.tool_call_id,
        ok=bool(stamp.get("ok", True)) and message.status != "error",
        output=_output(message),
        resource=str(stamp.get("resource", "")),
    )


def approvals_of(interrupt: Any) -> tuple[UUID, ...]:
    """Returns the approvals of an interrupt: one of a tool, one or more of a subagent."""
    match interrupt.value:
        case {"approvals": list(several)}:
            return tuple(UUID(one) for one in several)
        case value:
            return (UUID(value["approval"]),)


def _spoken(message: AIMessage, block: int) -> Iterator[AgentEvent]:
    if thought := message.additional_kwargs.get("reasoning_content"):
        yield ReasoningDelta(block=block, text=thought)
    if message.text:
        yield TextDelta(block=block, text=message.text)
    unreadable = unreadable_of(message)
    for call in message.tool_calls:
        tool_call_id = str(call["id"])
        yield ToolCallStarted(block=block, tool_call_id=tool_call_id, tool=call["name"])
        arguments = unreadable.get(tool_call_id) or json.dumps(call["args"], ensure_ascii=False)
        yield ToolCallArgs(tool_call_id=tool_call_id, json=arguments)
    if used := stamp_of(message).get("used"):
        yield ModelUsage(**used)


def _messages(update: Any) -> Iterator[ToolMessage]:
    for one in update if isinstance(update, list) else [update]:
        for message in (one or {}).get("messages", ()):
            if isinstance(message, ToolMessage):
                yield message


def _output(message: ToolMessage) -> dict[str, Any]:
    try:
        found = json.loads(message.text)
    except ValueError:
        return {"result": message.text}
    return found if isinstance(found, dict) else {"result": found}
