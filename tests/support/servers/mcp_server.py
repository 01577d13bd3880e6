"""A small MCP server: over HTTP inside a test, or on stdio as a process of its own."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from mcp import McpError
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.types import SamplingMessage, TextContent, ToolAnnotations
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class Shelf:
    """What the tools were called with. While `held`, a call that has acted does not answer.

    While `away` its server answers nobody. One that `falls` dies of its first act.
    """

    written: list[tuple[str, str]] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)  # that calls came with
    held: bool = False
    away: bool = False
    falls: bool = False
    progress: list[str] = field(default_factory=list)  # what `tally` says
    prompts: list[str] = field(default_factory=list)  # that `compose` has the model answer
    lessons: Path | None = None  # a file; the tool `learn` writes it, and then there is `recite`

    async def answer(self, context: Any) -> None:
        meta = context.request_context.meta
        extra = (meta.model_extra or {}) if meta else {}
        self.keys.append(extra.get("rota.dev/idempotency-key", ""))
        while self.held:
            await asyncio.sleep(0.01)


def server(shelf: Shelf) -> FastMCP[Any]:
    # who asks the client something keeps a session
    made: FastMCP[Any] = FastMCP("shelf", stateless_http=not shelf.prompts)

    @made.tool(annotations=ToolAnnotations(readOnlyHint=True))
    async def search(words: str, context: Context[Any, Any, Any]) -> dict[str, Any]:
        """Finds notes by their words."""
        shelf.searched.append(words)
        await shelf.answer(context)
        return {"found": [title for title, text in shelf.written if words in text]}

    @made.tool(structured_output=False)
    async def write(title: str, text: str, context: Context[Any, Any, Any]) -> str:
        """Writes a note."""
        if not text:
            raise ToolError("an empty note is no note")
        shelf.written.append((title, text))
        if shelf.falls:
            os._exit(1)
        await shelf.answer(context)
        return f"wrote {title}"

    if shelf.progress:
        _add_tally(made, shelf.progress)
    if shelf.prompts:
        _add_compose(made, shelf.prompts)
    if shelf.lessons is not None:
        _add_lessons(made, shelf.lessons)

    @made.tool(name="burn")
    def burn() -> str:
        """Burns every note."""
        shelf.written.clear()
        return "burnt"

    return made


def _add_tally(made: FastMCP[Any], progress: list[str]) -> None:
    @made.tool(annotations=ToolAnnotations(readOnlyHint=True))
    async def tally(context: Context[Any, Any, Any]) -> str:
        """Counts the notes, and says how far it is."""
        for number, said in enumerate(progress, 1):
            await context.report_progress(number, len(progress), said)
        return "all counted"


def _add_compose(made: FastMCP[Any], prompts: list[str]) -> None:
    @made.tool(structured_output=False)
    async def compose(context: Context[Any, Any, Any]) -> str:
        """Has the client's model write."""
        return "\n".join([await _sampled(context, prompt) for prompt in prompts])


async def _sampled(context: Context[Any, Any, Any], prompt: str) -> str:
    try:
        answer = await context.session.create_message(
            [SamplingMessage(role="user", content=TextContent(type="text", text=prompt))],
            max_tokens=100_000,
            system_prompt="You are a poet.",
            stop_sequences=["###"],
            related_request_id=context.request_id,
        )
    except McpError as refused:
        return f"refused: {refused.error.message}"
    assert isinstance(answer.content, TextContent)
    return f"{answer.model} ({answer.stopReason}): {answer.content.text}"


def _add_lessons(made: FastMCP[Any], lessons: Path) -> None:
    @made.tool()
    async def learn(context: Context[Any, Any, Any]) -> str:
        """Learns by heart."""
        lessons.touch()
        await context.session.send_tool_list_changed()
        return "learnt"

    if lessons.exists():

        @made.tool()
        def recite() -> str:
            """Recites."""
            return "arma virumque"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process belongs to the test.
        yield


@asynccontextmanager
async def mcp_server(shelf: Shelf) -> AsyncIterator[str]:
    """The URL of a server inside this process."""
    app = server(shelf).streamable_http_app()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if shelf.away and scope["type"] == "http":
            await Response(status_code=503)(scope, receive, send)
        else:
            await app(scope, receive, send)

    async with served(answer) as url:
        yield url


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    config = uvicorn.Config(
        app, log_config=None, log_level="critical", timeout_graceful_shutdown=1, loop="none"
    )
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        running = _Server(config)
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            running.should_exit = True
            await serving


if __name__ == "__main__":
    files = [Path(one) for one in sys.argv[1:] if "/" in one]
    server(Shelf(falls="falls" in sys.argv, lessons=next(iter(files), None))).run("stdio")
