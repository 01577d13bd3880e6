"""What goes on beside the calls, for as long as the service runs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from shared import telemetry

log = telemetry.logger(__name__)


async def regularly(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await do()
        except Exception as error:  # noqa: BLE001 - the database is away; the loop goes on
            log.warning("sweep_failed", what=do.__qualname__, error=type(error).__name__)
        await asyncio.sleep(seconds)


async def in_background(stack: contextlib.AsyncExitStack, loop: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(loop)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
