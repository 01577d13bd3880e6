"""A fuse on the way to PostgreSQL: it blows at a statement, and all connections end for good.

PostgreSQL sees what it sees of a client that was killed: the last statement runs, nobody reads its
answer, and the connection is gone without a word.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_LENGTH: Final = 4
_STARTUP: Final = 196_608  # version 3.0 of the protocol
_STATEMENT: Final = b"QS"  # a query, or the end of an extended one


@dataclass(slots=True, kw_only=True)
class Fuse:
    """`url` goes through it. It blows at the statement of number `at`, and never at 0."""

    url: str
    at: int = 0
    seen: int = 0
    blown: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def arm(self, at: int) -> None:
        self.at, self.seen, self.blown = at, 0, False

    def blow(self) -> None:
        self.blown = True
        for writer in list(self._writers):
            writer.transport.abort()

    async def forward(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, answered: asyncio.Event
    ) -> None:
        """Forwards the messages of a client one by one."""
        started = False
        while True:
            kind = await client.readexactly(1) if started else b""
            length = await client.readexactly(_LENGTH)
            body = await client.readexactly(int.from_bytes(length, "big") - _LENGTH)
            started = started or int.from_bytes(body[:_LENGTH], "big") == _STARTUP
            last = False
            if kind and kind in _STATEMENT:
                self.seen += 1
                last = self.seen == self.at
                answered.clear()
            server.write(kind + length + body)
            await server.drain()
            if last:
                await answered.wait()
                self.blow()
                return


async def _give_back(
    server: asyncio.StreamReader, client: asyncio.StreamWriter, fuse: Fuse, answered: asyncio.Event
) -> None:
    while piece := await server.read(65_536):
        answered.set()
        if not (fuse.at and fuse.seen >= fuse.at):
            client.write(piece)
            await client.drain()
    client.close()


@contextlib.asynccontextmanager
async def fuse(url: str) -> AsyncIterator[Fuse]:
    """Yields a fuse before the server of a DSN with a host and a port."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    host, port = parts.hostname, parts.port

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if made.blown:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(host, port)
        both = {writer, far_writer}
        made._writers.update(both)
        answered = asyncio.Event()
        back = asyncio.create_task(_give_back(far_reader, writer, made, answered))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await made.forward(reader, far_writer, answered)
        back.cancel()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await back
        made._writers.difference_update(both)
        for each in both:
            each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    near = server.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{near}" if login else f"127.0.0.1:{near}"
    made = Fuse(url=urlunsplit(parts._replace(netloc=netloc)))
    try:
        yield made
    finally:
        server.close()
        made.blow()
