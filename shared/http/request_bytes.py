"""A request → its bytes, as HTTP/1.1 has them."""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpcore2
import httpx2

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
# no line end: a header can't begin another, or a second request
_VALUE: Final = re.compile(rb"(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?")


async def encode_request(request: httpcore2.Request) -> AsyncIterator[bytes]:
    """Yields the head with the first piece of the body, then the other pieces.

    Raises httpx2.LocalProtocolError for what HTTP does not allow. It says nothing of a header's
    value, which may be a key.
    """
    head, length = _encode_head(request)
    sent = 0
    async for piece in request.stream:  # type: ignore[union-attr]  # our pool is asynchronous
        if not piece:
            continue
        sent += len(piece)
        if length is not None and sent > length:
            raise httpx2.LocalProtocolError("the request's body is longer than it says")
        yield head + (piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
        head = b""
    if length is not None and sent < length:
        raise httpx2.LocalProtocolError("the request's body is shorter than it says")
    if head or length is None:
        yield head + (b"0\r\n\r\n" if length is None else b"")


def _encode_head(request: httpcore2.Request) -> tuple[bytes, int | None]:
    """Returns the head, and the length of the body; None if it goes in chunks."""
    if not _TOKEN.fullmatch(request.method) or not _TARGET.fullmatch(request.url.target):
        raise httpx2.LocalProtocolError("the request's method or target is not HTTP")
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.url.target)]
    length: int | None = 0
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise httpx2.LocalProtocolError(f"the request's header {name[:40]!r} is not HTTP")
        match name.lower():
            case b"transfer-encoding":
                length = None
            case b"content-length" if length is not None:
                length = int(value)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"]), length
