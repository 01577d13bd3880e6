"""Sessions with MCP servers: one for each call, so nothing to mend when a server restarts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from langchain_mcp_adapters.sessions import (
    Connection,
    StdioConnection,
    StreamableHttpConnection,
    create_session,
)
from mcp import ClientSession
from pydantic import SecretStr

from chat_service.runtime.models_file import McpServer

# how long a server may take to take leave, while nobody waits for it
CLOSE_SECONDS: Final = 10.0

# What is said in it; the limit may be moved on the way.
SessionUse = Callable[[ClientSession, asyncio.Timeout], Awaitable[None]]


async def use_session(
    server: McpServer, environ: Mapping[str, str], use: SessionUse, *, seconds: float
) -> None:
    """Opens one and says what there is to say. Raises TimeoutError, and whatever goes wrong.

    It comes back as soon as all is said, or nobody wants to hear it any more. To take leave of
    a server that is dead may take minutes, and of a process that hangs some seconds.
    """
    said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(seconds) as limit:
        talking = asyncio.create_task(_talking(server, environ, use, limit, said))
        talking.add_done_callback(partial(_ended, said))
        try:
            await said
        finally:
            _leave(talking, heard=said.done() and not said.cancelled())


async def _talking(
    server: McpServer,
    environ: Mapping[str, str],
    use: SessionUse,
    limit: asyncio.Timeout,
    said: asyncio.Future[None],
) -> None:
    async with create_session(_connection(server, environ)) as session:
        await session.initialize()
        await use(session, limit)
        if not said.done():
            said.set_result(None)


def _ended(said: asyncio.Future[None], talking: asyncio.Task[None]) -> None:
    error = None if talking.cancelled() else talking.exception()
    if said.done():
        return  # what happens to the connection after that is of no matter
    # a library may cancel it, which cancels nobody who waits for it
    said.set_exception(error or ConnectionError("the session ended before all was said"))


def _leave(talking: asyncio.Task[None], *, heard: bool) -> None:
    if talking.done():
        return
    # the loop keeps the task until then
    last = asyncio.get_running_loop().call_later(CLOSE_SECONDS, talking.cancel)
    talking.add_done_callback(lambda _: last.cancel())
    if not heard:
        talking.cancel()


def _connection(server: McpServer, environ: Mapping[str, str]) -> Connection:
    secrets = {k: _plain(v) for k, v in server.secrets(environ).items()}
    if server.command is not None:
        command, *arguments = server.command
        return StdioConnection(
            transport="stdio", command=command, args=arguments, env=secrets or None
        )
    assert server.url is not None
    return StreamableHttpConnection(transport="streamable_http", url=server.url, headers=secrets)


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value()
