"""The page in a browser without services: a test gives the answers of the calls it looks at."""

import asyncio
import base64
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from playwright.async_api import Browser, Page, Route

from gateway.envoy_config import PAGE
from gateway.page import policy
from tests.support.system.live import METHODS
from tests.web.browser import Scheme, opened

URL: Final = "http://page.example"
# What a call answers: a message, several for a stream, or a status that refuses it.
Answer: TypeAlias = Message | list[Message] | status_pb2.Status
Answers = dict[str, Callable[[Any], Answer]]
_CLAIMS: Final[Mapping[str, Any]] = {
    "sub": "ada",
    "workspaces": {"w": "owner"},
    "exp": 9_999_999_999,
}
_PATIENCE: Final = 30.0


@cache
def _page() -> tuple[str, str]:
    """Its text and its policy."""
    html = PAGE.read_text()
    return html, policy(html)


@dataclass(kw_only=True)
class Stub:
    """`answers` by `Service/Method`; a call without one answers empty. `calls` has all of them."""

    answers: Answers
    calls: list[tuple[str, Any]] = field(default_factory=list)
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            html, allowed = _page()
            headers = {"content-security-policy": allowed, "content-type": "text/html"}
            await route.fulfill(status=200, headers=headers, body=html)
            return
        service, _, method = path.rpartition("/")
        name = f"{service.rpartition('.')[2]}/{method}"
        described = METHODS[name]
        request = GetMessageClass(described.input_type)()
        request.ParseFromString((route.request.post_data_buffer or b"")[5:])
        self.calls.append((name, request))
        self._called.set()
        empty: Message = GetMessageClass(described.output_type)()
        answer = self.answers[name](request) if name in self.answers else empty
        await route.fulfill(
            status=200, headers={"content-type": "application/grpc-web+proto"}, body=framed(answer)
        )

    def seen(self, name: str) -> list[Any]:
        """What the call was asked with until now, the first one first."""
        return [request for called, request in self.calls if called == name]

    async def asked(self, name: str, times: int = 1) -> list[Any]:
        """Waits until the call was made that often; returns what `seen` does."""
        async with asyncio.timeout(_PATIENCE):
            while len(self.seen(name)) < times:
                self._called.clear()
                await self._called.wait()
        return self.seen(name)


async def stubbed(
    browser: Browser, answers: Answers, *, where: str = "#/chat", width: int = 1440,
    scheme: Scheme = "light", claims: Mapping[str, Any] = _CLAIMS,
) -> tuple[Page, Stub]:  # fmt: skip
    """Opens the page; somebody is signed in."""
    page, stub = await opened(browser, width, scheme), Stub(answers=answers)
    await page.route(f"{URL}/**", stub.serve)
    await page.goto(f"{URL}/#token={token(claims)}")
    await page.goto(f"{URL}/{where}")
    return page, stub


def token(claims: Mapping[str, Any]) -> str:
    """One that no service would take: nobody signed it."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def refusal(code: int, text: str, *details: Message) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=text)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def framed(answer: Answer) -> bytes:
    """gRPC-Web: the messages, then the trailers."""
    trailers = ["grpc-status: 0"]
    messages: list[Message] = []
    if isinstance(answer, status_pb2.Status):
        details = base64.b64encode(answer.SerializeToString()).decode().rstrip("=")
        trailers = [
            f"grpc-status: {answer.code}",
            f"grpc-message: {quote(answer.message)}",
            f"grpc-status-details-bin: {details}",
        ]
    else:
        messages = answer if isinstance(answer, list) else [answer]
    parts = [(0, message.SerializeToString()) for message in messages]
    parts.append((0x80, "".join(f"{line}\r\n" for line in trailers).encode()))
    return b"".join(struct.pack(">BI", flag, len(body)) + body for flag, body in parts)
