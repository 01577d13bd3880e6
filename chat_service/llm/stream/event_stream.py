"""The bytes of a chat completion → its chunks, up to the end or the provider's error.

The bytes are an event stream or, from providers that do not stream, one JSON object.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import openai
import orjson

from chat_service.llm.finish_reason import normalize_reason
from chat_service.llm.stream.completion import to_chunk
from chat_service.llm.stream.surrogates import SurrogateJoiner
from chat_service.llm.stream_error import find_error, to_error
from chat_service.llm.usage import find_usage
from shared.telemetry import logs

log = logs.logger(__name__)

# after its finish reason an answer may go on, and its usage follows
USAGE_SECONDS: Final = 3.0
# a body that does not end with its answer is not waited for any longer
READ_OUT_SECONDS: Final = 0.1
# of an event, and of a whole answer in one object
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
# of one answer, blank ones that follow each other counted as one
MAX_LINES: Final = 1_000_000
# lines that arrived together and are read before others get the loop
_LINES_AT_ONCE: Final = 200
_MOST_WORDS: Final = 1_000
_BLANK_LINES: Final = re.compile(rb"\n{3,}")
_DONE: Final = b"[DONE]"
_BRACKETS: Final = (b"{", b"[")
_BOM: Final = b"\xef\xbb\xbf"
_ERROR_EVENTS: Final = frozenset({b"error", b"exception"})
# words in place of JSON that tell of a failure; other words keep the connection alive
_FAILURE: Final = re.compile(
    rb"error|exception|fail|time[d -]*out|overload|limit|refused|denied|too many", re.I
)


class BrokenStream(Exception):
    """The provider sent something that is no chat completion."""


async def read_chunks(
    body: AsyncIterator[bytes], request: Any, *, usage_seconds: float = USAGE_SECONDS
) -> AsyncGenerator[dict[str, Any], None]:
    """Yields the chunks of a stream. A whole answer is one chunk.

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
        if _FAILURE.search(events.words):
            words = events.words.decode(errors="replace")
            raise openai.APIError(words, request=request, body=None)
        raise openai.APIConnectionError(message="the stream ended early", request=request)
    while not events.done and (data := await _after_finish(events, usage_seconds)) is not None:
        yield data
    if events.done:
        for data in await _read_out(events):
            yield data


async def _after_finish(events: "_Events", usage_seconds: float) -> dict[str, Any] | None:
    try:
        limit = READ_OUT_SECONDS if events.counted else usage_seconds
        async with asyncio.timeout_at(events.told_at + limit):
            return await events.next()
    except (httpx2.HTTPError, TimeoutError, openai.APIError, BrokenStream) as exc:
        log.info("model_stream_broke_after_finish", error=type(exc).__name__)
        return None


async def _read_out(events: "_Events") -> list[dict[str, Any]]:
    """Reads the rest of a body, and returns the usage that it tells.

    A connection is reused only after the body has ended.
    """
    found: list[dict[str, Any]] = []
    with suppress(TimeoutError, httpx2.HTTPError, openai.APIError, BrokenStream):
        async with asyncio.timeout(READ_OUT_SECONDS):
            while (data := await events.next()) is not None:
                if find_usage(data):
                    found.append({**data, "choices": []})
    return found


