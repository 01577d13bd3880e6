"""What a turn's frames come to when all is said, whoever told them and however often."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from rota.chat.v1 import chat_pb2 as pb

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|call_[0-9a-f]{24}")
_NUMBER = re.compile(r"\bnumber \d+")
# of one turn, one moment or one revision
_OWN = frozenset({"payload_digest", "create_time", "expire_time", "decide_time", "etag", "usage"})


@dataclass(slots=True, kw_only=True)
class Segment:
    """One segment: its blocks by number, and what else of it stands, in the order it came."""

    blocks: dict[int, list[str]] = field(default_factory=dict)  # each piece, as kind and text
    calls: dict[str, int] = field(default_factory=dict)  # the block that each call began in
    arguments: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    finished: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)

    def retract(self, from_block: int) -> None:
        self.blocks = {n: said for n, said in self.blocks.items() if n < from_block}
        gone = [call for call, block in self.calls.items() if block >= from_block]
        for call in gone:
            for of in (self.calls, self.arguments, self.tools, self.finished):
                of.pop(call, None)


def require_alike(events: Sequence[pb.TurnEvent], plain: Sequence[pb.TurnEvent]) -> None:
    """That the story of a turn is that of one that went on in calm."""
    told, expected = (
        json.dumps(story(one), indent=1, sort_keys=True).splitlines() for one in (events, plain)
    )
    changed = list(difflib.unified_diff(expected, told, "calm", "told", n=0, lineterm=""))
    if changed:
        raise AssertionError("\n".join(line[:300] for line in changed))


def story(events: Sequence[pb.TurnEvent]) -> list[Any]:
    """The frames of a turn after every retraction, without what differs between two equal turns.

    Left out: ids, moments, usage, retries, and the title, which comes when it is found.
    """
    segments: list[Segment] = []
    for event in events:
        if event.HasField("started"):
            segments.append(Segment(others=[["started", event.started.resumed]]))
        _take(segments[-1], event)
    return [_told(segment) for segment in segments]


def _take(segment: Segment, event: pb.TurnEvent) -> None:
    match event.WhichOneof("event"):
        case "text_delta":
            segment.blocks.setdefault(event.text_delta.block, []).append(event.text_delta.text)
        case "text_retracted":
            segment.retract(event.text_retracted.from_block)
        case "tool_call_started":
            began = event.tool_call_started
            segment.calls[began.tool_call_id] = began.block
            segment.tools[began.tool_call_id] = began.tool
            segment.arguments[began.tool_call_id] = ""
        case "tool_call_args_delta":
            piece = event.tool_call_args_delta
            segment.arguments[piece.tool_call_id] += piece.json
        case "tool_call_finished":
            done = event.tool_call_finished
            segment.finished[done.tool_call_id] = _plain(done)
        case "step":
            segment.steps[event.step.id] = _plain(event.step)
        case "approval_requested" | "approval_decided" | "completed" | "suspended" as kind:
            segment.others.append([kind, _plain(getattr(event, kind))])
        case "failed" | "cancelled" as kind:
            segment.others.append([kind, _plain(getattr(event, kind))])


def _told(segment: Segment) -> dict[str, Any]:
    said = [_bare("".join(pieces)) for _, pieces in sorted(segment.blocks.items())]
    called = [
        [segment.tools[call], _bare(json.loads(segment.arguments[call]))] for call in segment.tools
    ]
    return {
        "said": said,
        "called": called,
        # calls that are made side by side end in any order
        "finished": sorted(segment.finished.values(), key=str),
        "steps": segment.steps,
        "others": segment.others,
    }


def _plain(message: Message) -> Any:
    return _bare(json_format.MessageToDict(message, preserving_proto_field_name=True))


def _bare(value: Any) -> Any:
    match value:
        case str():
            return _NUMBER.sub("number 0", _IDS.sub("…", value))
        case Mapping():
            return {key: _bare(one) for key, one in value.items() if key not in _OWN}
        case list():
            return [_bare(one) for one in value]
    return value
