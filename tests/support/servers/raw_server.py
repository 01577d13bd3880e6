"""A server that sends exactly the bytes a test wrote down, and notes what its peers do."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum


class Act(Enum):
    """What a reply ends with. Without one the connection is closed."""

    RESET = "reset"  # the connection; what the peer has not read by then is lost
    KEEP = "keep"  # and answer the next request
    HOLD = "hold"  # nothing comes any more, until the peer leaves


# its bytes, one write each
Reply = Sequence[bytes | Act]


@dataclass
class RawServer:
    """Answers the n-th request with the n-th reply, and those after the last with the last."""

    replies: Sequence[Reply]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    # set when a peer has left, however it did
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.left.set()
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if b"transfer-encoding: chunked" in head.lower():
            body = await reader.readuntil(b"0\r\n\r\n")
        self.requests.append(head + body)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        for piece in reply:
            match piece:
                case bytes():
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                case Act.RESET:
                    self._reset(writer)
                case Act.HOLD:
                    await reader.read()
                case Act.KEEP:
                    return True
        return False

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@asynccontextmanager
async def raw_server(
    *replies: Reply, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    server = RawServer(replies)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
