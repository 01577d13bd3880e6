"""The tools of the configured MCP servers, as capabilities for tasks and tools for chats."""

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, Final

from mcp.types import Tool

from chat_service.llm.text import one_line
from chat_service.runtime.models_file import McpServer
from chat_service.runtime.ports import McpToolSpecs
from chat_service.runtime.timeouts import Timeouts
from chat_service.tools.capability_tool import ToolOffer, offer_tool
from chat_service.tools.definition import ToolDefinition
from chat_service.tools.mcp import client, schema
from chat_service.tools.mcp.access_token import BearerAuth, TokenSource
from shared.aio import Notifier
from shared.db.storable_text import clean
from shared.registries.capabilities.types import Capability
from shared.telemetry import logs

log = logs.logger(__name__)

MAX_DESCRIPTION: Final = 2_000
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpToolSpec:
    """A tool as its server listed it. Stored: fields may be added, none may change."""

    name: str
    description: str
    input_schema: dict[str, Any]
    repeatable: bool
    read_only: bool = False

    @classmethod
    def from_mcp(cls, tool: Tool, input_schema: dict[str, Any]) -> "McpToolSpec":
        hints = tool.annotations
        return cls(
            name=clean(tool.name),
            description=clean(tool.description or tool.title or tool.name)[:MAX_DESCRIPTION],
            input_schema=input_schema,
            # without a hint a tool is not idempotent
            repeatable=bool(hints and (hints.readOnlyHint or hints.idempotentHint)),
            read_only=bool(hints and hints.readOnlyHint),
        )

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "McpToolSpec":
        # a newer version may have stored more fields, and an older one fewer
        return cls(**{one.name: stored[one.name] for one in fields(cls) if one.name in stored})


