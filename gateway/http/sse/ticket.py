"""Tickets: a person's token, sealed for one stream and a short time.

The EventSource of browsers sends no header, so its address must open the stream. A ticket opens
the one stream it was made for, as often as a browser connects again, until it expires.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_PARAMETER: Final = b"ticket="
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TIME_BYTES: Final = 8


class TicketError(Exception):
    """The ticket does not open this stream."""


class TicketExpired(TicketError):
    """The ticket opened this stream, and does not any more."""


def new_key() -> str:
    """Returns a key as `parse_keys` reads it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Parses base64 keys of 32 bytes, separated by commas. Raises ValueError."""
    keys = []
    for part in text.split(","):
        try:
            key = base64.b64decode(part.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key is not {KEY_BYTES} bytes in base64")
        keys.append(key)
    return tuple(keys)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOffice:
    """`keys` are of 32 bytes: the first seals, all open. `life` is that of a ticket."""

    keys: Sequence[bytes] = field(repr=False)
    life: timedelta
    clock: Callable[[], datetime] = _now

    def seal(self, token: str, path: str, request: Any) -> tuple[str, datetime]:
        """Returns a ticket for the call at a path of gRPC, and when it expires."""
        expiry = self.clock() + self.life
        nonce = os.urandom(_NONCE_BYTES)
        content = int(expiry.timestamp()).to_bytes(_TIME_BYTES) + token.encode()
        sealed = AESGCM(self.keys[0]).encrypt(nonce, content, _stream(path, request))
        return _write(_VERSION + nonce + sealed), expiry.replace(microsecond=0)

    def open(self, ticket: str, path: str, request: Any) -> str:
        """Returns the token. Raises TicketError; TicketExpired for one that opened this stream."""
        raw = _read(ticket)
        version, rest = raw[:1], raw[1:]
        if version != _VERSION or len(rest) < _NONCE_BYTES:
            raise TicketError
        content = self._decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _stream(path, request))
        if int.from_bytes(content[:_TIME_BYTES]) <= self.clock().timestamp():
            raise TicketExpired
        return content[_TIME_BYTES:].decode()

    def _decrypt(self, nonce: bytes, sealed: bytes, stream: bytes) -> bytes:
        for key in self.keys:
            try:
                return AESGCM(key).decrypt(nonce, sealed, stream)
            except InvalidTag:
                continue
        raise TicketError


def take(query: bytes) -> tuple[list[str], bytes]:
    """Returns the tickets of a query, as it was sent, and the query without them."""
    parts = query.split(b"&")
    found = [part.removeprefix(_PARAMETER) for part in parts if part.startswith(_PARAMETER)]
    rest = [part for part in parts if not part.startswith(_PARAMETER)]
    return [one.decode("latin-1") for one in found], b"&".join(rest)


def _stream(path: str, request: Any) -> bytes:
    """What a ticket is bound to: the call, and everything that it asks for."""
    told = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return b"rota stream ticket\0" + path.encode() + b"\0" + told


def _write(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read(ticket: str) -> bytes:
    try:
        return base64.b64decode(ticket + "=" * (-len(ticket) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TicketError from None
