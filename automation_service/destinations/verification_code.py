"""The code that proves who reads a destination."""

import hashlib
import hmac
import os
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from automation_service.persistence.outbox.destinations import Destination

CODE_LENGTH: Final = 8
# Capitals and digits that nobody takes for one another.
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LIFE: Final = timedelta(minutes=30)
MAX_TRIES: Final = 5
_SALT_BYTES: Final = 16


def make_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def normalise_code(text: str) -> str:
    """Returns a code as people type it, as it was made."""
    return "".join(character for character in text.upper() if character.isalnum())


def hash_code(code: str) -> bytes:
    """Takes so long that a code can't be found from its hash while it is good."""
    salt = os.urandom(_SALT_BYTES)
    return salt + _scrypt(code, salt)


def matches_code(code: str, hashed: bytes) -> bool:
    """Whether a normalised code is the one of a hash. Takes as long as the hash did."""
    salt, digest = hashed[:_SALT_BYTES], hashed[_SALT_BYTES:]
    return hmac.compare_digest(_scrypt(code, salt), digest)


def is_waiting(found: Destination, user: str, now: datetime) -> bool:
    """Whether a code that was sent for the user may be given."""
    until = found.code_expire_time
    return (
        found.code_hash is not None
        and found.code_user == user
        and found.code_tries < MAX_TRIES
        and until is not None
        and now < until
    )


def clear_code(found: Destination) -> Destination:
    """Returns a destination for which no code waits."""
    return replace(found, code_hash=None, code_user=None, code_tries=0, code_expire_time=None)


def _scrypt(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=1 << 14, r=8, p=1)
