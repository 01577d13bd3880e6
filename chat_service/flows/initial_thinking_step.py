"""The step that a person sees before the agent's first word."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rota.chat.v1 import chat_pb2 as pb

STEP: Final = "thinking-1"
_LONGEST_QUERY: Final = 80
_LONGEST_TITLE: Final = 30


def start(parts: Sequence[Mapping[str, Any]]) -> pb.TurnEvent:
    """The step in progress, for a message's stored parts."""
    titles = [_reference(p["mention"]) for p in parts if "mention" in p]
    verb = "Analyzing" if titles else "Processing"
    item = " ".join(filter(None, [f"{verb}:", _query(parts), _references(titles)]))
    return _step(_title(bool(titles)), item, pb.Step.IN_PROGRESS)


def complete(step: pb.Step) -> pb.TurnEvent:
    finished = pb.Step()
    finished.CopyFrom(step)
    finished.state = pb.Step.COMPLETED
    return pb.TurnEvent(step=finished)


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


def _reference(mention: Mapping[str, Any]) -> str:
    title = str(mention.get("display_name") or mention.get("name", ""))
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 3] + "…"


def _step(title: str, item: str, state: "pb.Step.State") -> pb.TurnEvent:
    return pb.TurnEvent(step=pb.Step(id=STEP, title=title, items=[item], state=state))
