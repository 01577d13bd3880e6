"""Asyncio helpers: loops, background tasks and a notifier."""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from shared.telemetry import logs


@dataclass(slots=True)
class Notifier:
    """Wakes every waiter. `count` grows by one with each notification.

    A waiter passes the count that it saw last, so no notification between its look and its wait
    is lost. A waiter costs a future and a timer, not a task: thousands wait at once.
    """

    count: int = 0
    _waiters: "set[asyncio.Future[bool]]" = field(default_factory=set)
    # to ask for it is a system call: the interpreter compares the process's id
    _loop: asyncio.AbstractEventLoop | None = None

    def notify(self) -> None:
        self.count += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            _resolve(waiter, True)

    async def wait(self, since: int, seconds: float | None = None) -> bool:
        """Waits until `count` is no longer `since`. False when `seconds` pass first."""
        if self.count != since:
            return True
        loop = self._loop = self._loop or asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters.add(waiter)
        timer = None
        if seconds is not None:
            timer = loop.call_later(max(seconds, 0), _resolve, waiter, False)
        try:
            return await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()


def _resolve(waiter: "asyncio.Future[bool]", notified: bool) -> None:
    if not waiter.done():
        waiter.set_result(notified)


T = TypeVar("T")


def find_of_loop(kept: WeakKeyDictionary[asyncio.AbstractEventLoop, T], make: Callable[[], T]) -> T:
    """Returns what is kept for the running loop, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    if loop not in kept:
        kept[loop] = make()
    return kept[loop]


# Of work that is quick by itself, so much is done in one turn of a loop: about five milliseconds,
# in the units of shared.json.json_schema.
TURN_COST: Final = 20_000


class TurnShare:
    """Spreads work that is quick by itself over turns of a loop, a workspace after the other.

    Much of it may become ready at once. What finds `most` spent in this turn waits for a later
    one; in between the loop serves all else.
    """

    def __init__(self, most: int = TURN_COST) -> None:
        self._most = self._left = most
        self._waiting: OrderedDict[str, deque[tuple[int, asyncio.Future[None]]]] = OrderedDict()

    async def take(self, cost: int, *, by: str) -> None:
        """Returns in a turn that has something left, and takes `cost` from it. `by` is whose."""
        loop = asyncio.get_running_loop()
        if self._left == self._most:
            loop.call_soon(self._renew, loop)
        if self._left > 0 and not self._waiting:
            self._left -= cost
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(by, deque()).append((cost, turn))
        await turn

    def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = self._most
        while self._waiting and self._left > 0:
            by, turns = next(iter(self._waiting.items()))
            cost, turn = turns.popleft()
            if not turn.done():  # else its caller has gone
                turn.set_result(None)
                self._left -= cost
            if turns:
                self._waiting.move_to_end(by)
            else:
                del self._waiting[by]
        if self._left < self._most:
            loop.call_soon(self._renew, loop)


_SHARES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, TurnShare]] = WeakKeyDictionary()


async def take_turn(cost: int, *, by: str) -> None:
    """Takes `cost` from the TurnShare of the loop, in a turn that has something left."""
    await find_of_loop(_SHARES, TurnShare).take(cost, by=by)


# Work that takes longer waits for a lock or for a slow database: it gives its slot to others.
SLOT_SECONDS: Final = 0.05


class ThreadShare:
    """Threads for one kind of work, of which nobody takes more than a share at once.

    Work that hangs keeps its thread, also when its caller has left. What finds no thread free, or
    the share of `by` in use, waits in order; those who wait take turns.
    """

    def __init__(self, name: str, *, threads: int, share: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threads
        self._share = share
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, work: Callable[[], T], *, by: str) -> T:
        """Returns what `work` does, or raises it. `by` is whose it is."""
        await self._take(by)
        loop = asyncio.get_running_loop()

        def end(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._release, by)

        begun = self._threads.submit(copy_context().run, work)
        begun.add_done_callback(end)
        return await asyncio.wrap_future(begun)

    async def _take(self, by: str) -> None:
        if self._free and self._held[by] < self._share:
            self._hold(by)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turns = self._waiting.setdefault(by, deque())
        turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # it was passed over
                    turns.remove(turn)
            else:  # it came at the same moment
                self._release(by)
            raise

    def _hold(self, by: str) -> None:
        self._free -= 1
        self._held[by] += 1

    def _release(self, by: str) -> None:
        self._free += 1
        self._held[by] -= 1
        for waiter in [*self._waiting]:
            turns = self._waiting[waiter]
            while turns and turns[0].done():  # its caller is about to leave
                turns.popleft()
            if self._free and turns and self._held[waiter] < self._share:
                self._hold(waiter)
                turns.popleft().set_result(None)
                self._waiting.move_to_end(waiter)
            if not turns:
                del self._waiting[waiter]
        self._held += Counter()  # only those that hold something


class BackgroundTasks:
    """Tasks that outlive their caller. `stop` waits for them."""

    def __init__(self, *, at_once: int, slot_seconds: float = SLOT_SECONDS) -> None:
        self.slot_seconds = slot_seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self._slots = asyncio.Semaphore(at_once)

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Returns the result. The work goes on when the caller is cancelled."""
        return await asyncio.shield(self.spawn(work))

    async def run_limited(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Like `run`, but only `at_once` start at a time, in order.

        Work whose caller leaves before its start never starts. Work that is not done after
        `slot_seconds` gives its slot to the next.
        """
        await self._slots.acquire()
        task = self.spawn(work())
        held = [self._slots]

        def release(*_: object) -> None:
            if held:
                held.pop().release()

        timer = asyncio.get_running_loop().call_later(self.slot_seconds, release)
        task.add_done_callback(release)
        task.add_done_callback(lambda _: timer.cancel())
        return await asyncio.shield(task)

    async def stop(self, seconds: float) -> None:
        """Waits for all tasks and those that they spawn; cancels what is left after `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._tasks and (more := until - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=more)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


log = logs.logger(__name__)


async def run_every(
    seconds: float,
    work: Callable[[], Awaitable[object]],
    *,
    stop: asyncio.Event | None = None,
    on_error: Callable[[Exception], object] | None = None,
    delay: float = 0.0,
) -> None:
    """Runs `work`, waits and repeats, until `stop` is set or the task is cancelled.

    The first time comes `delay` seconds after the start. An exception ends nothing: it goes to
    `on_error`, which logs it by default.
    """
    stop = stop or asyncio.Event()
    if delay:
        await wait_for_stop(stop, delay)
    while not stop.is_set():
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next try may succeed
            if on_error is not None:
                on_error(error)
            else:
                log.warning("sweep_failed", what=work.__qualname__, error=type(error).__name__)
        await wait_for_stop(stop, seconds)


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    """Returns when `stop` is set, at the latest after `seconds`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def start_loop(stack: contextlib.AsyncExitStack, loop: Coroutine[Any, Any, None]) -> None:
    """Runs the loop until the stack closes. A loop that ends by itself is logged as a fault."""
    task = asyncio.create_task(loop)
    task.add_done_callback(_log_end)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _log_end(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        what = getattr(task.get_coro(), "__qualname__", "")
        log.error("loop_ended", what=what, exc_info=task.exception())
