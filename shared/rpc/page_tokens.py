"""Pages of lists, whose tokens are signed for one caller, one method and its arguments."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from shared import errors
from shared.aip import DEFAULT_PAGE, LARGEST_PAGE, Page
from shared.clock import Clock, rfc3339
from shared.security import caller

# The name of the key that signs them.
PAGE_TOKENS: Final = "page_tokens"
# How long a list can go on after a page of it was read.
TOKEN_LIFE: Final = timedelta(days=3)

_VERSION: Final = b"\x01"
_EXPIRY_BYTES: Final = 4  # seconds of Unix time
_MAC_BYTES: Final = 16
_HEAD_BYTES: Final = len(_VERSION) + _EXPIRY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReader:
    """Reads which page a List request asks for.

    A token has the form `version, expiry, key of the last row, HMAC-SHA-256`. `key` signs it
    together with the method's request, which but for `page_size` has to be the same, and the
    caller. Every replica of a service has the same key.
    """

    key: bytes
    clock: Clock

    def read(self, request: Any) -> Page:
        """Returns the page. Raises InvalidRequest for a token that is none of this list, or
        that is older than three days."""
        bound_to = _bound_to(request)
        after = self._open(request.page_token, bound_to) if request.page_token else None
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        return Page(size=size, after=after, sign=partial(self._sign, bound_to))

    def _sign(self, bound_to: bytes, row: str) -> str:
        expiry = int((self.clock.now() + TOKEN_LIFE).timestamp())
        body = _VERSION + expiry.to_bytes(_EXPIRY_BYTES) + row.encode()
        signed = body + self._mac(bound_to, body)
        return base64.urlsafe_b64encode(signed).decode().rstrip("=")

    def _open(self, token: str, bound_to: bytes) -> list[Any]:
        try:
            signed = base64.b64decode(
                token + "=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
        except ValueError:
            raise errors.invalid("page_token", "is not a token of this service") from None
        body, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        if not body.startswith(_VERSION) or len(body) <= _HEAD_BYTES:
            raise errors.invalid("page_token", "is not a token of this service")
        if not hmac.compare_digest(mac, self._mac(bound_to, body)):
            raise errors.invalid("page_token", "was made for other arguments or another caller")
        expiry = datetime.fromtimestamp(int.from_bytes(body[len(_VERSION) : _HEAD_BYTES]), UTC)
        if self.clock.now() >= expiry:
            raise errors.invalid(
                "page_token", f"ended at {rfc3339(expiry)}; begin again with the first page"
            )
        after: list[Any] = json.loads(body[_HEAD_BYTES:])
        return after

    def _mac(self, bound_to: bytes, body: bytes) -> bytes:
        return hmac.digest(self.key, bound_to + body, "sha256")[:_MAC_BYTES]


def _bound_to(request: Any) -> bytes:
    """Returns 32 bytes of what a token holds for: the request without its page, and the caller."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page_size")
    asked.ClearField("page_token")
    parts = (
        request.DESCRIPTOR.full_name.encode(),
        caller.current().user.encode(),
        asked.SerializeToString(deterministic=True),
    )
    return hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in parts)).digest()
