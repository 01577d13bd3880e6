"""The queue keeps its promises: one token a run, delivered until it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pgqueuer.models import Job
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.queue import PgQueuer
from automation_service.queue_entries import EntryQueries
from shared import resources
from shared.db import database
from tests.support.system.automation import execute, until

TOKENS = "select status::text, dedupe_key from pgqueuer.pgqueuer order by id"


@pytest.fixture
def queue(url: str) -> PgQueuer:
    return PgQueuer(url=url, lease=timedelta(seconds=2), poll_interval=timedelta(seconds=0.2))


@asynccontextmanager
async def serving(
    queue: PgQueuer, handler: Callable[[UUID], Awaitable[None]]
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(queue.serve(handler, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def woken(db: AsyncEngine, queue: PgQueuer, *runs: UUID) -> None:
    async with database.transaction(db) as connection:
        await queue.enqueue(connection, runs)


async def test_a_run_has_one_token_however_often_it_is_woken(
    url: str, db: AsyncEngine, queue: PgQueuer
) -> None:
    run = resources.new_id()
    for _ in range(3):
        await woken(db, queue, run)
    assert len(await execute(url, TOKENS)) == 1


async def test_a_token_is_delivered_and_then_gone(
    url: str, db: AsyncEngine, queue: PgQueuer
) -> None:
    seen: list[UUID] = []

    async def handler(run: UUID) -> None:
        seen.append(run)

    runs = [resources.new_id() for _ in range(5)]
    async with serving(queue, handler):
        await woken(db, queue, *runs)

        async def done() -> bool:
            return len(seen) == 5 and not await execute(url, TOKENS)

        assert await until(done)
    assert sorted(seen) == sorted(runs)


async def test_a_handler_that_fails_is_called_again(db: AsyncEngine, queue: PgQueuer) -> None:
    calls: list[UUID] = []

    async def handler(run: UUID) -> None:
        calls.append(run)
        if len(calls) == 1:
            raise OSError("the database went away")

    async with serving(queue, handler):
        await woken(db, queue, resources.new_id())

        async def again() -> bool:
            return len(calls) == 2

        assert await until(again)


async def test_a_run_in_hand_goes_back_when_the_worker_stops(
    url: str, db: AsyncEngine, queue: PgQueuer
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(run: UUID) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    run = resources.new_id()
    async with serving(queue, handler):
        await woken(db, queue, run)
        await asyncio.wait_for(begun.wait(), 60)
    assert ended.is_set()
    assert [tuple(row) for row in await execute(url, TOKENS)] == [("queued", f"run:{run}")]


async def test_a_run_in_hand_can_be_interrupted(db: AsyncEngine, queue: PgQueuer) -> None:
    begun, interrupted = asyncio.Event(), asyncio.Event()

    async def handler(run: UUID) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            interrupted.set()

    run = resources.new_id()
    async with serving(queue, handler):
        await woken(db, queue, run)
        await asyncio.wait_for(begun.wait(), 60)
        await queue.cancel(run)
        await asyncio.wait_for(interrupted.wait(), 60)
        await queue.cancel(resources.new_id())  # one that is not here is nothing


async def test_the_leases_of_all_runs_in_hand_are_renewed_together(
    url: str, db: AsyncEngine
) -> None:
    queue = PgQueuer(url=url, lease=timedelta(seconds=1), poll_interval=timedelta(seconds=0.2))
    ended = asyncio.Event()

    async def handler(run: UUID) -> None:
        await ended.wait()

    async def beats() -> list[datetime]:
        picked = "select heartbeat from pgqueuer.pgqueuer where status = 'picked'"
        found = [row["heartbeat"] for row in await execute(url, picked)]
        return found if len(found) == 3 else []

    async with serving(queue, handler):
        await woken(db, queue, *(resources.new_id() for _ in range(3)))
        first = await until(beats)

        async def renewed() -> list[datetime]:
            found = await beats()
            return found if min(found, default=min(first)) > max(first) else []

        assert len(set(await until(renewed))) == 1
        ended.set()


async def test_installing_again_changes_nothing_and_the_log_is_pruned(
    url: str, db: AsyncEngine, queue: PgQueuer
) -> None:
    await woken(db, queue, resources.new_id())
    await queue.install()
    assert len(await execute(url, TOKENS)) == 1
    await execute(
        url,
        "insert into pgqueuer.pgqueuer_log (job_id, status, entrypoint, priority)"
        " values (1, 'queued', 'run', 0)",
    )
    await execute(url, "update pgqueuer.pgqueuer_log set created = now() - interval '2 days'")
    await queue.prune()
    assert await execute(url, "select 1 from pgqueuer.pgqueuer_log") == []


async def test_first_steps_wait_while_runs_are_delivered(db: AsyncEngine, queue: PgQueuer) -> None:
    queue.burst.max_seconds = 60.0
    runs = [resources.new_id() for _ in range(30)]
    delivered: list[UUID] = []
    known: list[int] = []

    async def handler(run: UUID) -> None:
        delivered.append(run)
        await queue.burst.wait()
        known.append(len(delivered))

    async def all_begun() -> bool:
        return len(known) == len(runs)

    await woken(db, queue, *runs)
    async with serving(queue, handler):
        await until(all_begun)
    assert known == [len(runs)] * len(runs)


async def test_while_all_places_are_taken_nothing_is_asked_of_the_database(
    url: str, db: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = PgQueuer(url=url, lease=timedelta(seconds=8), concurrency=2)
    runs = [resources.new_id() for _ in range(6)]
    in_hand: set[UUID] = set()
    asked: list[int] = []
    most, ends = [0], asyncio.Semaphore(0)
    ended: list[UUID] = []
    dequeue = EntryQueries.dequeue

    async def count(self: EntryQueries, batch_size: int, **more: Any) -> list[Job]:
        asked.append(len(in_hand))
        return await dequeue(self, batch_size, **more)

    async def handler(run: UUID) -> None:
        in_hand.add(run)
        most[0] = max(most[0], len(in_hand))
        await ends.acquire()
        in_hand.discard(run)
        ended.append(run)

    monkeypatch.setattr(EntryQueries, "dequeue", count)
    await woken(db, queue, *runs)
    async with serving(queue, handler):
        while len(ended) < len(runs):
            await until(lambda: _answer(in_hand))
            ends.release()
            await asyncio.sleep(0)
    assert sorted(ended) == sorted(runs)
    assert most == [2]
    assert max(asked) < 2


async def _answer(found: object) -> object:
    return found


async def test_an_entry_passes_without_a_row_in_the_log(
    url: str, db: AsyncEngine, queue: PgQueuer
) -> None:
    async def handler(run: UUID) -> None:
        return None

    async with serving(queue, handler):
        await woken(db, queue, resources.new_id())

        async def gone() -> bool:
            return not await execute(url, TOKENS)

        assert await until(gone)
    assert await execute(url, "select 1 from pgqueuer.pgqueuer_log") == []
