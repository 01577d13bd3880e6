"""A connection to the gateway that breaks where a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_PIECE = 4096


@dataclass(slots=True)
class Cable:
    """Passes bytes to `target`, a port of this machine.

    Each entry of `breaks` breaks one connection: after so many bytes of an answer to a request
    whose first line has `marked` in it.
    """

    target: int
    marked: bytes
    breaks: list[int] = field(default_factory=list)
    seen: int = 0  # such requests
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        left: list[int] = []
        try:
            up = self._pass(reader, back, left)
            down = self._break(there, writer, left)
            await asyncio.wait(
                [asyncio.ensure_future(up), asyncio.ensure_future(down)],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for end in (back, writer):
                end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.marked in piece.partition(b"\r\n")[0]:
                    self.seen += 1
                    left[:] = [self.breaks.pop(0)] if self.breaks else []
                writer.write(piece)
                await writer.drain()

    async def _break(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                if left:
                    piece, left[0] = piece[: left[0]], left[0] - len(piece)
                writer.write(piece)
                await writer.drain()
                if left and left[0] <= 0:
                    return


@contextlib.asynccontextmanager
async def cable(target: int, marked: bytes) -> AsyncIterator[Cable]:
    made = Cable(target, marked)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
