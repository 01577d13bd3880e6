"""Chunks of a provider's stream, coalesced: read ahead, and yielded in batches.

Tokens that arrive while the process is busy are handled as one text. A token that arrives alone
is not delayed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextvars import Context, copy_context
from itertools import groupby
from typing import Any, Final, TypeVar, cast

from langchain_core.runnables.config import var_child_runnable_config

# a stream that is this many chunks ahead of its reader waits
MAX_AHEAD: Final = 1_000
# members of a chunk and of its choice that mean nothing beside a text
_CHUNK_MEMBERS: Final = frozenset(
    {
        "choices",
        "created",
        "id",
        "model",
        "obfuscation",
        "object",
        "provider",
        "service_tier",
        "system_fingerprint",
        "usage",
    }
)
_CHOICE_MEMBERS: Final = frozenset(
    {"delta", "finish_reason", "index", "logprobs", "native_finish_reason", "stop_reason"}
)
_PLAIN: Final = "plain"
_TEXTS: Final = ("content", "reasoning_content", "reasoning")

T = TypeVar("T")
# as the provider sent it, or its text where it is nothing else
Chunk = str | dict[str, Any]


async def coalesce(stream: AsyncGenerator[list[T], None]) -> AsyncGenerator[list[T], None]:
    """Yields all chunks that have arrived. Raises the stream's error after its last chunks."""
    ahead: list[T] = []
    loop = asyncio.get_running_loop()
    # futures: each word waits, and an event costs more
    came: asyncio.Future[None] = loop.create_future()
    taken: asyncio.Future[None] = loop.create_future()

    async def read() -> None:
        nonlocal taken
        try:
            async with contextlib.aclosing(stream):
                async for found in stream:
                    ahead.extend(found)
                    _resolve(came)
                    if len(ahead) >= MAX_AHEAD:
                        taken = loop.create_future()
                        await taken
        finally:
            _resolve(came)

    reading = asyncio.create_task(read(), context=_outside())
    try:
        while ahead or not reading.done():
            if not ahead:
                came = loop.create_future()
                await came
            if ahead:
                found, ahead[:] = list(ahead), []
                _resolve(taken)
                yield found
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _outside() -> Context:
    """Returns this context without the run, which a pooled connection would keep alive."""
    outside = copy_context()
    outside.run(var_child_runnable_config.set, None)
    return outside


def merge_chunks(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yields chunks of a completion, merging those that only add to the same text."""
    for key, alike in groupby(chunks, _merge_key):
        if not key:
            yield from alike
        elif key == _PLAIN:
            yield "".join(cast(Iterator[str], alike))
        else:
            yield _merge_texts(key, cast(Iterator[dict[str, Any]], alike))


def _merge_key(chunk: Chunk) -> str:
    return _PLAIN if isinstance(chunk, str) else text_key(chunk)


def _merge_texts(key: str, alike: Iterator[dict[str, Any]]) -> dict[str, Any]:
    first, *more = alike
    if more:
        delta = first["choices"][0]["delta"]
        texts = [one["choices"][0]["delta"][key] for one in more]
        delta[key] += "".join(texts)
    return first


def plain_text(chunk: dict[str, Any]) -> str | None:
    """Returns the text of a chunk that is but text of the first answer; None for any other."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage"):
        return None
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("index") or choice.get("finish_reason"):
        return None
    if choice.get("logprobs") or not (
        chunk.keys() <= _CHUNK_MEMBERS and choice.keys() <= _CHOICE_MEMBERS
    ):
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or not isinstance(text := delta.get("content"), str):
        return None
    if len(delta) > 1 and any(
        value and name != "content" and (name != "role" or value != "assistant")
        for name, value in delta.items()
    ):
        return None
    return text


def text_key(chunk: dict[str, Any]) -> str:
    """Returns the key of the text that a chunk adds to; empty if it does anything else."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage"):
        return ""
    choice = choices[0]
    if not isinstance(choice, dict) or "x_groq" in chunk:
        return ""
    if choice.get("finish_reason") or choice.get("logprobs") or choice.get("usage"):
        return ""
    if choice.get("index"):
        return ""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return ""
    said = [key for key, value in delta.items() if value is not None]
    if len(said) != 1 or said[0] not in _TEXTS or not isinstance(delta[said[0]], str):
        return ""
    return str(said[0])
