"""The bytes of a chat completion stream → its chunks, up to the end or the provider's error."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import openai
import orjson

from chat_service.llm.finish_reason import normalize_reason
from chat_service.llm.stream_error import find_error, to_error
from shared.telemetry import logs

log = logs.logger(__name__)

# after its finish reason an answer may go on, and its usage follows
USAGE_SECONDS: Final = 3.0
# a body that does not end with its answer is not waited for any longer
READ_OUT_SECONDS: Final = 0.1
# of an event stream; a provider may send a whole answer in one
MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_DONE: Final = b"[DONE]"
_ERROR_EVENTS: Final = frozenset({b"error", b"exception"})


class BrokenStream(Exception):
    """The provider sent something that is no chat completion."""


async def read_chunks(
    body: AsyncIterator[bytes], request: Any, *, usage_seconds: float = USAGE_SECONDS
) -> AsyncGenerator[dict[str, Any], None]:
    """Yields the chunks of a stream.

    Raises openai.APIError for an error inside it, openai.APITimeoutError and
    openai.APIConnectionError when it breaks or ends early, and BrokenStream. An answer that has a
    finish reason is whole: what breaks after that ends the stream, and so does a silence of
    `usage_seconds`.
    """
    events = _Events(lines=split_lines(body), request=request)
    try:
        while (data := await events.next()) is not None:
            yield data
            if events.finished:
                break
    except httpx2.TimeoutException as exc:
        raise openai.APITimeoutError(request) from exc
    except httpx2.HTTPError as exc:
        raise openai.APIConnectionError(request=request) from exc
    if not (events.finished or events.done):
        raise openai.APIConnectionError(message="the stream ended early", request=request)
    while not events.done and (data := await _after_finish(events, usage_seconds)) is not None:
        yield data
    if events.done:
        await _read_out(body)


async def _after_finish(events: "_Events", usage_seconds: float) -> dict[str, Any] | None:
    try:
        limit = READ_OUT_SECONDS if events.counted else usage_seconds
        async with asyncio.timeout_at(events.told_at + limit):
            return await events.next()
    except (httpx2.HTTPError, TimeoutError, openai.APIError, BrokenStream) as exc:
        log.info("model_stream_broke_after_finish", error=type(exc).__name__)
        return None


@dataclass(slots=True, kw_only=True)
class _Events:
    """`finished`: a chunk had a finish reason. `counted`: a chunk had the usage.

    `told_at` is the loop's time of the last chunk with a choice, or of the usage, since then.
    """

    lines: AsyncGenerator[bytes, None]
    request: Any
    finished: bool = False
    counted: bool = False
    told_at: float = 0.0
    done: bool = False
    _event: bytes = b""

    async def next(self) -> dict[str, Any] | None:
        """Returns the next chunk; None at the end."""
        async for line in self.lines:
            data = self._read(line)
            if self.done:
                break
            if data is not None:
                self._note(data)
                return data
        return None

    def _note(self, data: dict[str, Any]) -> None:
        self.finished = self.finished or bool(normalize_reason(finish_reason(data)))
        counts = bool(data.get("usage")) and not self.counted
        self.counted = self.counted or counts
        if self.finished and (counts or data.get("choices")):
            self.told_at = asyncio.get_running_loop().time()

    def _read(self, line: bytes) -> dict[str, Any] | None:
        name, _, value = line.partition(b":")
        match name:
            case b"event":
                self._event = value.strip()
                return None
            case b"data":
                text = value.strip()
            case b"error":
                text, self._event = value.strip(), b"error"
            case _ if line.startswith(b"{"):  # an error that is no event
                text = line
            case _:
                return None
        if not text:
            return None
        failed, self._event = self._event in _ERROR_EVENTS, b""
        if text == _DONE:
            self.done = True
            return None
        data = _parse(text, failed=failed)
        error = to_error(data) if failed else find_error(data)
        if error is not None:
            raise openai.APIError(error.get("message", ""), request=self.request, body=error)
        return data


def finish_reason(data: Mapping[str, Any]) -> Any:
    """Returns the finish reason of a chunk, if it has one. Raises BrokenStream."""
    choices = data.get("choices") or [{}]
    try:
        return choices[0].get("finish_reason")
    except (AttributeError, KeyError, TypeError) as exc:
        raise BrokenStream from exc


async def split_lines(read: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yields the lines of an event stream, for any of its three line ends; some are blank.

    Raises BrokenStream for a line of more than MAX_LINE_BYTES.
    """
    begun: list[bytes] = []
    size = 0
    async for some in read:
        first, *more = some.replace(b"\r", b"\n").split(b"\n")
        begun.append(first)
        size += len(first)
        if size > MAX_LINE_BYTES:
            raise BrokenStream
        if not more:
            continue
        yield b"".join(begun)
        *whole, last = more
        for line in whole:
            yield line
        begun, size = [last], len(last)
    yield b"".join(begun)


async def _read_out(body: AsyncIterator[bytes]) -> None:
    """Reads the rest of a body: a connection is reused only after the body has ended."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(READ_OUT_SECONDS):
            async for _ in body:
                pass


def _parse(text: bytes, *, failed: bool) -> dict[str, Any]:
    """Returns the object of an event; the words of one that `failed` are its message."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates
        try:
            data = json.loads(text.decode(errors="replace"))
        except ValueError as exc:
            if failed:
                return {"message": text.decode(errors="replace")}
            raise BrokenStream from exc
    if isinstance(data, list) and len(data) == 1:  # some send their error in a list
        data = data[0]
    if not isinstance(data, dict):
        if failed:
            return {"message": str(data)}
        raise BrokenStream
    return data
