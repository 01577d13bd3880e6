"""An MCP server whose tools ask a person, over HTTP inside a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp import McpError
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ToolAnnotations

from tests.support.servers.mcp_server import served

SEATS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "seats": {"type": "integer", "minimum": 1, "maximum": 9, "title": "Seats"},
        "until": {"type": "string", "format": "date"},
        "class": {"type": "string", "enum": ["first", "second"], "default": "second"},
    },
    "required": ["seats"],
}


@dataclass(slots=True)
class Desk:
    """What it asks, in order: a message and a schema each; and what came of it."""

    questions: list[tuple[str, Any]] = field(default_factory=lambda: [("How many seats?", SEATS)])
    addresses: list[str] = field(default_factory=list)  # that a person should open
    answers: list[str] = field(default_factory=list)  # of attempts that went on
    began: list[str] = field(default_factory=list)  # the keys of all attempts
    result: str = ""  # of its tools; else what was answered
    held: bool = False  # after the first answer
    announced: list[Any] = field(default_factory=list)  # by the client


def server(desk: Desk) -> FastMCP[Any]:
    made: FastMCP[Any] = FastMCP("desk")

    async def ask(context: Context[Any, Any, Any]) -> str:
        extra = context.request_context.meta.model_extra if context.request_context.meta else {}
        desk.began.append((extra or {}).get("rota.dev/idempotency-key", ""))
        params = context.session.client_params
        assert params is not None
        desk.announced.append(params.capabilities.model_dump(exclude_none=True))
        said = []
        for one in desk.questions:
            said.append(await _asked(context, *one))
            while desk.held:
                await asyncio.sleep(0.01)
        said += [await _sent(context, one) for one in desk.addresses]
        desk.answers.append("; ".join(said))
        return desk.result or desk.answers[-1]

    @made.tool(structured_output=False)
    async def book(context: Context[Any, Any, Any]) -> str:
        """Books seats."""
        return await ask(context)

    @made.tool(structured_output=False, annotations=ToolAnnotations(readOnlyHint=True))
    async def look(context: Context[Any, Any, Any]) -> str:
        """Looks for seats."""
        return await ask(context)

    return made


async def _asked(context: Context[Any, Any, Any], message: str, schema: Any) -> str:
    try:
        answer = await context.session.elicit_form(message, schema, context.request_id)
    except McpError as refused:
        return f"refused: {refused.error.message}"
    return f"{answer.action} {answer.content}" if answer.content is not None else answer.action


async def _sent(context: Context[Any, Any, Any], address: str) -> str:
    try:
        answer = await context.session.elicit_url("Open it", address, "1", context.request_id)
    except McpError as refused:
        return f"refused: {refused.error.message}"
    action: str = answer.action
    return action


@asynccontextmanager
async def asking_server(desk: Desk) -> AsyncIterator[str]:
    """The URL of a server inside this process."""
    async with served(server(desk).streamable_http_app()) as url:
        yield url
