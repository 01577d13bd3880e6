"""Encryption of stored secrets."""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class InvalidKeys(ValueError):
    """The keys can't be used. The message says why and shows no key."""


class DecryptionError(Exception):
    """The secret has an unknown key or another binding, or is damaged."""


class SecretBox:
    """AES-256-GCM under a few keys: the first one seals, every one opens.

    What is sealed is bound to the place it is kept in, so that moved to another row it can't be
    opened. Layout: version, key id, nonce, ciphertext with its tag.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise InvalidKeys("at least one key is needed")
        if any(len(key) != KEY_BYTES for key in keys):
            raise InvalidKeys(f"a key has {KEY_BYTES} bytes")
        self._sealer = _prefix(keys[0])
        self._marker = hmac.digest(keys[0], b"digest", hashlib.sha256)
        self._ciphers = {_prefix(key): AESGCM(key) for key in keys}

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From keys in base64, separated by commas; None from an empty text. Raises InvalidKeys."""
        if not text.strip():
            return None
        try:
            keys = [_decoded(part.strip()) for part in text.split(",")]
        except ValueError:
            raise InvalidKeys("a key is base64, separated from the next by a comma") from None
        return cls(keys)

    @property
    def prefix(self) -> bytes:
        """The first bytes of everything sealed with the first key."""
        return self._sealer

    def seal(self, secret: str, *, bound_to: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._sealer].encrypt(nonce, secret.encode(), bound_to.encode())
        return self._sealer + nonce + sealed

    def digest(self, secret: str, *, bound_to: str) -> str:
        """Returns what tells a secret from others, in hexadecimal.

        Without the first key nobody can try secrets against it, nor compare it with that of
        another place.
        """
        text = f"{len(bound_to)}:{bound_to}{secret}"
        return hmac.digest(self._marker, text.encode(), hashlib.sha256).hex()

    def open(self, sealed: bytes, *, bound_to: str) -> str:
        """The secret. Raises DecryptionError."""
        at = len(self._sealer)
        cipher = self._ciphers.get(sealed[:at])
        nonce, rest = sealed[at : at + _NONCE_BYTES], sealed[at + _NONCE_BYTES :]
        if cipher is None or len(nonce) < _NONCE_BYTES:
            raise DecryptionError
        try:
            return cipher.decrypt(nonce, rest, bound_to.encode()).decode()
        except InvalidTag:
            raise DecryptionError from None


def new_key() -> str:
    """A key as `SecretBox.parse` reads it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _prefix(key: bytes) -> bytes:
    return _VERSION + hashlib.sha256(b"rota secretbox key\0" + key).digest()[:_KEY_ID_BYTES]


def _decoded(text: str) -> bytes:
    # Both alphabets: keys come out of many tools.
    plain = text.translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
