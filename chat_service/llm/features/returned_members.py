"""Members of an answer that its provider wants back while the turn's tools are called.

Thinking models refuse the results of tools without the thoughts that asked for them, and Gemini
without the signature of a call. What is kept stands in the message's `additional_kwargs`, so it is
in the checkpoint of the turn and nowhere else, and goes back to the model that sent it only.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from langchain_core.messages import AIMessage, BaseMessage

from chat_service.llm.text import clean_json

# in `additional_kwargs`
RETURNED: Final = "returned"
THOUGHT: Final = "reasoning_content"
# texts that hold the thoughts
THOUGHT_TEXTS: Final = ("reasoning_content", "reasoning")
# parts of them, as a provider signs or encrypts them, and what else it says beside a call
THOUGHT_PARTS: Final = ("reasoning_details", "thinking_blocks", "extra_content")
THOUGHTS: Final = (*THOUGHT_TEXTS, *THOUGHT_PARTS)
CALL_MEMBERS: Final = frozenset({"index", "id", "type", "function", "name", "arguments"})
# of what is kept of an answer beside the text of its thoughts, as JSON
MAX_BYTES: Final = 64 * 1024
_MAX_PARTS: Final = 2_000
_TEXTS: Final = ("text", "thinking", "summary", "data")


@dataclass(slots=True)
class ReturnedMembers:
    """Collects them from the chunks of an answer."""

    _thoughts: set[str] = field(default_factory=set)
    _message: dict[str, Any] = field(default_factory=dict)
    _size: int = 0

    def read(self, delta: Mapping[str, Any]) -> None:
        """Notes the members of a chunk's delta; takes nothing out of it."""
        for name in THOUGHT_TEXTS:
            if isinstance(text := delta.get(name), str) and text:
                self._thoughts.add(name)
        for name in THOUGHT_PARTS:
            value = delta.get(name)
            if value and self._size <= MAX_BYTES:
                self._size += len(str(value))
                self._message[name] = _joined(self._message.get(name), value)

    def kept(self, calls: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, Any]:
        """Returns what the message keeps: nothing for an answer without calls.

        `calls` holds the members of each call that are none of the API's, by the call's id.
        """
        members = {id_: dict(more) for id_, more in calls.items() if more}
        if not (calls and (self._thoughts or self._message or members)):
            return {}
        found = {
            "source": source,
            "thoughts": sorted(self._thoughts),
            "message": self._message,
            "calls": members,
        }
        try:
            found = clean_json(found)
            if len(orjson.dumps(found)) <= MAX_BYTES:
                return {RETURNED: found}
        except (TypeError, ValueError, RecursionError):  # nested too deep to be stored
            pass
        return {RETURNED: {**found, "message": {}, "calls": {}}} if self._thoughts else {}


def source_of(base_url: str | None, model: str) -> str:
    """Returns what tells the model that an answer came from, without its address."""
    return hashlib.sha256(f"{base_url} {model}".encode()).hexdigest()[:16]


def add_returned(
    sent: Sequence[dict[str, Any]], messages: Sequence[BaseMessage], source: str
) -> None:
    """Adds to the messages of a request what its model sent with them in this turn."""
    if len(sent) != len(messages):
        return
    for one, message in zip(sent, messages, strict=True):
        kept = message.additional_kwargs.get(RETURNED)
        if not (isinstance(message, AIMessage) and kept and one.get("tool_calls")):
            continue
        if kept["source"] != source:
            continue
        one.update(kept["message"])
        if thought := message.additional_kwargs.get(THOUGHT):
            one.update(dict.fromkeys(kept["thoughts"], thought))
        one["tool_calls"] = [
            {**kept["calls"].get(call["id"], {}), **call} for call in one["tool_calls"]
        ]


def count_bytes(message: BaseMessage) -> int:
    """Returns about how many bytes may go back with a message."""
    kept = message.additional_kwargs.get(RETURNED)
    if not kept:
        return 0
    thought = len(message.additional_kwargs.get(THOUGHT, "").encode(errors="replace"))
    more = (kept["message"], kept["calls"])
    return thought * len(kept["thoughts"]) + sum(len(str(one)) for one in more if one)


def call_members(piece: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the members of a call that are none of the API's."""
    for name, value in piece.items():
        if name not in CALL_MEMBERS and value is not None:
            yield str(name), value


def _joined(before: Any, more: Any) -> Any:
    if isinstance(before, list) and isinstance(more, list):
        for part in more:
            last = before[-1] if before else None
            if _goes_on(last, part):
                before[-1] = _continued(last, part)
            elif len(before) < _MAX_PARTS:
                before.append(part)
        return before
    if isinstance(before, dict) and isinstance(more, dict):
        return {**before, **more}
    return list(more) if isinstance(more, list) else more


def _goes_on(last: Any, part: Any) -> bool:
    """Returns whether a part of a list continues the one before, as its place says."""
    return (
        isinstance(last, dict)
        and isinstance(part, dict)
        and last.get("index") is not None
        and (last.get("index"), last.get("type")) == (part.get("index"), part.get("type"))
    )


def _continued(last: Any, part: Any) -> dict[str, Any]:
    texts = {
        name: str(last.get(name) or "") + part[name]
        for name in _TEXTS
        if isinstance(part.get(name), str)
    }
    said = {name: value for name, value in part.items() if value is not None}
    return {**last, **said, **texts}
