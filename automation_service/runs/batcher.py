"""Batches of concurrent items."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from shared.db import database
from shared.telemetry import logs

MAX_BATCH: Final = 200
CLOSE_SECONDS: Final = 5.0

Item = TypeVar("Item")
Reply = TypeVar("Reply")

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Batcher(Generic[Item, Reply]):
    """Collects items while one batch runs; they are the next batch.

    `flush_many` returns replies by `key`. An item without a reply goes to `flush_one`, beside the
    batches; so does every item when `flush_many` fails: no item waits for, or fails with, another.
    Only an unreachable database fails them all. A batch has at most one item of a `lane`; items of
    a lane keep their order.
    """

    flush_many: Callable[[list[Item]], Awaitable[Mapping[Hashable, Reply]]]
    flush_one: Callable[[Item], Awaitable[Reply]]
    key: Callable[[Item], Hashable]
    lane: Callable[[Item], Hashable] | None = None
    _waiting: list[tuple[Item, "asyncio.Future[Reply]"]] = field(init=False, default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(init=False, default_factory=set)
    _running: bool = field(init=False, default=False)

    def submit(self, item: Item) -> "asyncio.Future[Reply]":
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, reply))
        if not self._running:
            self._running = True
            self._start(self._run())
        return reply

    async def close(self) -> None:
        """Waits up to CLOSE_SECONDS for items in progress, then cancels them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._flush(self._take_batch())
        finally:
            self._running = False

    def _take_batch(self) -> list[tuple[Item, "asyncio.Future[Reply]"]]:
        if self.lane is None:
            taken, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            return taken
        taken, left = [], []
        lanes: set[Hashable] = set()
        for one in self._waiting:
            lane = self.lane(one[0])
            if lane in lanes or len(taken) == MAX_BATCH:
                left.append(one)
            else:
                lanes.add(lane)
                taken.append(one)
        self._waiting = left
        return taken

    async def _flush(self, batch: list[tuple[Item, "asyncio.Future[Reply]"]]) -> None:
        replies: Mapping[Hashable, Reply] = {}
        try:
            replies = await self.flush_many([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - each item is tried alone
            if database.translate(error) is not None:
                for _, reply in batch:
                    _fail(reply, error)
                return
            log.warning("batch_failed", asked=len(batch), error=type(error).__name__)
        for item, reply in batch:
            key = self.key(item)
            if key not in replies:
                self._start(self._flush_one(item, reply))
            elif not reply.done():
                reply.set_result(replies[key])

    async def _flush_one(self, item: Item, reply: "asyncio.Future[Reply]") -> None:
        try:
            found = await self.flush_one(item)
        except Exception as error:  # noqa: BLE001 - the submitter gets it
            _fail(reply, error)
        else:
            if not reply.done():
                reply.set_result(found)


def _fail(reply: "asyncio.Future[Any]", error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
