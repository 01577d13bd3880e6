"""What a chunk's delta says, in any of the forms of providers: text, and thoughts beside it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chat_service.llm.stream.thought_tags import Thought
from shared.db.storable_text import clean

# the same thought may be in several of them
_THOUGHT_FIELDS: Final = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "reasoning_details",
    "thinking_blocks",
)
_THOUGHT_TYPES: Final = ("thinking", "reasoning", "thought", "summary_text", "analysis")
# members of a part or a delta whose value may be one of them
_THOUGHT_NAMES: Final = ("type", "channel", "role", "phase")
_THOUGHT_MARKS: Final = ("thought", "is_thought", "is_thinking", "is_reasoning")
_TEXT_FIELDS: Final = ("text", "thinking", "reasoning", "content", "summary", "value")
_MOST_NESTED: Final = 4


def take_words(delta: dict[str, Any]) -> list[str | Thought]:
    """Takes all text and thoughts out of a delta, and returns them as they can be stored.

    What a provider encrypted is not among them. Raises TypeError for a content of no known form.
    """
    told = (_text_of(delta.pop(name, None)) for name in _THOUGHT_FIELDS)
    thought = next((text for text in list(told) if text), "")
    words: list[str | Thought] = [Thought(clean(thought))] if thought else []
    words += _read_content(delta.pop("content", None), whole_thought=_is_thought(delta))
    delta["content"] = ""
    refusal = delta.get("refusal")
    if isinstance(refusal, str) and refusal:  # shown to the person like any answer
        words.append(clean(refusal))
    return words


def _read_content(content: Any, *, whole_thought: bool) -> Iterator[str | Thought]:
    match content:
        case None | "":
            return
        case str():
            yield Thought(clean(content)) if whole_thought else clean(content)
        case Mapping():
            text = clean(_text_of(content))
            if text:
                yield Thought(text) if whole_thought or _is_thought(content) else text
        case list():
            for part in content:
                yield from _read_content(part, whole_thought=whole_thought)
        case _:
            raise TypeError("a content is a text or a list of parts")


def _is_thought(part: Mapping[str, Any]) -> bool:
    """Returns whether a part, or a delta, is marked as a thought."""
    kinds = [str(part.get(name) or "").lower() for name in _THOUGHT_NAMES]
    more = part.get("extra_content")
    google = more.get("google") if isinstance(more, Mapping) else None
    marks = [part.get(name) for name in _THOUGHT_MARKS]
    marks += [google.get("thought")] if isinstance(google, Mapping) else []
    return any(name in kind for kind in kinds for name in _THOUGHT_TYPES) or any(
        str(mark).lower() == "true" for mark in marks
    )


def _text_of(value: Any, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if depth >= _MOST_NESTED:
        return ""
    if isinstance(value, list):
        return "".join(_text_of(item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        found = (_text_of(value.get(name), depth + 1) for name in _TEXT_FIELDS)
        return next((text for text in found if text), "")
    return ""
