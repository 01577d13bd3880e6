"""The pool of a transport, as tests look at it."""

import asyncio

from shared.http.transport import HttpTransport


async def wait_for_ends(transport: HttpTransport) -> None:
    """Returns when no connection of the pool can be used again. Fails if one stays."""
    async with asyncio.timeout(15):
        while not all(one.is_closed() or one.has_expired() for one in transport._pool.connections):
            await asyncio.sleep(0)
