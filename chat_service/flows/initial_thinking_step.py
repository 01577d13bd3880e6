"""The step that a person sees before the agent's first word."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rota.chat.v1 import chat_pb2 as pb

STEP: Final = "thinking-1"
_LONGEST_QUERY: Final = 80
_LONGEST_TITLE: Final = 30


def start(parts: Sequence[Mapping[str, Any]]) -> pb.TurnEvent:
    """The step in progress, for a message's stored parts."""
    said = [part["mention"] for part in parts if "mention" in part]
    titles = [_shorten(one["display_name"]) for one in said if one.get("display_name")]
    left_out = [
        f"Left out: {one['name']}; there is no such thing here, or you may not read it."
        for one in said
        if not one.get("display_name")
    ]
    verb = "Analyzing" if titles else "Processing"
    item = " ".join(filter(None, [f"{verb}:", _query(parts), _references(titles)]))
    title = _title(bool(titles))
    items = [item, *dict.fromkeys(left_out)]
    return pb.TurnEvent(step=pb.Step(id=STEP, title=title, items=items, state=pb.Step.IN_PROGRESS))


def _title(has_references: bool) -> str:
    return "Analyzing referenced content" if has_references else "Understanding your request"


def _query(parts: Sequence[Mapping[str, Any]]) -> str:
    text = " ".join(p["text"].strip() for p in parts if p.get("text", "").strip())
    if text:
        return text if len(text) <= _LONGEST_QUERY else text[:_LONGEST_QUERY] + "…"
    images = sum("image" in p for p in parts)
    if images:
        return f"[{images} image{'s' if images > 1 else ''}]"
    return "(message)"


def _references(titles: Sequence[str]) -> str:
    if len(titles) > 1:
        return f"[{len(titles)} references]"
    return "".join(f"[{title}]" for title in titles)


def _shorten(title: str) -> str:
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 3] + "…"
