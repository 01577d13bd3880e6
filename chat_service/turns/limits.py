"""Limits of a segment's text and tool outputs, so that its message fits on the wire."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat_service import convert
from chat_service.runtime import events as agent
from chat_service.turns.segment import Segment
from shared import errors

# Together less than the 16 MiB that a message on the wire may have.
MAX_TEXT_BYTES: Final = 4 << 20
MAX_OUTPUT_BYTES: Final = 8 << 20
# how much longer JSON is on the wire at most: a number of one digit has eleven bytes there
_GROWTH: Final = 6
LEFT_OUT: Final = {
    "status": "left_out",
    "message": "The results of this message's calls were too long to keep them all.",
}


class OutputSize:
    """Adds up the bytes of a segment's text. Raises ModelUnavailable above MAX_TEXT_BYTES."""

    def __init__(self, segment: Segment) -> None:
        self._work = segment
        self._said: int | None = None

    def add(self, event: agent.AgentEvent) -> None:
        match event:
            case agent.TextDelta(text=text) | agent.ReasoningDelta(text=text):
                pass
            case agent.ToolCallArgs(json=text):
                pass
            case agent.TextRetracted():
                self._said = None  # the message is summed again after the retraction
                return
            case _:
                return
        said = sum(self._work.message.sizes()) if self._said is None else self._said
        self._said = said + len(text.encode())
        if self._said > MAX_TEXT_BYTES:
            raise errors.ModelUnavailable(
                "the model's answer is too long",
                metadata={"model_config": str(self._work.turn.model_config_id)},
            )


def limit_outputs(
    parts: Sequence[Mapping[str, Any]], *, max_bytes: int = MAX_OUTPUT_BYTES
) -> list[Mapping[str, Any]]:
    """Returns a message's parts, with the oldest tool outputs left out above `max_bytes`."""
    outputs = [part["tool_call"]["output"] for part in parts if _has_output(part)]
    if sum(len(json.dumps(output)) for output in outputs) * _GROWTH <= max_bytes:
        return list(parts)
    left, found = max_bytes, list[Mapping[str, Any]]()
    for part in reversed(parts):
        if _has_output(part):
            left -= convert.part(part).ByteSize()
            if left < 0:
                part = {"tool_call": {**part["tool_call"], "output": LEFT_OUT}}
        found.append(part)
    return found[::-1]


def _has_output(part: Mapping[str, Any]) -> bool:
    return bool(part.get("tool_call", {}).get("output"))
