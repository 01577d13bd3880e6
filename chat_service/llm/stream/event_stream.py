"""The bytes of a chat completion → its chunks, up to the end or the provider's error.

The bytes are an event stream or, from providers that do not stream, one JSON object.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import openai
import orjson

from chat_service.llm.finish_reason import normalize_reason
from chat_service.llm.stream.chunks import Chunk, plain_text
from chat_service.llm.stream.completion import to_chunk
from chat_service.llm.stream.error import find_error, to_error
from chat_service.llm.stream.surrogates import SurrogateJoiner
from chat_service.llm.usage import find_usage
from shared.telemetry import logs

log = logs.logger(__name__)

# after its finish reason an answer may go on, and its usage follows
USAGE_SECONDS: Final = 3.0
# a body that does not end with its answer is not waited for any longer
READ_OUT_SECONDS: Final = 0.1
# of an event, and of a whole answer in one object
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
# of an event above LARGE_EVENT_BYTES; what has more values than a completion costs more to read
# than to send
MAX_VALUES: Final = 20_000
LARGE_EVENT_BYTES: Final = 16 * 1024
# of one answer, blank ones that follow each other counted as one
MAX_LINES: Final = 1_000_000
# lines that arrived together and are read before others get the loop; a long one counts as many
_LINES_AT_ONCE: Final = 200
_LINE_BYTES: Final = 512
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
) -> AsyncGenerator[list[Chunk], None]:
    """Yields the chunks of a stream, those together that came together. A whole answer is one.

    Raises openai.APIError for an error inside it, openai.APITimeoutError and
    openai.APIConnectionError when it breaks or ends early, and BrokenStream. An answer that has a
    finish reason is whole: what breaks after that ends the stream, and so does a silence of
    `usage_seconds`.
    """
    events = _Events(body=body, request=request)
    try:
        while not (events.finished or events.done) and (chunks := await events.read()):
            yield chunks
    except httpx2.TimeoutException as exc:
        raise openai.APITimeoutError(request) from exc
    except httpx2.HTTPError as exc:
        raise openai.APIConnectionError(request=request) from exc
    if not (events.finished or events.done):
        if _FAILURE.search(events.words):
            words = events.words.decode(errors="replace")
            raise openai.APIError(words, request=request, body=None)
        raise openai.APIConnectionError(message="the stream ended early", request=request)
    while not events.done and (chunks := await _after_finish(events, usage_seconds)):
        yield chunks
    if events.done and (counts := await _read_out(events)):
        yield counts


async def _after_finish(events: "_Events", usage_seconds: float) -> list[Chunk]:
    try:
        limit = READ_OUT_SECONDS if events.counted else usage_seconds
        async with asyncio.timeout_at(events.told_at + limit):
            return await events.read()
    except (httpx2.HTTPError, TimeoutError, openai.APIError, BrokenStream) as exc:
        log.info("model_stream_broke_after_finish", error=type(exc).__name__)
        return []


async def _read_out(events: "_Events") -> list[Chunk]:
    """Reads the rest of a body, and returns the usage that it tells.

    A connection is reused only after the body has ended.
    """
    found: list[Chunk] = []
    with suppress(TimeoutError, httpx2.HTTPError, openai.APIError, BrokenStream):
        async with asyncio.timeout(READ_OUT_SECONDS):
            while not events.ended:
                for chunk in await events.read():
                    if isinstance(chunk, dict) and find_usage(chunk):
                        found.append({**chunk, "choices": []})
    return found


@dataclass(slots=True, kw_only=True)
class _Events:
    """`finished`: a chunk had a finish reason. `counted`: the usage came with it or later.

    `told_at` is the loop's time of the last chunk with a choice, or of the usage, since then.
    `words` are the first line that belongs to no event.
    """

    body: AsyncIterator[bytes]
    request: Any
    finished: bool = False
    counted: bool = False
    told_at: float = 0.0
    done: bool = False
    ended: bool = False
    words: bytes = b""
    _splitter: "LineSplitter" = field(default_factory=lambda: LineSplitter())
    _lines: deque[bytes] = field(default_factory=deque)  # that have come and are not read
    _closed: bool = False  # no more will come
    _read_at_once: int = 0
    _fault: Exception | None = None  # of a line, raised after the chunks before it
    _said: bool = False
    _plain: bool = False  # a chunk of plain text has come
    _is_plain: bool = False  # and was the last
    _event: bytes = b""
    _begun: list[bytes] = field(default_factory=list)  # lines of a JSON text that goes on
    _size: int = 0  # of them
    _is_body: bool = False  # they are no event's, but the body itself
    _surrogates: SurrogateJoiner = field(default_factory=SurrogateJoiner)

    async def read(self) -> list[Chunk]:
        """Returns the next chunks that came together; none at the end, and at the end's mark.

        The first that has a finish reason is the last of its list, and so is one before the mark.
        """
        while True:
            if self._fault is not None:
                raise self._fault
            if self._read_at_once >= _LINES_AT_ONCE:
                self._read_at_once = 0
                await asyncio.sleep(0)
            was_done = self.done
            found = self._take_lines()
            if found:
                return found
            if self._fault is None:
                if self.ended or self.done is not was_done:
                    return found
                if not self._lines and (texts := await self._fill()):
                    return texts

    async def _fill(self) -> list[Chunk]:
        """Waits for more lines. Returns their texts if they are nothing but plain text."""
        piece = await anext(self.body, None)
        if piece is None:
            self._closed = True
            self._lines.extend(self._splitter.close())
            return []
        if self._is_plain and (texts := self._read_plain(piece)):
            return texts
        self._is_plain = False
        self._lines.extend(self._splitter.split(piece))
        return []

    def _read_plain(self, piece: bytes) -> list[Chunk]:
        """Returns the texts of whole events, where each is plain text; else none."""
        if not piece.endswith(b"\n\n") or self._splitter.begun:
            return []
        events = piece[:-2].split(b"\n\n")
        if len(events) > _LINES_AT_ONCE:
            return []
        texts: list[Chunk] = []
        for event in events:
            # a second line would be no JSON, or blanks
            found = _load_whole(event[5:]) if event.startswith(b"data:") else None
            text = plain_text(found) if isinstance(found, dict) else None
            if text is None:
                return []
            texts.append(text)
        self._said = self._said or any(texts)
        self._splitter.add(2 * len(events))
        self._read_at_once += 2 * len(events) + len(piece) // _LINE_BYTES
        return texts

    def _take_lines(self) -> list[Chunk]:
        """Returns the chunks of lines that have come. The end of the body ends an event too."""
        found: list[Chunk] = []
        lines, was_finished, was_done = self._lines, self.finished, self.done
        try:
            while lines and self._read_at_once < _LINES_AT_ONCE:
                line = lines.popleft()
                self._read_at_once += 1 + len(line) // _LINE_BYTES
                chunk = self._read(line)
                if chunk is not None:
                    found.append(chunk)
                if self.finished is not was_finished or self.done is not was_done:
                    return found
            if self._closed and not lines:
                self.ended = True
                data = self._end()
                found += [] if data is None else [self._note(data)]
        except (openai.APIError, BrokenStream) as fault:
            self._fault = fault
        return found

    def _read(self, line: bytes) -> Chunk | None:
        """Returns the chunk that a line is. Plain text, as nearly every chunk is, is but its text.

        The first of them stays a chunk, whose other members count for all.
        """
        data: dict[str, Any] | None
        if not (line or self._begun):  # after nearly every chunk
            self._event = b""
            return None
        if line.startswith(b"data:") and not (self._begun or self._event):
            found = _load_whole(line[5:])
            if isinstance(found, dict):
                text = None if self.finished or self._surrogates.holds else plain_text(found)
                if text is not None:
                    self._said = self._said or bool(text)
                    self._is_plain = True
                    if self._plain:
                        return text
                    self._plain = True
                    return found
                self._is_plain = False
                data = self._take(line, found)
                return None if data is None else self._note(data)
        self._is_plain = False
        data = self._read_field(line)
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

    def _read_field(self, line: bytes) -> dict[str, Any] | None:
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
        if len(text) > LARGE_EVENT_BYTES and count_values(found, MAX_VALUES) > MAX_VALUES:
            raise BrokenStream
        data = _to_object(found, text, failed=failed)
        if data is None:
            return None
        error = to_error(data) if failed else find_error(data)
        if error is not None:
            raise openai.APIError(error.get("message", ""), request=self.request, body=error)
        self._surrogates.join(data)
        return data


def count_values(value: Any, limit: int) -> int:
    """Returns how many values a JSON value holds; more than `limit` if that many are passed."""
    count, left = 0, [value]
    while left and count <= limit:
        one = left.pop()
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        count += 1 + len(inner)
        if count <= limit:
            left += [more for more in inner if isinstance(more, dict | list)]
    return count


def finish_reason(data: Mapping[str, Any]) -> Any:
    """Returns the finish reason of a chunk, if it has one. Raises BrokenStream."""
    choices = data.get("choices") or [{}]
    try:
        return choices[0].get("finish_reason")
    except (AttributeError, KeyError, TypeError) as exc:
        raise BrokenStream from exc


@dataclass(slots=True)
class LineSplitter:
    """Splits a body into lines, for any of the three line ends, without its byte order mark.

    Blank lines that follow each other may be fewer. Raises BrokenStream for a line of more than
    MAX_EVENT_BYTES, and for more than MAX_LINES.
    """

    _begun: list[bytes] = field(default_factory=list)
    _size: int = 0
    _count: int = 0
    _first: bool = True
    _after_return: bool = False

    def split(self, piece: bytes) -> list[bytes]:
        """Returns the lines that end in a piece."""
        if self._after_return:  # CR and LF are one end
            piece = piece.removeprefix(b"\n")
            self._after_return = not piece
        if b"\r" in piece:
            self._after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n\n\n" in piece:
            piece = _BLANK_LINES.sub(b"\n\n", piece)
        lines = piece.split(b"\n")
        self._size += len(lines[0])
        if self._size > MAX_EVENT_BYTES:
            raise BrokenStream
        last = lines.pop()
        if not lines:
            self._begun.append(last)
            return lines
        if self._begun:
            lines[0] = b"".join((*self._begun, lines[0]))
        self._begun, self._size = [last] if last else [], len(last)
        self.add(len(lines))
        return self._without_mark(lines)

    @property
    def begun(self) -> bool:
        """Whether the next bytes may belong to a line, or an end, that has come in part."""
        return bool(self._begun) or self._after_return

    def add(self, lines: int) -> None:
        """Counts lines."""
        self._count += lines
        if self._count > MAX_LINES:
            raise BrokenStream

    def close(self) -> list[bytes]:
        """Returns the last line, which nothing ends."""
        return self._without_mark([b"".join(self._begun)])

    def _without_mark(self, lines: list[bytes]) -> list[bytes]:
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines


def _load_whole(text: bytes) -> Any:
    """Returns a JSON value; None for null and for what is no JSON by itself."""
    try:
        return orjson.loads(text) if len(text) <= MAX_EVENT_BYTES else None
    except orjson.JSONDecodeError:
        return None


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
