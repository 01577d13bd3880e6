"""The messages of a thread → the messages a model reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from chat_service.agent.middleware.context_window import Group, trim_history
from chat_service.agent.run_result import (
    MAX_EARLIER_RESULT,
    find_run_result,
    newest_limit,
    to_model_message,
)
from chat_service.llm.text import read_arguments
from chat_service.llm.tool_calls.argument_repair import repair_arguments
from chat_service.llm.tool_calls.names import to_tool_name
from chat_service.prompts.examples import is_example_call
from chat_service.runtime.ports import REFERENCE, ThreadMessage

_SHOWN = (REFERENCE, "https://", "http://", "data:")
UNKNOWN_OUTCOME = '{"status": "error", "message": "It is not known how this ended."}'


def to_model_messages(said: Sequence[ThreadMessage], context_tokens: int) -> list[BaseMessage]:
    """Returns the newest messages, in at most half of the context, and always the last one.

    Every tool call is followed by its result, as providers require.
    """
    taken: set[str] = set()  # ids of calls; those of examples are given otherwise
    groups: list[Group] = []
    limit = newest_limit(context_tokens)
    newest = next((one for one in reversed(said) if find_run_result(one)), None)
    for one in said:
        result = find_run_result(one)
        if result is not None:
            most = limit if one is newest else min(limit, MAX_EARLIER_RESULT)
            groups.append([to_model_message(one, result, most)])
        else:
            groups += _user(one) if one.role == "user" else _agent(one, taken)
    # the other half is for the prompt, the tools and the turn itself
    return trim_history(groups, context_tokens // 2)


def _user(said: ThreadMessage) -> list[Group]:
    blocks = [block for part in said.parts if (block := _block(part))]
    if not blocks:
        return []
    if all(block["type"] == "text" for block in blocks):
        return [[HumanMessage("\n\n".join(block["text"] for block in blocks), id=said.id)]]
    return [[HumanMessage(list(blocks), id=said.id)]]


def _block(part: Mapping[str, Any]) -> dict[str, Any] | None:
    match part:
        case {"text": str(text)}:
            return {"type": "text", "text": text}
        case {"mention": {"name": name, "display_name": str(title)}} if title:
            return {"type": "text", "text": f"[{title}: {name}]"}
        case {"mention": {"name": name}}:
            text = f"[A mention was left out: there is no {name}, or the person may not read it.]"
            return {"type": "text", "text": text}
        case {"image": {"data": str(data), **more}} if data:
            kind = more.get("mime_type") or "image/png"
            return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        case {"image": {"uri": str(uri)}} if uri.startswith(_SHOWN):
            return {"type": "image_url", "image_url": {"url": uri}}
        case {"image": _}:
            return {"type": "text", "text": "[an image]"}
    return None


def _agent(said: ThreadMessage, taken: set[str]) -> list[Group]:
    """Returns one message for text and the tool calls after it, then their results."""
    result: list[Group] = []
    text = ""
    calls: list[Mapping[str, Any]] = []
    for part in said.parts:
        match part:
            case {"text": str(words)}:
                if calls:
                    result += _spoken(text, calls, taken)
                    text, calls = "", []
                text += words
            case {"tool_call": call}:
                calls.append(call)
    return result + _spoken(text, calls, taken)


def _spoken(text: str, calls: list[Mapping[str, Any]], taken: set[str]) -> list[Group]:
    if not text and not calls:
        return []
    ids = [_unique(str(call.get("tool_call_id") or "call"), taken) for call in calls]
    spoken = AIMessage(
        text,
        tool_calls=[
            tool_call(
                name=to_tool_name(str(call.get("tool", ""))), args=_arguments(call), id=unique
            )
            for call, unique in zip(calls, ids, strict=True)
        ],
    )
    results = [
        ToolMessage(
            _output(call), tool_call_id=unique, name=to_tool_name(str(call.get("tool", "")))
        )
        for call, unique in zip(calls, ids, strict=True)
    ]
    return [[spoken, *results]]


def _unique(wanted: str, taken: set[str]) -> str:
    """Returns an id that is unique in the history; stored ids are unique in their turn only."""
    unique, number = wanted, 1
    while unique in taken or is_example_call(unique):
        number += 1
        unique = f"{wanted}-{number}"
    taken.add(unique)
    return unique


def _arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    repaired = repair_arguments(call.get("args_json") or "")
    return (read_arguments(repaired.text) if repaired else None) or {}


def _output(call: Mapping[str, Any]) -> str:
    output = call.get("output")
    return json.dumps(output, ensure_ascii=False) if output else UNKNOWN_OUTCOME
