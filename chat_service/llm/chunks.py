"""Chunks of a provider's stream, coalesced: read ahead, and yielded in batches.

Tokens that arrive while the process is busy are handled as one text. A token that arrives alone
is not delayed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextvars import Context, copy_context
from itertools import groupby
from typing import Any, Final, TypeVar

from langchain_core.runnables.config import var_child_runnable_config

# a stream that is this many chunks ahead of its reader waits
MAX_AHEAD: Final = 1_000
_TEXTS: Final = ("content", "reasoning_content", "reasoning")

T = TypeVar("T")


async def coalesce(stream: AsyncGenerator[T, None]) -> AsyncGenerator[list[T], None]:
    """Yields all chunks that have arrived. Raises the stream's error after its last chunks."""
    ahead: list[T] = []
    came, taken = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async with contextlib.aclosing(stream):
                async for one in stream:
                    ahead.append(one)
                    came.set()
                    if len(ahead) >= MAX_AHEAD:
                        taken.clear()
                        await taken.wait()
        finally:
            came.set()

    reading = asyncio.create_task(read(), context=_outside())
    try:
        while ahead or not reading.done():
            if not ahead:
                came.clear()
                await came.wait()
            if ahead:
                found, ahead[:] = list(ahead), []
                taken.set()
                yield found
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])


def _outside() -> Context:
    """Returns this context without the run, which a pooled connection would keep alive."""
    outside = copy_context()
    outside.run(var_child_runnable_config.set, None)
    return outside


def merge_chunks(chunks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields chat completion chunks, merging those that only add to the same text."""
    for key, alike in groupby(chunks, text_key):
        if not key:
            yield from alike
            continue
        first, *more = alike
        if more:
            delta = first["choices"][0]["delta"]
            texts = [one["choices"][0]["delta"][key] for one in more]
            delta[key] += "".join(texts)
        yield first


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
    if len(delta) == 1 and isinstance(delta.get("content"), str):  # nearly every chunk
        return "content"
    said = [key for key, value in delta.items() if value is not None]
    if len(said) != 1 or said[0] not in _TEXTS or not isinstance(delta[said[0]], str):
        return ""
    return str(said[0])
