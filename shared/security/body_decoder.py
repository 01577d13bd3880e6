"""The body of an HTTP response, decoded piece by piece within a limit of bytes."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Final

# What a client asks for. Any other coding is refused: its size is not known before it is decoded.
ACCEPTED: Final = "gzip, deflate"
_PIECE: Final = 64 * 1024
_MOST_CODINGS: Final = 3
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_NO_CODING: Final = frozenset({"", "identity"})
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class BodyTooLarge(Exception):
    """The body has more bytes than the limit, as it came or decoded."""


class BodyUnreadable(Exception):
    """The body has a coding that is not accepted, or is not coded as it says."""


async def decode_body(
    pieces: AsyncIterable[bytes], coding: str, *, max_bytes: int
) -> AsyncIterator[bytes]:
    """Yields the decoded body in pieces of at most 64 KiB, or as they come if it has no coding.

    Raises BodyTooLarge after `max_bytes`, which were yielded, and BodyUnreadable.
    """
    names = [name.strip().lower() for name in coding.split(",")]
    layers = [_Inflater(name, max_bytes) for name in reversed(names) if name not in _NO_CODING]
    if len(layers) > _MOST_CODINGS:
        raise BodyUnreadable("the body has too many codings")
    left = max_bytes
    async for piece in pieces:
        for decoded in _decode(layers, piece) if layers else (piece,):
            if len(decoded) > left:
                yield decoded[:left]
                raise BodyTooLarge(f"the body has more than {max_bytes} bytes")
            left -= len(decoded)
            yield decoded
    if any(layer.is_cut for layer in layers):
        raise BodyUnreadable("the body ends before its coding does")


def _decode(layers: list["_Inflater"], piece: bytes) -> Iterator[bytes]:
    if not layers:
        yield piece
        return
    for decoded in layers[0].inflate(piece):
        yield from _decode(layers[1:], decoded)


class _Inflater:
    """Decodes one coding. It counts what it is given: a layer below may have expanded it."""

    def __init__(self, name: str, max_bytes: int) -> None:
        if name not in _WINDOWS:
            raise BodyUnreadable(f"the coding {name[:20]!r} is not accepted")
        self._left = max_bytes
        self._window = _WINDOWS[name]
        self._inner = zlib.decompressobj(self._window)
        self._begun = False
        self._after = b""  # what may begin another member
        self._head = b"" if name == "deflate" else None  # until its two bytes are there

    @property
    def is_cut(self) -> bool:
        """Whether what came ends before the coding does. Nothing at all is an empty body."""
        return self._begun and not self._inner.eof

    def inflate(self, piece: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(piece)
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge("the body is larger than its limit before it is decoded")
        if self._head is not None:
            piece = self._head = self._head + piece
            if len(piece) < 2:
                return
            self._head = None
            if (piece[0] & 15) != zlib.DEFLATED or int.from_bytes(piece[:2], "big") % 31:
                # some servers send deflate without its header
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        while True:
            if self._inner.eof:
                # A gzip body may have several members. What else follows is no part of the body.
                piece = self._after + piece
                self._after = piece if len(piece) < len(_GZIP_MAGIC) else b""
                if self._window != _GZIP or not piece.startswith(_GZIP_MAGIC):
                    return
                self._inner, self._after = zlib.decompressobj(self._window), b""
            try:
                decoded = self._inner.decompress(piece, _PIECE)
            except zlib.error as exc:
                raise BodyUnreadable("the body is not coded as it says") from exc
            piece = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            if decoded:
                yield decoded
            elif not piece:
                return
