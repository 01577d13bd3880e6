"""One signed POST to a webhook, only to public addresses."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import httpx2

from shared import errors
from shared.security.egress import (
    NotPublic,
    PublicTransport,
    Resolve,
    is_public,
    names_inner,
    resolve,
)

TIMEOUT_SECONDS: Final = 15.0
MAX_RETRY_AFTER: Final = timedelta(hours=1)
SECRET_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResponse:
    """`status_code` is 0 without an HTTP response; `error` is empty on success."""

    status_code: int = 0
    error: str = ""
    retry_after: timedelta = timedelta(0)

    @property
    def is_success(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        return self.status_code == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """`local` allows http and addresses that are not public."""

    resolve: Resolve = resolve
    local: bool = False
    seconds: float = TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None

    def check_uri(self, uri: str) -> str:
        """Returns the uri. Raises InvalidRequest for one that is not allowed."""
        where = "webhook.uri"
        try:
            url = httpx2.URL(uri)
            host, port = url.raw_host.decode("ascii"), url.port
        except (httpx2.InvalidURL, UnicodeError, ValueError) as exc:
            raise errors.invalid(where, "is no URL") from exc
        if any(character <= " " or character == "\x7f" for character in uri):
            raise errors.invalid(where, "must not hold blanks")
        schemes = ("https", "http") if self.local else ("https",)
        if url.scheme not in schemes or not host or port == 0:
            raise errors.invalid(where, f"must be an {' or '.join(schemes)} address")
        if url.userinfo or url.fragment:
            raise errors.invalid(where, "must not hold a user or a fragment")
        if not self.local and names_inner(host):
            raise errors.invalid(
                where, "is not on the open internet", errors.FieldReason.NOT_PUBLIC
            )
        return uri

    async def send(self, uri: str, body: bytes, headers: dict[str, str]) -> WebhookResponse:
        """Sends one message. Every failure of the endpoint is a response with an error."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._post(uri, body, headers)
        except TimeoutError:
            return WebhookResponse(error=f"no answer within {self.seconds:g} s")
        except NotPublic:
            return WebhookResponse(error="it is not on the open internet")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError):
            return WebhookResponse(error="it can't be reached")

    async def _post(self, uri: str, body: bytes, headers: dict[str, str]) -> WebhookResponse:
        guard = PublicTransport(
            max_bytes=0,  # the body is not read
            resolve=self.resolve,
            allowed=(lambda _: True) if self.local else is_public,
            tls=self.tls,
        )
        async with (
            httpx2.AsyncClient(
                transport=guard, trust_env=False, timeout=self.seconds, follow_redirects=False
            ) as client,
            client.stream(
                "POST", uri, content=body, headers={**headers, "user-agent": "rota"}
            ) as response,
        ):
            return _answer(response)


def build_signed_headers(
    delivery: UUID, body: bytes, secrets: Sequence[str], *, seconds: int
) -> dict[str, str]:
    """Builds the headers of a message, with a signature by each secret. `seconds` is Unix time."""
    signing = f"{delivery}.{seconds}.".encode() + body
    made = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
        digest = hmac.new(key, signing, hashlib.sha256).digest()
        made.append(f"v1,{base64.b64encode(digest).decode()}")
    return {
        "content-type": "application/json",
        "webhook-id": str(delivery),
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(made),
    }


def _answer(response: httpx2.Response) -> WebhookResponse:
    code = response.status_code
    if 200 <= code < 300:
        return WebhookResponse(status_code=code)
    return WebhookResponse(
        status_code=code,
        error=f"it answered {code}",
        retry_after=_retry_after(response.headers.get("retry-after", "")),
    )


def _retry_after(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()):
        return timedelta(0)
    return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
