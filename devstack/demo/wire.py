"""A reply in the OpenAI wire format: one object, or a stream of chunks."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from devstack.demo.faults import FaultPlan
from devstack.demo.replies import Reply
from devstack.demo.request import Request, ToolCall

DONE = b"data: [DONE]\n\n"
_ARGUMENT_PIECE = 12  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One reply, ready to send."""

    request: Request
    pieces: tuple[str, ...]
    calls: tuple[tuple[str, ToolCall], ...]  # with their ids
    finish_reason: str
    id: str = field(default_factory=lambda: f"chatcmpl-demo-{uuid4().hex[:24]}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def length(self) -> int:
        """Returns how many chunks follow the first."""
        return len(self.pieces) + sum(1 + len(cut(call.arguments)) for _, call in self.calls)

    def whole(self) -> dict[str, Any]:
        calls = [
            {"id": id_, "type": "function",
             "function": {"name": call.name, "arguments": call.arguments}}
            for id_, call in self.calls
        ]  # fmt: skip
        text = "".join(self.pieces)
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        choice = {
            "index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason,
        }  # fmt: skip
        return {**self._base("chat.completion"), "choices": [choice], "usage": self.usage()}

    def chunks(self) -> Iterator[bytes]:
        """Yields the stream up to its end, with one piece of text or arguments a chunk."""
        first: dict[str, Any] = {"role": "assistant", "content": None if self.calls else ""}
        yield self._chunk({**first, "refusal": None})
        for piece in self.pieces:
            yield self._chunk({"content": piece})
        for index, (id_, call) in enumerate(self.calls):
            head = {"name": call.name, "arguments": ""}
            yield self._call_chunk(
                {"index": index, "id": id_, "type": "function", "function": head}
            )
            for piece in cut(call.arguments):
                yield self._call_chunk({"index": index, "function": {"arguments": piece}})

    def tail(self) -> Iterator[bytes]:
        yield self._chunk({}, self.finish_reason)
        if self.request.include_usage:
            base = self._base("chat.completion.chunk")
            yield event({**base, "choices": [], "usage": self.usage()})
        yield DONE

    def usage(self) -> dict[str, Any]:
        given = sum(len(m.text) // 4 + 4 + 85 * m.images for m in self.request.messages)
        said = len(self.pieces) + sum(len(cut(c.arguments)) + 4 for _, c in self.calls)
        return {
            "prompt_tokens": given,
            "completion_tokens": said,
            "total_tokens": given + said,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def _base(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id, "object": kind, "created": self.created, "model": self.request.model,
            "system_fingerprint": "fp_rota_demo",
        }  # fmt: skip

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event({**self._base("chat.completion.chunk"), "choices": [choice]})

    def _call_chunk(self, call: dict[str, Any]) -> bytes:
        return self._chunk({"tool_calls": [call]})


def completion(request: Request, reply: Reply, plan: FaultPlan) -> Completion:
    calls = tuple((f"call_{uuid4().hex[:24]}", call) for call in reply.calls)
    pieces, reason = tuple(_words(reply.text)), "tool_calls" if calls else "stop"
    if plan.tokens is not None and not calls:
        pieces = tuple(f"{' ' if n else ''}word{n + 1}" for n in range(plan.tokens))
    if request.max_tokens is not None and len(pieces) > request.max_tokens:
        pieces, reason = pieces[: request.max_tokens], "length"
    return Completion(request=request, pieces=pieces, calls=calls, finish_reason=reason)


def cut(arguments: str) -> list[str]:
    size = _ARGUMENT_PIECE
    return [arguments[start : start + size] for start in range(0, len(arguments), size)]


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def error(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def rate_limit_error(model: str) -> dict[str, Any]:
    return error(f"Rate limit reached for {model}.", "tokens", "rate_limit_exceeded")
