"""An endpoint of somebody's: takes messages, checks their signatures, and answers as it is told."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

Answers = Callable[["Received"], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_by(self, secret: str) -> bool:
        """By the words of standardwebhooks.com, not by our code."""
        key = base64.b64decode(secret.split("_", 1)[1])
        parts = [self.id, self.headers["webhook-timestamp"], self.body.decode()]
        made = hmac.digest(key, ".".join(parts).encode(), hashlib.sha256)
        said = [s.split(",", 1) for s in self.headers["webhook-signature"].split(" ")]
        return ["v1", base64.b64encode(made).decode()] in said

    @property
    def signatures(self) -> int:
        return len(self.headers["webhook-signature"].split(" "))


def answer(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "content-length: 0", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`answers` gives the bytes to answer with; empty bytes close without an answer."""

    url: str = ""
    answers: Answers = field(default=lambda _: answer(204))
    received: list[Received] = field(default_factory=list)

    def always(self, status: int, **headers: str) -> None:
        self.answers = lambda _: answer(status, **headers)

    def of_type(self, event_type: str) -> list[Received]:
        return [one for one in self.received if one.json["type"] == event_type]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = first.split(" ")
            one = Received(path=path, headers=headers, body=body, method=method)
            self.received.append(one)
            writer.write(self.answers(one))
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiver(**how: Any) -> AsyncIterator[Receiver]:
    """On loopback; `how` are arguments of asyncio.start_server, such as `ssl`."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, **how)
    async with server:
        port = server.sockets[0].getsockname()[1]
        made.url = f"{'https' if how.get('ssl') else 'http'}://127.0.0.1:{port}/hook?team=7"
        yield made
