"""A chat completion that is not streamed, and other odd choices → the chunk of a stream."""

from collections.abc import Mapping
from typing import Any, Final

_SAYS: Final = ("content", "tool_calls", "reasoning_content", "reasoning", "refusal")


def to_chunk(data: dict[str, Any], *, said: bool) -> bool:
    """Gives the first choice of a completion a delta, in place. Returns whether it says something.

    A message counts unless earlier chunks have `said` it. A choice that is neither a delta nor a
    message says nothing. A choice of no known form stays as it is.
    """
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    choice = choices[0]
    if choice is None:
        data["choices"] = []
        return False
    if not isinstance(choice, dict):
        return False
    delta = choice.get("delta")
    if delta is None:
        delta = choice["delta"] = {} if said else _delta_of(choice)
    return isinstance(delta, dict) and any(delta.get(name) for name in _SAYS)


def _delta_of(choice: dict[str, Any]) -> dict[str, Any]:
    message, text = choice.get("message"), choice.get("text")
    if not isinstance(message, Mapping):
        return {"content": text} if isinstance(text, str) else {}
    delta = dict(message)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        # the calls of a message are whole, and have no places
        numbered = [
            {**call, "index": place}
            for place, call in enumerate(calls)
            if isinstance(call, Mapping)
        ]
        delta["tool_calls"] = numbered
    if not choice.get("finish_reason"):
        choice["finish_reason"] = "tool_calls" if calls else "stop"
    return delta
