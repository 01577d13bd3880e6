"""Asyncio helpers: loops, background tasks and a notifier."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from shared.telemetry import logs


@dataclass(slots=True)
class Bell:
    """`rung` counts, so that a ring between a look and the wait after it is not missed.

    One that waits costs a future and a timer, not a task: thousands wait at once.
    """

    rung: int = 0
    _waiting: "set[asyncio.Future[bool]]" = field(default_factory=set)

    def ring(self) -> None:
        self.rung += 1
        waiting, self._waiting = self._waiting, set()
        for one in waiting:
            _end(one, True)

    async def heard(self, since: int, seconds: float | None = None) -> bool:
        """Waits until it has rung more often than `since`; False when the time is over first."""
        if self.rung != since:
            return True
        loop = asyncio.get_running_loop()
        one: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(one)
        timer = None if seconds is None else loop.call_later(max(seconds, 0), _end, one, False)
        try:
            return await one
        finally:
            self._waiting.discard(one)
            if timer is not None:
                timer.cancel()


def _end(one: "asyncio.Future[bool]", heard: bool) -> None:
    if not one.done():
        one.set_result(heard)


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


log = logs.logger(__name__)


async def regularly(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await do()
        except Exception as error:  # noqa: BLE001 - the database is away; the loop goes on
            log.warning("sweep_failed", what=do.__qualname__, error=type(error).__name__)
        await asyncio.sleep(seconds)


async def in_background(stack: contextlib.AsyncExitStack, loop: Coroutine[Any, Any, None]) -> None:
    """Until the stack is left. One that ends by itself is a fault, and is told of."""
    task = asyncio.create_task(loop)
    task.add_done_callback(_tell)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _tell(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        what = getattr(task.get_coro(), "__qualname__", "")
        log.error("loop_ended", what=what, exc_info=task.exception())