@dataclass(slots=True, kw_only=True)
class _Events:
    """`finished`: a chunk had a finish reason. `counted`: the usage came with it or later.

    `told_at` is the loop's time of the last chunk with a choice, or of the usage, since then.
    `words` are the first line that belongs to no event.
    """

    lines: AsyncGenerator[bytes, None]
    request: Any
    finished: bool = False
    counted: bool = False
    told_at: float = 0.0
    done: bool = False
    words: bytes = b""
    _said: bool = False
    _event: bytes = b""
    _begun: list[bytes] = field(default_factory=list)  # lines of a JSON text that goes on
    _size: int = 0  # of them
    _is_body: bool = False  # they are no event's, but the body itself
    _surrogates: SurrogateJoiner = field(default_factory=SurrogateJoiner)

    async def next(self) -> dict[str, Any] | None:
        """Returns the next chunk; None at the end, and once at the end's mark."""
        async for line in self.lines:
            was_done = self.done
            data = self._read(line)
            if self.done and not was_done:
                return None
            if data is not None:
                return self._note(data)
        data = self._end()
        return None if data is None else self._note(data)

    def _note(self, data: dict[str, Any]) -> dict[str, Any]:
        self._said = to_chunk(data, said=self._said) or self._said
        self.finished = self.finished or bool(normalize_reason(finish_reason(data)))
        if self.finished:
            counts = not self.counted and find_usage(data) is not None
            self.counted = self.counted or counts
            if counts or data.get("choices"):
                self.told_at = asyncio.get_running_loop().time()
        return data

    def _read(self, line: bytes) -> dict[str, Any] | None:
        if self._is_body:
            return self._add(line)
        name, colon, value = line.partition(b":")
        match name:
            case b"data" if colon:
                return self._add(value.strip())
            case b"":
                if colon:  # a comment
                    return None
                data = self._end()
                self._event = b""
                return data
            case b"event":
                self._event = value.strip()
                return None
            case b"error":
                self._event = b"error"
                return self._add(value.strip())
        if not self._begun and line.lstrip()[:1] in _BRACKETS:  # no event
            self._is_body = True
            return self._add(line)
        if name not in (b"id", b"retry"):
            self.words = self.words or line[:_MOST_WORDS]
        return None

    def _add(self, text: bytes) -> dict[str, Any] | None:
        """Adds a line; returns the chunk that it is. One of several lines ends later."""
        if not text.strip():
            return None
        self._begun.append(text)
        self._size += len(text)
        if self._size > MAX_EVENT_BYTES:
            raise BrokenStream
        if len(self._begun) > 1:
            return None
        found = _load(text)
        if found is None and text.lstrip()[:1] in _BRACKETS and text.strip() != _DONE:
            return None
        return self._take(text, found)

    def _end(self) -> dict[str, Any] | None:
        """Ends an event of several lines, if one has begun."""
        text = b"\n".join(self._begun)
        return self._take(text, _load(text)) if text else None

    def _take(self, text: bytes, found: Any) -> dict[str, Any] | None:
        """Returns the chunk of an event. Raises openai.APIError and BrokenStream."""
        self._begun, self._size, self._is_body = [], 0, False
        failed, self._event = self._event in _ERROR_EVENTS, b""
        if text.strip() == _DONE:
            self.done = True
            return None
        data = _to_object(found, text, failed=failed)
        if data is None:
            return None
        error = to_error(data) if failed else find_error(data)
        if error is not None:
            raise openai.APIError(error.get("message", ""), request=self.request, body=error)
        self._surrogates.join(data)
        return data


def finish_reason(data: Mapping[str, Any]) -> Any:
    """Returns the finish reason of a chunk, if it has one. Raises BrokenStream."""
    choices = data.get("choices") or [{}]
    try:
        return choices[0].get("finish_reason")
    except (AttributeError, KeyError, TypeError) as exc:
        raise BrokenStream from exc


async def split_lines(read: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yields the lines of a body, for any of the three line ends, without its byte order mark.

    Blank lines that follow each other may be fewer. Raises BrokenStream for a line of more than
    MAX_EVENT_BYTES, and for more than MAX_LINES.
    """
    begun: list[bytes] = []
    size, first, after_return, count = 0, True, False, 0
    async for piece in read:
        if after_return:  # CR and LF are one end
            piece = piece.removeprefix(b"\n")
            after_return = not piece
        if b"\r" in piece:
            after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, *more = _BLANK_LINES.sub(b"\n\n", piece).split(b"\n")
        begun.append(head)
        size += len(head)
        if size > MAX_EVENT_BYTES:
            raise BrokenStream
        if not more:
            continue
        line = b"".join(begun)
        yield line.removeprefix(_BOM) if first else line
        first = False
        *whole, last = more
        count += 1 + len(whole)
        if count > MAX_LINES:
            raise BrokenStream
        for number, line in enumerate(whole, 1):
            yield line
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
        begun, size = [last], len(last)
    line = b"".join(begun)
    yield line.removeprefix(_BOM) if first else line


def _load(text: bytes) -> Any:
    """Returns a JSON value; None for null and for what is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates and line ends in strings
        with suppress(ValueError, RecursionError):
            return json.loads(text.decode(errors="replace"), strict=False)
    return None


def _to_object(found: Any, text: bytes, *, failed: bool) -> dict[str, Any] | None:
    """Returns the object of an event; the words of one that `failed` are its message.

    Returns None for what keeps a connection alive. Raises BrokenStream for JSON that is broken or
    is no object.
    """
    if isinstance(found, list) and len(found) == 1:  # some send their error in a list
        found = found[0]
    if isinstance(found, dict):
        return found
    words = text.decode(errors="replace").strip()
    if failed:
        return {"message": found if isinstance(found, str) else words}
    if words[:1] in ("{", "["):
        raise BrokenStream
    return {"error": {"message": words}} if _FAILURE.search(text) else None
