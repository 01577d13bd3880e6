"""`fetch_url`: the text of a page on the public internet."""

import asyncio
import codecs
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from chat_service.tools.capabilities import html_text
from shared import errors
from shared.db.storable_text import clean
from shared.registries.capabilities.types import Capability
from shared.sandbox.failure import JobFailed
from shared.sandbox.pool import Sandbox
from shared.security.egress import (
    Address,
    NotPublic,
    PublicTransport,
    Resolve,
    ResponseTooLarge,
    is_public,
    resolve,
)

MAX_BYTES: Final = 1024 * 1024
MAX_REDIRECTS: Final = 5
SECONDS: Final = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# codecs for names and source code: slow, or with their own errors
_NO_CHARSETS = frozenset(
    {"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
)
# XHTML allows these empty elements; HTML ignores the slash
_EMPTY_ELEMENT = re.compile(r"<(script|style|title|textarea|iframe)\b([^<>]*)/>")
_TEXT = re.compile(r"text/|application/(?:json|xml|javascript|yaml)|\+(?:json|xml)\b", re.I)

_INPUT = {
    "type": "object",
    "properties": {"url": {"type": "string", "description": "http or https", "maxLength": 2000}},
    "required": ["url"],
    "additionalProperties": False,
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": "where it was found, after redirects"},
        "status": {"type": "integer"},
        "content_type": {"type": "string"},
        "text": {"type": "string"},
        "truncated": {"type": "boolean"},
    },
    "required": ["url", "status", "content_type", "text", "truncated"],
}


def fetch_url_capability(fetcher: "Fetcher") -> Capability:
    async def handler(arguments: dict[str, Any]) -> dict[str, Any]:
        return await fetcher.fetch(str(arguments["url"]))

    return Capability(
        id="fetch_url",
        description="Reads a web page or another text on the internet and gives its text.",
        input_schema=_INPUT,
        output_schema=_OUTPUT,
        handler=handler,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _HttpResponse:
    status: int
    content_type: str
    body: bytes
    truncated: bool
    location: str
    charset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    resolve: Resolve = resolve
    allowed: Callable[[Address], bool] = is_public
    seconds: float = SECONDS
    tls: ssl.SSLContext | None = None
    sandbox: Sandbox | None = None  # absent: HTML is refused

    async def fetch(self, url: str) -> dict[str, Any]:
        where, answer = await self._fetched(url, MAX_BYTES)
        if answer.content_type and not _TEXT.search(answer.content_type):
            raise _refused("it is not a text")
        # in a thread: a large page would block the loop
        text = await asyncio.to_thread(_decode, answer)
        if "html" in answer.content_type.lower():
            text = await self._read_html(where.host, text)
        return {
            "url": str(where),
            "status": answer.status,
            "content_type": answer.content_type,
            "text": text[: html_text.MAX_TEXT],
            "truncated": answer.truncated or len(text) > html_text.MAX_TEXT,
        }

    async def _read_html(self, host: str, page: str) -> str:
        """Returns the text of a page. Hosts take turns, as workspaces do for other jobs."""
        if self.sandbox is None:
            raise _refused("it can't be read now")
        try:
            text: str = await self.sandbox.run(
                html_text.extract_text.__name__,
                page,
                workspace=host,
                seconds=html_text.SECONDS,
            )
        except JobFailed as failed:
            raise _refused("it takes too much time or memory to read") from failed
        except errors.ServiceUnavailable as failed:
            raise _refused("it can't be read now") from failed
        return text

    async def download(self, url: str, *, most: int) -> bytes:
        """Returns the bytes at a URL. Raises InvalidRequest for more than `most`."""
        _, answer = await self._fetched(url, most)
        if answer.status != 200:
            raise _refused(f"it answered {answer.status}")
        if answer.truncated:
            raise _refused(f"it is larger than {most} bytes")
        return answer.body

    async def _fetched(self, url: str, most: int) -> tuple[httpx2.URL, _HttpResponse]:
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(_parse(url), most)
        except TimeoutError as exc:
            raise _refused("it took too long") from exc
        except NotPublic as exc:
            raise _refused("it is not on the open internet") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as exc:
            raise _refused("it can't be reached") from exc

    async def _follow(self, url: httpx2.URL, most: int) -> tuple[httpx2.URL, _HttpResponse]:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._get(url, most)
            if answer.status not in _REDIRECTS or not answer.location:
                return url, answer
            url = _parse(str(url.join(answer.location)))
        raise _refused("it redirects too often")

    async def _get(self, url: httpx2.URL, most: int) -> _HttpResponse:
        guard = PublicTransport(
            max_bytes=most, resolve=self.resolve, allowed=self.allowed, tls=self.tls
        )
        async with (
            httpx2.AsyncClient(
                transport=guard,
                trust_env=False,
                timeout=self.seconds / 2,
                # each hop is parsed first
                follow_redirects=False,
            ) as client,
            client.stream(
                "GET",
                url,
                headers={
                    "user-agent": "rota",
                    "accept": "text/html, text/*;q=0.9, application/json;q=0.8, image/*;q=0.7",
                    # a small compressed body may expand without limit
                    "accept-encoding": "identity",
                },
            ) as response,
        ):
            return await _read(response)


def _parse(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text.strip())
    except httpx2.InvalidURL as exc:
        raise errors.invalid("url", "is no URL") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise errors.invalid("url", "must be an http or https URL")
    if url.userinfo:
        raise errors.invalid("url", "must not hold a user or a password")
    return url.copy_with(fragment=None)


async def _read(response: httpx2.Response) -> _HttpResponse:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _refused("it is compressed")
    body, truncated = bytearray(), False
    if response.status_code not in _REDIRECTS:
        try:
            async for piece in response.aiter_raw():
                body += piece
        except ResponseTooLarge:
            truncated = True
    return _HttpResponse(
        status=response.status_code,
        content_type=response.headers.get("content-type", ""),
        body=bytes(body),
        truncated=truncated,
        location=response.headers.get("location", ""),
        charset=response.charset_encoding or "utf-8",
    )


def _decode(answer: _HttpResponse) -> str:
    text = answer.body.decode(_charset(answer.charset), errors="replace")
    text = clean(text)
    if "xhtml" in answer.content_type.lower():
        return _EMPTY_ELEMENT.sub(r"<\1\2></\1>", text)
    return text


def _charset(named: str) -> str:
    """Returns a safe codec: a page may name any that Python has."""
    try:
        found = codecs.lookup(named).name
        "".encode(found)
    except (LookupError, UnicodeError, ValueError):
        return "utf-8"
    return "utf-8" if found in _NO_CHARSETS else found


def _refused(why: str) -> errors.RotaError:
    return errors.invalid("url", f"the page can't be read: {why}")
