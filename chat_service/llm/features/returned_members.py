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
# of the members of an answer's calls, and of the parts of its thoughts, as JSON
MAX_CALL_BYTES: Final = 64 * 1024
MAX_THOUGHT_BYTES: Final = 256 * 1024
_MAX_PARTS: Final = 2_000
# members of a part that come in pieces; the other members come whole
_TEXTS: Final = ("text", "thinking", "summary")


@dataclass(slots=True)
class _Part:
    """A part of a member's list, of which more may come."""

    members: dict[str, Any]
    texts: dict[str, list[str]] = field(default_factory=dict)

    def goes_on_with(self, more: Mapping[str, Any]) -> bool:
        """Returns whether another part of the list is the rest of this one."""
        place = ("index", "type", "id")
        return (
            "signature" not in self.members
            and any(isinstance(more.get(name), str) for name in (*_TEXTS, "signature"))
            and all(
                more.get(name) is None or more[name] == self.members.get(name) for name in place
            )
            and more.get("type") == self.members.get("type")
        )

    def add(self, more: Mapping[str, Any]) -> int:
        """Adds a part; returns how many bytes that takes."""
        size = 0
        for name, value in more.items():
            if name in _TEXTS and isinstance(value, str):
                self.texts.setdefault(name, []).append(value)
                size += len(value)
            elif value is not None and self.members.get(name) != value:
                self.members[name] = value
                size += _size(value)
        return size

    def whole(self) -> dict[str, Any]:
        return {**self.members, **{name: "".join(more) for name, more in self.texts.items()}}


@dataclass(slots=True)
class _Member:
    """A member of a message as its chunks bring it: a list of parts, or a value."""

    value: Any = None
    parts: list[_Part | Any] = field(default_factory=list)
    size: int = 0

    def add(self, more: Any) -> None:
        """Raises TypeError for what can't be stored."""
        if not isinstance(more, list):
            both = isinstance(self.value, dict) and isinstance(more, dict)
            self.value = {**self.value, **more} if both else more
            self.size += _size(more)
            return
        for part in more:
            last = self.parts[-1] if self.parts else None
            if isinstance(part, dict) and isinstance(last, _Part) and last.goes_on_with(part):
                self.size += last.add(part)
            elif isinstance(part, dict):
                self.parts.append(_Part({}))
                self.size += 20 + self.parts[-1].add(part)
            else:
                self.parts.append(part)
                self.size += _size(part)
            if self.is_too_large:
                return

    @property
    def is_too_large(self) -> bool:
        return self.size > MAX_THOUGHT_BYTES or len(self.parts) > _MAX_PARTS

    def whole(self) -> Any:
        parts = [one.whole() if isinstance(one, _Part) else one for one in self.parts]
        return parts or self.value


@dataclass(slots=True)
class ReturnedMembers:
    """Collects them from the chunks of an answer. One that is too large is left out whole."""

    _thoughts: set[str] = field(default_factory=set)
    _members: dict[str, _Member] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)

    def read(self, delta: Mapping[str, Any]) -> None:
        """Notes the members of a chunk's delta; takes nothing out of it."""
        for name in THOUGHT_TEXTS:
            if isinstance(text := delta.get(name), str) and text:
                self._thoughts.add(name)
        for name in THOUGHT_PARTS:
            value = delta.get(name)
            if value and name not in self._left_out:
                self._read(name, value)

    def _read(self, name: str, value: Any) -> None:
        member = self._members.setdefault(name, _Member())
        try:
            member.add(value)
            fits = not member.is_too_large
        except TypeError:  # nested too deep
            fits = False
        if not fits:
            self._left_out.add(name)
            del self._members[name]

    def kept(self, calls: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, Any]:
        """Returns what the message keeps: nothing for an answer without calls.

        `calls` holds the members of each call that are none of the API's, by the call's id.
        """
        if not calls:
            return {}
        message = {name: member.whole() for name, member in self._members.items()}
        of_calls = {id_: dict(more) for id_, more in calls.items() if more}
        found = {
            "source": source,
            "thoughts": sorted(self._thoughts),
            "message": _storable(message, 2 * MAX_THOUGHT_BYTES),
            "calls": _storable(of_calls, MAX_CALL_BYTES),
        }
        return {RETURNED: found} if any(found[name] for name in found if name != "source") else {}


def _storable(value: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Returns a value as it can be stored; an empty one if it is too large or nested too deep."""
    try:
        found: dict[str, Any] = clean_json(value)
        return found if len(orjson.dumps(found)) <= max_bytes else {}
    except (TypeError, ValueError, RecursionError):
        return {}


def _size(value: Any) -> int:
    """Returns about how many bytes of JSON a value takes. Raises TypeError for a deep one."""
    return len(value) if isinstance(value, str) else len(orjson.dumps(value))


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
