"""How much of an error a call may end with: the headers that a status takes are limited.

gRPC refuses trailers above 8 KiB at random and above 16 KiB always, so that a caller would get
RESOURCE_EXHAUSTED without a reason. The message is sent twice: percent-encoded, and with the
details in base64.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from google.protobuf.message import Message
from google.rpc import status_pb2

from shared import errors

# Bytes of the encoded headers. What servers and proxies add fits between it and 8 KiB.
MAX_TRAILERS: Final = 6 << 10
CUT: Final = "…"

_HEADERS: Final = 3 * 32 + len("grpc-statusgrpc-messagegrpc-status-details-bin16")
# Of an error that is too large, in bytes; the message percent-encoded. Each round halves them.
_MESSAGE: Final = 1200
_PATH: Final = 300
_DESCRIPTION: Final = 800
_REASON: Final = 80
_VALUE: Final = 2000
_METADATA: Final = 16
_ROUNDS: Final = 5
_WORDS: Final = (1, 2, 4, 8)  # a word takes at most this part of its text's limit
_LONGEST: Final = 12  # characters of an escape
_WINDOW: Final = 8
_WORD: Final = re.compile(r"\S{8,}")
_ESCAPE: Final = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|%[0-9a-fA-F]{2}|&#?\w{1,8};", re.S
)
# What gRPC leaves as it is in a message.
_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

Size = Callable[[str], int]


def measure_status(status: status_pb2.Status) -> int:
    """Returns the bytes of a status in the headers of HTTP/2, as gRPC counts them."""
    return _HEADERS + _quoted_size(status.message) + _base64_size(status.ByteSize())


def shrink_errors(error: errors.RotaError) -> Iterator[errors.RotaError]:
    """Yields the error with shorter and shorter texts; code, reason and delay stay.

    The first is whole, if it may fit. In the others each path, description and metadata value is
    cut to a limit of its own, in the middle and marked with "…", and violations that can't fit
    are not there.
    """
    if sum(map(len, _texts(error))) <= MAX_TRAILERS:
        yield _copy(error, _clean, _clean, _clean, _clean)
    for halved in range(_ROUNDS):
        yield _copy(
            error,
            partial(cut_middle, limit=_MESSAGE >> halved, size=_quoted_size),
            partial(cut_middle, limit=_PATH >> halved),
            partial(cut_middle, limit=_DESCRIPTION >> halved),
            partial(cut_middle, limit=_VALUE >> halved),
        )


def count_fitting(messages: list[Message], room: int) -> int:
    """Returns how many of the messages, from the first, fit as a list into bytes of base64."""
    left = room * 3 // 4
    for count, message in enumerate(messages):
        left -= message.ByteSize() + 4  # its tag, and its length of up to three bytes
        if left < 0:
            return count
    return len(messages)


def cut_middle(text: str, limit: int, size: Size | None = None) -> str:
    """Returns a text of at most `limit` bytes, of UTF-8 or as `size` counts them.

    Long words, such as a name that is quoted, are cut before the text itself. A cut is between
    characters with their marks, never inside an escape such as `\\u00e9` or `%C3`.
    """
    size = size or _utf8_size
    text = _clean(text)
    if _fits(text, limit, size):
        return text
    if len(text) > 2 * _WINDOW * limit:  # what is in the middle costs time, and is left out anyway
        end, start = _WINDOW * limit, len(text) - _WINDOW * limit
        text = text[: _skip_escape(text, end)[0]] + CUT + text[_skip_escape(text, start)[1] :]
    for part in _WORDS:
        shorter = _cut_words(text, limit // part, size)
        if _fits(shorter, limit, size):
            return shorter
    return _cut(shorter, limit, size)


def _cut_words(text: str, limit: int, size: Size) -> str:
    return _WORD.sub(lambda found: _cut(found[0], limit, size), text)


def _cut(text: str, limit: int, size: Size) -> str:
    if _fits(text, limit, size):
        return text
    room = max(limit - size(CUT), 0)
    tail_room = room // 3
    end = _count(text, room - tail_room, size)
    start = len(text) - _count(text[::-1][: tail_room + 1], tail_room, size)
    end, start = _skip_escape(text, end)[0], _skip_escape(text, start)[1]
    while 0 < end < len(text) and (_joins(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    while start < len(text) and _joins(text[start]):
        start += 1
    return text[:end] + CUT + text[start:]


def _skip_escape(text: str, at: int) -> tuple[int, int]:
    """The first and the last place of the escape that `at` is within; else `at` twice."""
    begin = max(at - 2 * _LONGEST, 0)
    before = text[:begin]
    begin -= (len(before) - len(before.rstrip("\\"))) % 2  # every other backslash begins one
    for found in _ESCAPE.finditer(text, begin, at + _LONGEST):
        if found.start() < at < found.end():
            return found.span()
    return at, at


def _count(text: str, room: int, size: Size) -> int:
    """How many characters, from the first, take no more than some bytes."""
    for count, char in enumerate(text):
        room -= size(char)
        if room < 0:
            return count
    return len(text)


def _joins(char: str) -> bool:
    """Whether a character is part of the one before it."""
    return unicodedata.category(char) in ("Mn", "Me", "Mc") or char == "\u200d"


def _fits(text: str, limit: int, size: Size) -> bool:
    return len(text) <= limit and size(text) <= limit


def _clean(text: str) -> str:
    """A text that UTF-8 can say: half a character becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _utf8_size(text: str) -> int:
    return len(text.encode())


def _quoted_size(text: str) -> int:
    return len(quote(text, safe=_PLAIN))


def _base64_size(count: int) -> int:
    return (count + 2) // 3 * 4


def _copy(
    error: errors.RotaError,
    message: Callable[[str], str],
    path: Callable[[str], str],
    description: Callable[[str], str],
    value: Callable[[str], str],
) -> errors.RotaError:
    return errors.RotaError(
        message(error.message),
        code=error.code,
        reason=error.reason,
        metadata={
            cut_middle(key, _REASON): value(said)
            for key, said in list(error.metadata.items())[:_METADATA]
        },
        violations=list(_copy_violations(error.violations, path, description)),
        retry_after=error.retry_after,
    )


def _copy_violations(
    violations: Sequence[errors.FieldViolation],
    path: Callable[[str], str],
    description: Callable[[str], str],
) -> Iterator[errors.FieldViolation]:
    """The first violations, one at least, up to what can't fit."""
    room = MAX_TRAILERS
    for one in violations:
        if room < 0:
            return
        copied = replace(
            one,
            field=path(one.field),
            description=description(one.description),
        )
        room -= len(copied.field) + len(copied.description) + len(copied.reason) + 4
        yield copied


def _texts(error: errors.RotaError) -> Iterator[str]:
    yield error.message
    for pair in error.metadata.items():
        yield from pair
    for one in error.violations:
        yield from (one.field, one.description, one.reason)
