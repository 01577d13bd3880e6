"""What configured MCP servers offer: capabilities for tasks, tools for the main agent."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from langchain_mcp_adapters.sessions import (
    Connection,
    StdioConnection,
    StreamableHttpConnection,
    create_session,
)
from mcp import ClientSession
from mcp.types import CallToolResult, TextContent, Tool
from pydantic import SecretStr

from chat_service.agent.asked_tool import Offered, offered
from chat_service.agent.mcp_config import McpServer
from chat_service.agent.once import present_key
from chat_service.agent.text import clean, one_line
from chat_service.agent.tools import ToolDefinition
from shared import errors, json_schema, telemetry
from shared.registries.capabilities import Capability

LIST_SECONDS: Final = 10.0
MOST_TOOLS: Final = 64  # of one server
MOST_DESCRIPTION: Final = 2_000
LOOK_AGAIN_SECONDS: Final = 60.0
# in `_meta` of a call: the same whenever one call is made again
IDEMPOTENCY_KEY: Final = "rota.dev/idempotency-key"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# keywords that our checks don't apply; the server's own do
_LEFT_OUT: Final = frozenset({"pattern", "patternProperties", "$id", "$anchor", "$schema"})
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})

log = telemetry.logger(__name__)


@dataclass(slots=True, kw_only=True)
class McpTools:
    """Empty until `look` has reached a server; one that is away keeps what it last offered."""

    servers: Sequence[McpServer]
    environ: Mapping[str, str]
    _offered: dict[str, list[Offered]] = field(default_factory=dict)
    _seen: dict[str, list[Tool]] = field(default_factory=dict)

    def capabilities(self) -> dict[str, Capability]:
        return {one.capability.id: one.capability for one in self._all()}

    def definitions(self) -> tuple[ToolDefinition, ...]:
        return tuple(one.definition for one in self._all())

    async def look(self) -> None:
        """Asks every server what it offers now."""
        await asyncio.gather(*(self._look_at(server) for server in self.servers))

    async def _look_at(self, server: McpServer) -> None:
        try:
            async with asyncio.timeout(LIST_SECONDS), _session(server, self.environ) as session:
                listed = await session.list_tools()
        except Exception as error:  # noqa: BLE001 - whatever a foreign server does, we go on
            log.warning("mcp_server_unreachable", server=server.id, error=type(error).__name__)
            return
        # what has not changed stays the very same, and so do the graphs that know of it
        known = self._seen.get(server.id, [])
        if known != (seen := listed.tools[:MOST_TOOLS]):
            found = [self._offer(server, tool) for tool in seen]
            self._offered[server.id] = [one for one in found if one is not None]
            self._seen[server.id] = seen

    def _offer(self, server: McpServer, tool: Tool) -> Offered | None:
        name, rule = f"{server.id}_{tool.name}", server.rule(tool.name)
        if rule == "off":
            return None
        if not _NAME.fullmatch(name):
            log.warning("mcp_tool_left_out", server=server.id, tool=one_line(tool.name, 100))
            return None
        capability = Capability(
            id=name,
            description=clean(tool.description or tool.title or tool.name)[:MOST_DESCRIPTION],
            input_schema=_schema(tool.inputSchema),
            output_schema={"type": "object"},
            handler=partial(_call, server, self.environ, tool.name),
        )
        return offered(capability, rule, repeatable=_repeatable(tool))

    def _all(self) -> list[Offered]:
        return [one for server in self.servers for one in self._offered.get(server.id, ())]


async def _call(
    server: McpServer, environ: Mapping[str, str], tool: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Raises RotaError with the tool's own words when it fails."""
    try:
        async with (
            asyncio.timeout(server.timeout_seconds),
            _session(server, environ) as session,
        ):
            meta = {IDEMPOTENCY_KEY: key} if (key := present_key()) else None
            answer = await session.call_tool(tool, arguments, meta=meta)
    except TimeoutError:
        said = f"{server.id} took too long; it may have done it or not"
        raise errors.ServiceUnavailable(said) from None
    except Exception as error:
        raise errors.ServiceUnavailable(f"{server.id} can't be reached") from error
    if answer.isError:
        raise errors.RotaError(one_line(_text(answer), 2_000) or f"{tool} failed")
    if answer.structuredContent is not None:
        return dict(answer.structuredContent)
    return {"text": _text(answer)}


@contextlib.asynccontextmanager
async def _session(server: McpServer, environ: Mapping[str, str]) -> AsyncIterator[ClientSession]:
    """One for each call: nothing to mend when a server restarts."""
    async with create_session(_connection(server, environ)) as session:
        await session.initialize()
        yield session


def _connection(server: McpServer, environ: Mapping[str, str]) -> Connection:
    secrets = {k: _plain(v) for k, v in server.secrets(environ).items()}
    if server.command is not None:
        command, *arguments = server.command
        return StdioConnection(
            transport="stdio", command=command, args=arguments, env=secrets or None
        )
    assert server.url is not None
    return StreamableHttpConnection(transport="streamable_http", url=server.url, headers=secrets)


def _repeatable(tool: Tool) -> bool:
    """What its server says; one that says nothing may do more when it is called again."""
    hints = tool.annotations
    return bool(hints and (hints.readOnlyHint or hints.idempotentHint))


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _text(answer: CallToolResult) -> str:
    return clean(
        "\n".join(
            block.text if isinstance(block, TextContent) else f"[{block.type}]"
            for block in answer.content
        )
    )


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's schema as far as we apply it; any object when it is none that we could."""
    found = _without(dict(given))
    return found if json_schema.problem(found) is None else {"type": "object"}


def _without(schema: Any) -> Any:
    match schema:
        case dict():
            return {
                key: {name: _without(sub) for name, sub in value.items()}
                if key in _NAMED and isinstance(value, dict)
                else _without(value)
                for key, value in schema.items()
                if key not in _LEFT_OUT
            }
        case list():
            return [_without(item) for item in schema]
    return schema
