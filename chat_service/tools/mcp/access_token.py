"""Access tokens for MCP servers that want OAuth: the grant of client credentials."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import httpx
import httpx2

from chat_service.runtime.models_file import McpOAuth
from shared.security.body_decoder import ACCEPTED
from shared.security.egress import bound_responses
from shared.telemetry import logs

FETCH_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_TOKEN: Final = 16 * 1024  # characters
# a token is replaced this long before its end, or when half of its life is over
MARGIN_SECONDS: Final = 60.0
# how long a token is kept whose answer does not say when it ends, and any at most
UNTOLD_SECONDS: Final = 3600.0
MAX_SECONDS: Final = 86_400.0
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")

log = logs.logger(__name__)


class TokenNotGiven(httpx.TransportError):
    """The token endpoint gave no token, so the request was not sent."""


class TokenSource:
    """The token of one server, kept until shortly before its end.

    The secret is read for each fetch, so that a file may be replaced. Neither it nor a token is in
    an error, a log or a `repr`.
    """

    def __init__(
        self,
        server: str,
        oauth: McpOAuth,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._oauth = oauth
        self._environ = environ
        self._now = now
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def token(self, *, refused: str = "") -> str:
        """Returns a token that is not the `refused` one. Raises TokenNotGiven."""
        async with self._lock:
            if not self._token or self._token == refused or self._now() >= self._until:
                self._token = ""
                self._token, life = await self._fetch()
                self._until = self._now() + life
            return self._token

    async def _fetch(self) -> tuple[str, float]:
        """Returns a token, and for how many seconds it is kept."""
        try:
            async with httpx2.AsyncClient(
                timeout=FETCH_SECONDS,
                follow_redirects=False,
                headers={"accept": "application/json", "accept-encoding": ACCEPTED},
                event_hooks={"response": [bound_responses(MAX_ANSWER_BYTES)]},
            ) as client:
                answer = await client.post(
                    self._oauth.token_url, data=self._form(), auth=self._auth()
                )
                told = answer.json()
        except (httpx2.HTTPError, OSError, ValueError) as exc:
            raise self._failed(error=type(exc).__name__) from None
        found = told if isinstance(told, dict) else {}
        token, kind = found.get("access_token"), found.get("token_type", "bearer")
        if answer.status_code != 200 or not _is_token(token) or str(kind).lower() != "bearer":
            code = str(found.get("error", ""))
            known = code if _ERROR_CODE.fullmatch(code) else ""
            raise self._failed(status=answer.status_code, error=known)
        assert isinstance(token, str)
        return token, _life(found.get("expires_in"))

    def _form(self) -> dict[str, str]:
        form = {"grant_type": "client_credentials"}
        form |= {"scope": self._oauth.scope} if self._oauth.scope else {}
        form |= {"resource": self._oauth.resource} if self._oauth.resource else {}
        if self._oauth.auth_method == "post":
            secret = self._oauth.read_secret(self._environ)
            form |= {"client_id": self._oauth.client_id, "client_secret": secret}
        return form

    def _auth(self) -> httpx2.Auth:
        if self._oauth.auth_method == "post":
            return httpx2.Auth()  # nothing, and nothing of the machine's either
        secret = self._oauth.read_secret(self._environ)
        return httpx2.BasicAuth(quote_plus(self._oauth.client_id), quote_plus(secret))

    def _failed(self, **how: Any) -> TokenNotGiven:
        log.warning("mcp_token_not_given", server=self._server, **how)
        return TokenNotGiven(f"the token endpoint of {self._server} gave no token")


class BearerAuth(httpx.Auth):
    """Sends each request with a token; one that is answered with 401, once more with another."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._source.token()
        request.headers["authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            token = await self._source.token(refused=token)
            request.headers["authorization"] = f"Bearer {token}"
            yield request


def _is_token(told: Any) -> bool:
    return isinstance(told, str) and len(told) <= MAX_TOKEN and _TOKEN.fullmatch(told) is not None


def _life(told: Any) -> float:
    """Returns for how many seconds a token is kept; some servers tell a number as a text."""
    try:
        seconds = float(told)
    except (TypeError, ValueError):
        seconds = UNTOLD_SECONDS
    if not 0 <= seconds <= MAX_SECONDS:
        seconds = MAX_SECONDS if seconds > MAX_SECONDS else 0.0
    return max(seconds - MARGIN_SECONDS, seconds / 2)
