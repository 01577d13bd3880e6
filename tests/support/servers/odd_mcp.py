"""An MCP server that tells and answers whatever a test wants, however odd."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

Answer = dict[str, Any] | int | None


def text(said: str, **more: Any) -> dict[str, Any]:
    """What a call answers when all is well."""
    return {"result": {"content": [{"type": "text", "text": said}], **more}}


def refused(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **more}


@dataclass(slots=True)
class OddMcp:
    """`answer` gives a part of a JSON-RPC answer, an HTTP status, or None: it never answers.

    One answers nothing while it `hangs`, one that is `away` with 503. One that `clings` opens a
    session and never answers its end. Serve it with `served`.

    One with `notices` announces changes of its list, and streams what is put there.
    """

    pages: list[list[dict[str, Any]]] = field(default_factory=lambda: [[tool("act")]])
    answer: Callable[[dict[str, Any]], Answer] = lambda _: text("done")
    called: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hangs: bool = False
    away: bool = False
    clings: bool = False
    left: int = 0  # sessions that were ended
    listed: int = 0  # times that the first page was asked for
    notices: asyncio.Queue[str] | None = None  # methods
    opened: list[str] = field(default_factory=list)  # sessions, of a server that keeps them
    ended: set[str] = field(default_factory=set)
    streams: list[str] = field(default_factory=list)  # the sessions of the streams that are open
    streams_answers: bool = False  # as events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            response = await self._response(request)
            await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        session = request.headers.get("mcp-session-id", "")
        if request.method == "DELETE":
            self.left += 1
            self.ended.add(session)
            while self.clings and not await request.is_disconnected():
                await asyncio.sleep(0.01)
            return Response(status_code=204)
        if request.method == "GET" and self.notices is not None:
            stream = self._stream(self.notices, session)
            return StreamingResponse(stream, media_type="text/event-stream")
        if request.method != "POST":
            return Response(status_code=405)
        self.headers.append(dict(request.headers))
        asked = json.loads(await request.body())
        if self.away:
            return Response(status_code=503)
        if "id" not in asked:
            return Response(status_code=202)
        while self.hangs and not await request.is_disconnected():
            await asyncio.sleep(0.01)
        found = self._answer(asked["method"], asked.get("params") or {})
        while found is None and not await request.is_disconnected():
            await asyncio.sleep(0.01)
        if isinstance(found, int):
            return Response(status_code=found)
        if asked["method"] == "initialize" and (self.clings or self.notices is not None):
            session = f"session-{len(self.opened)}"
            self.opened.append(session)
        headers = {"mcp-session-id": session} if session else {}
        told = {"jsonrpc": "2.0", "id": asked["id"], **(found or {})}
        if self.streams_answers:
            event = f"event: message\ndata: {json.dumps(told)}\n\n"
            return Response(event, headers=headers, media_type="text/event-stream")
        return JSONResponse(told, headers=headers)

    async def _stream(self, notices: asyncio.Queue[str], session: str) -> AsyncIterator[str]:
        self.streams.append(session)
        try:
            while True:
                told = {"jsonrpc": "2.0", "method": await notices.get()}
                yield f"event: message\ndata: {json.dumps(told)}\n\n"
        finally:
            self.streams.remove(session)

    def _answer(self, method: str, params: dict[str, Any]) -> Answer:
        match method:
            case "initialize":
                told = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": self.notices is not None}},
                    "serverInfo": {"name": "odd", "version": "1"},
                }
                return {"result": told}
            case "tools/list":
                at = int(params.get("cursor") or 0)
                self.listed += at == 0
                more = {"nextCursor": str(at + 1)} if at + 1 < len(self.pages) else {}
                return {"result": {"tools": self.pages[at], **more}}
            case "ping":
                return {"result": {}}
            case "tools/call":
                self.called.append(params)
                return self.answer(params)
        return refused(-32601, "no such method")
