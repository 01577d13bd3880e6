"""The bytes of one response → its head and the pieces of its body."""

from typing import Final, NoReturn

import httptools
import httpx2

# of a head, of a trailer, and of all else that comes between two bytes of a body
MAX_HEAD_BYTES: Final = 100 * 1024
MAX_HEADERS: Final = 500
_SWITCHING: Final = 101
_CODING: Final = b"transfer-encoding"
# they say where a body ends
_FRAMES: Final = frozenset({b"content-length", _CODING})


class ResponseParser:
    """Reads one response; interim ones (100 to 199) before it are dropped.

    `has_head`: status, reason, version and headers are there. `is_whole`: the body is too.
    `keeps_alive`: the connection may carry another response. `size` is the bytes of the body that
    were not taken. A response is only a head if `head_only`, as that of HEAD is.
    """

    __slots__ = (
        "_fault", "_head_bytes", "_head_only", "_inner", "_is_framed", "_pieces", "_unproductive",
        "has_head", "headers", "is_whole", "keeps_alive", "reason", "size", "status", "version",
    )  # fmt: skip

    def __init__(self, *, head_only: bool = False) -> None:
        self.status = 0
        self.reason = b""
        self.version = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_whole = False
        self.keeps_alive = False
        self.size = 0
        self._pieces: list[bytes] = []
        self._head_only = head_only
        self._is_framed = False  # the body ends by itself, not with the connection
        self._head_bytes = 0
        self._unproductive = 0  # bytes since the last one of the body
        self._fault = ""
        self._inner = httptools.HttpResponseParser(self)
        # What servers send in practice. An exchange ends at its own end: what follows is dropped
        # with the connection, so no laxness lets one response pass for two.
        self._inner.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

    def feed(self, data: bytes) -> None:
        """Reads what came. Raises httpx2.RemoteProtocolError; the pieces before it stay."""
        before = self.size
        try:
            self._inner.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.keeps_alive = False
            if not self.is_whole:
                said = self._fault or f"the response is not HTTP: {exc}"
                raise httpx2.RemoteProtocolError(said) from None
        self._unproductive = 0 if self.size > before else self._unproductive + len(data)
        if self._unproductive > MAX_HEAD_BYTES and not self.is_whole:
            raise httpx2.RemoteProtocolError("the response has too many bytes beside its body")

    def feed_eof(self) -> None:
        """Reads that the connection has ended. Raises httpx2.RemoteProtocolError if too early."""
        self.keeps_alive = False
        if self.is_whole:
            return
        if not self.has_head:
            raise httpx2.RemoteProtocolError("the server disconnected without a response")
        if self._is_framed:
            raise httpx2.RemoteProtocolError("the server disconnected within a response")
        self.is_whole = True

    def take(self) -> bytes:
        """Returns what has come of the body since the last call."""
        pieces, self._pieces, self.size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Drops the parser, which refers back to this."""
        del self._inner

    # what httptools calls

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ValueError  # another response, which nobody asked for

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if self.has_head:  # of a trailer
            return
        value = (value or b"").strip(b" \t")
        self.headers.append((name, value))
        self._head_bytes += len(name) + len(value)
        if len(self.headers) > MAX_HEADERS or self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("the response has too many headers")
        if b"\0" in value:
            self._refuse("a header of the response is not HTTP")

    def on_headers_complete(self) -> None:
        status = self._inner.get_status_code()
        if status == _SWITCHING:
            self._refuse("the server changes to another protocol")
        if 100 <= status < 200:
            self.headers, self.reason = [], b""
            return
        framed = [(name.lower(), value) for name, value in self.headers if name.lower() in _FRAMES]
        codings = [value.lower() for name, value in framed if name == _CODING]
        if codings not in ([], [b"chunked"]):
            self._refuse("the response has a transfer coding other than chunked")
        self.status = status
        self.version = b"HTTP/" + self._inner.get_http_version().encode()
        self.has_head = True
        self._is_framed = bool(framed)
        # where both are, what follows the body may be a part of it
        self.keeps_alive = self._inner.should_keep_alive() and len(framed) < 2
        self.is_whole = self._head_only

    def on_body(self, piece: bytes) -> None:
        if self._head_only:
            self.keeps_alive = False
            return
        self._pieces.append(piece)
        self.size += len(piece)

    def on_message_complete(self) -> None:
        self.is_whole = self.has_head

    def _refuse(self, fault: str) -> NoReturn:
        self._fault = fault
        raise ValueError
