"""One POST to somebody's endpoint: signed, to an address of the open internet, with one answer."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx

from shared import errors
from shared.security.egress import Address, Resolve, is_public, names_inner, resolve

SECONDS: Final = 15.0
LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
SECRET_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`status_code` is 0 when there was none; `error` is empty for a receipt."""

    status_code: int = 0
    error: str = ""
    retry_after: timedelta = timedelta(0)

    @property
    def is_receipt(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        return self.status_code == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Poster:
    """Resolves an endpoint for each message, and connects to the very address it judged."""

    resolve: Resolve = resolve
    local: bool = False
    seconds: float = SECONDS
    verify: Any = field(default=True)

    def checked(self, uri: str) -> str:
        """The uri as it is kept; InvalidRequest for one that may not be told."""
        where = "webhook.uri"
        try:
            url = httpx.URL(uri)
            host, port = url.raw_host.decode("ascii"), url.port
        except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
            raise errors.invalid(where, "is no URL", "invalid") from exc
        if any(character <= " " or character == "\x7f" for character in uri):
            raise errors.invalid(where, "must not hold blanks", "invalid")
        schemes = ("https", "http") if self.local else ("https",)
        if url.scheme not in schemes or not host or port == 0:
            raise errors.invalid(where, f"must be an {' or '.join(schemes)} address", "invalid")
        if url.userinfo or url.fragment:
            raise errors.invalid(where, "must not hold a user or a fragment", "invalid")
        if not self.local and names_inner(host):
            raise errors.invalid(where, "is not on the open internet", "not_public")
        return uri

    async def post(self, uri: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Never raises for what the other side does."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._post(httpx.URL(uri), body, headers)
        except TimeoutError:
            return Answer(error=f"no answer within {self.seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError):
            return Answer(error="it can't be reached")

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> Answer:
        found = await self.resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        # all of them: a name with one inner address is not to be trusted with the others
        if not found or not all(self._allowed(address) for address in found):
            return Answer(error="it is not on the open internet")
        for address in found[:-1]:
            try:
                return await self._post_to(address, url, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post_to(found[-1], url, body, headers)

    async def _post_to(
        self, address: Address, url: httpx.URL, body: bytes, headers: dict[str, str]
    ) -> Answer:
        # no proxies, no netrc, no redirects: all would leave the address that was judged
        async with (
            httpx.AsyncClient(
                trust_env=False,
                verify=self.verify,
                timeout=self.seconds,
                follow_redirects=False,
            ) as client,
            client.stream(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers={**headers, "host": url.netloc.decode("ascii"), "user-agent": "rota"},
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            ) as response,  # whose body nobody reads
        ):
            return _answer(response)

    def _allowed(self, address: Address) -> bool:
        return self.local or is_public(address)


def signed(delivery: UUID, body: bytes, secrets: Sequence[str], *, seconds: int) -> dict[str, str]:
    """The headers of a message at a moment, with a signature by each of the secrets."""
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


def _answer(response: httpx.Response) -> Answer:
    code = response.status_code
    if 200 <= code < 300:
        return Answer(status_code=code)
    return Answer(
        status_code=code,
        error=f"it answered {code}",
        retry_after=_retry_after(response.headers.get("retry-after", "")),
    )


def _retry_after(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()):
        return timedelta(0)
    return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
