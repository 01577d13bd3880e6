"""An HTTP server whose every answer is one coded body, as it stands."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


def deflate(data: bytes, *, window: int) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, window)
    return coder.compress(data) + coder.flush()


def gzip(data: bytes) -> bytes:
    return deflate(data, window=16 + zlib.MAX_WBITS)


@asynccontextmanager
async def coded_server(
    body: bytes, coding: str, *, content_type: str = "text/event-stream"
) -> AsyncIterator[tuple[str, list[str]]]:
    """Serves the body to every request. Gives the address, and the heads of the requests."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
            head = (
                f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n"
                f"content-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