@dataclass(slots=True, kw_only=True)
class McpTools:
    """The tools of all servers. An unreachable server keeps the tools it last listed.

    `reserved` are names of other tools. `store` keeps the lists beyond the process.
    """

    servers: Sequence[McpServer]
    environ: Mapping[str, str]
    store: McpToolSpecs | None = None
    reserved: Collection[str] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    _offered: dict[str, list[ToolOffer]] = field(default_factory=dict)
    _seen: dict[str, list[McpToolSpec]] = field(default_factory=dict)
    _kept: dict[str, list[McpToolSpec]] = field(default_factory=dict)
    _unreachable: set[str] = field(default_factory=set)
    _refreshed: asyncio.Event = field(default_factory=asyncio.Event)
    _peers: dict[str, "_Peer"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for server in self.servers:
            changed = Notifier()
            talks = client.McpClient(
                server=server,
                environ=self.environ,
                connect_limit=self.timeouts.mcp_connect_limit,
                tools_changed=changed.notify,
                auth=_auth(server, self.environ),
            )
            self._peers[server.id] = _Peer(client=talks, changed=changed)

    def capabilities(self) -> dict[str, Capability]:
        return {one.capability.id: one.capability for one in self._all()}

    def definitions(self) -> tuple[ToolDefinition, ...]:
        return tuple(one.definition for one in self._all())

    def may_appear_later(self, name: str) -> bool:
        """Returns whether a tool may belong to a server that has never listed its tools."""
        return any(name.startswith(f"{one.id}_") for one in self._unknown())

    async def load(self) -> None:
        """Loads the stored lists of earlier processes."""
        kept = {} if self.store is None else await self.store.load()
        for server in self.servers:
            if server.id in kept:
                self._kept[server.id] = [McpToolSpec.from_stored(one) for one in kept[server.id]]
                self._take(server, self._kept[server.id])

    async def refresh(self) -> None:
        """Lists the tools of every server again."""
        await asyncio.gather(*(self._refresh_server(server) for server in self.servers))
        self._refreshed.set()

    async def follow_changes(self) -> None:
        """Reads a server's list again when the server says that it changed. Never returns.

        A list is read at most once within `timeouts.mcp_reread_gap` seconds, however many
        notices come. Turns in progress keep the tools that they began with.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())  # also where there is no server
            for server in self.servers:
                group.create_task(self._listen(server))
                group.create_task(self._reread(server))

    async def _listen(self, server: McpServer) -> None:
        """Keeps a session open with a server that announces its changes."""
        peer = self._peers[server.id]
        while True:
            count = peer.listed.count
            try:
                if peer.announces:
                    await peer.client.follow_changes()
                    continue
            except Exception as error:  # noqa: BLE001 - a server may fail in any way
                cause = type(client.root_cause(error)).__name__
                log.info("mcp_changes_not_followed", server=server.id, error=cause)
            await peer.listed.wait(count)

    async def _reread(self, server: McpServer) -> None:
        changed, read = self._peers[server.id].changed, 0
        while True:
            await changed.wait(read)
            read = changed.count
            await self._refresh_server(server)
            await asyncio.sleep(self.timeouts.mcp_reread_gap)

    async def wait_ready(self) -> None:
        """Waits for the first refresh, so that recovered turns find their tools.

        It gives up after `timeouts.mcp_startup_limit` seconds.

        Returns at once if every server has listed its tools before.
        """
        if not self._unknown():
            return
        try:
            async with asyncio.timeout(self.timeouts.mcp_startup_limit):
                await self._refreshed.wait()
        except TimeoutError:
            log.warning("mcp_servers_not_awaited", servers=[one.id for one in self._unknown()])

    def _unknown(self) -> list[McpServer]:
        return [server for server in self.servers if server.id not in self._seen]

    async def _refresh_server(self, server: McpServer) -> None:
        peer = self._peers[server.id]
        async with peer.lock:  # of two lists the later one counts
            try:
                listed = await peer.client.list_tools()
            except Exception as error:  # noqa: BLE001 - a server may fail in any way
                self._unreachable.add(server.id)
                log.warning(
                    "mcp_server_unreachable",
                    server=server.id,
                    error=type(client.root_cause(error)).__name__,
                    tools_kept=len(self._offered.get(server.id, ())),
                )
                return
            if server.id in self._unreachable or server.id not in self._seen:
                log.info("mcp_server_reached", server=server.id, tools=len(listed.tools))
            self._unreachable.discard(server.id)
            # in a thread: long schemas take their time
            digest = await asyncio.to_thread(_digest, listed.tools)
            if digest != peer.digest or server.id not in self._seen:
                await self._read(server, listed)
                peer.digest = digest
            await self._keep(server, self._seen[server.id])
            peer.announces = listed.announces
            peer.listed.notify()

    async def _read(self, server: McpServer, listed: client.ToolList) -> None:
        if listed.more:
            log.warning("mcp_tools_cut", server=server.id, most=client.MAX_TOOLS)
        told, cut = await asyncio.to_thread(_specs, listed.tools)
        if cut:
            log.warning("mcp_schemas_cut", server=server.id, most=schema.MAX_LIST_BYTES)
        self._take(server, told)

    def _take(self, server: McpServer, told: list[McpToolSpec]) -> None:
        # unchanged tools stay the same objects, so that their graphs stay cached
        if told == self._seen.get(server.id):
            return
        found: dict[str, ToolOffer] = {}
        for one in told:
            name, rule = f"{server.id}_{one.name}", server.rule(one.name)
            if rule == "off":
                continue
            if not _NAME.fullmatch(name) or name in self.reserved or name in found:
                log.warning("mcp_tool_left_out", server=server.id, tool=one_line(one.name, 100))
                continue
            found[name] = offer_tool(
                self._capability(server, name, one),
                rule,
                repeatable=one.repeatable,
                reads_only=one.read_only,
                questions=True,
            )
        self._offered[server.id] = list(found.values())
        self._seen[server.id] = told

    def _capability(self, server: McpServer, name: str, told: McpToolSpec) -> Capability:
        return Capability(
            id=name,
            description=told.description,
            input_schema=told.input_schema,
            output_schema={"type": "object"},
            handler=partial(self._peers[server.id].client.call_tool, told.name),
        )

    async def _keep(self, server: McpServer, told: list[McpToolSpec]) -> None:
        if self.store is None or told == self._kept.get(server.id):
            return
        try:
            await self.store.save(server.id, [asdict(one) for one in told])
        except Exception as error:  # noqa: BLE001 - the database is away; the next look keeps it
            log.warning("mcp_offer_not_kept", server=server.id, error=type(error).__name__)
        else:
            self._kept[server.id] = told

    def _all(self) -> list[ToolOffer]:
        return [one for server in self.servers for one in self._offered.get(server.id, ())]


@dataclass(slots=True, kw_only=True)
class _Peer:
    """A server: how it is spoken to, and what is known of its list."""

    client: client.McpClient
    changed: Notifier  # the server said that its list changed
    listed: Notifier = field(default_factory=Notifier)  # the server was reached
    announces: bool = False
    digest: bytes = b""  # of the list that was read last
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _auth(server: McpServer, environ: Mapping[str, str]) -> BearerAuth | None:
    if server.oauth is None:
        return None
    return BearerAuth(TokenSource(server.id, server.oauth, environ))


def _digest(tools: Sequence[Tool]) -> bytes:
    found = hashlib.sha256()
    for tool in tools:
        found.update(tool.model_dump_json().encode(errors="replace") + b"\n")
    return found.digest()


def _specs(tools: Sequence[Tool]) -> tuple[list[McpToolSpec], bool]:
    """Returns the tools, and whether their schemas were too much together."""
    schemas, cut = schema.sanitize_schemas([tool.inputSchema for tool in tools])
    return [McpToolSpec.from_mcp(*pair) for pair in zip(tools, schemas, strict=True)], cut
