"""Errands: what is carried out to its end, even when whoever asked for it has left."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

# What takes longer waits for a lock or for a database that is far away.
MOST_HELD_UP_SECONDS: Final = 0.05

T = TypeVar("T")


class Errands:
    """Tasks of their own, known until they end, so that a stop waits for them."""

    def __init__(self, *, at_once: int) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._queue = asyncio.Semaphore(at_once)

    def send(self, errand: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def carry_out(self, errand: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self.send(errand))

    async def queue(self, errand: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """As `carry_out`, a few at a time; not begun for one who leaves while it queues.

        One that waits for something itself does not keep the others waiting.
        """
        await self._queue.acquire()
        task = self.send(errand())
        place = [self._queue]

        def leave(*_: object) -> None:
            if place:
                place.pop().release()

        timer = asyncio.get_running_loop().call_later(MOST_HELD_UP_SECONDS, leave)
        task.add_done_callback(leave)
        task.add_done_callback(lambda _: timer.cancel())
        return await asyncio.shield(task)

    async def stop(self, seconds: float) -> None:
        """Waits for those on their way, and what they send, and cuts off what takes longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._tasks and (more := until - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=more)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
