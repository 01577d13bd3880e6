"""The engine keeps its promises: one token a run, delivered until it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.queue import PgQueuer
from shared import resources
from shared.db import database
from tests.support.automation import execute, until

TOKENS = "select status::text, dedupe_key from pgqueuer.pgqueuer order by id"


@pytest.fixture
def engine(url: str) -> PgQueuer:
    return PgQueuer(url=url, lease=timedelta(seconds=2), look=timedelta(seconds=0.2))


@asynccontextmanager
async def serving(
    engine: PgQueuer, handler: Callable[[UUID], Awaitable[None]]
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(engine.serve(handler, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def woken(store: AsyncEngine, engine: PgQueuer, *runs: UUID) -> None:
    async with database.transaction(store) as connection:
        await engine.wake(connection, runs)


async def test_a_run_has_one_token_however_often_it_is_woken(
    url: str, store: AsyncEngine, engine: PgQueuer
) -> None:
    run = resources.new_id()
    for _ in range(3):
        await woken(store, engine, run)
    assert len(await execute(url, TOKENS)) == 1


async def test_a_token_is_delivered_and_then_gone(
    url: str, store: AsyncEngine, engine: PgQueuer
) -> None:
    seen: list[UUID] = []

    async def handler(run: UUID) -> None:
        seen.append(run)

    runs = [resources.new_id() for _ in range(5)]
    async with serving(engine, handler):
        await woken(store, engine, *runs)

        async def done() -> bool:
            return len(seen) == 5 and not await execute(url, TOKENS)

        assert await until(done)
    assert sorted(seen) == sorted(runs)


async def test_a_handler_that_fails_is_called_again(store: AsyncEngine, engine: PgQueuer) -> None:
    calls: list[UUID] = []

    async def handler(run: UUID) -> None:
        calls.append(run)
        if len(calls) == 1:
            raise OSError("the database went away")

    async with serving(engine, handler):
        await woken(store, engine, resources.new_id())

        async def again() -> bool:
            return len(calls) == 2

        assert await until(again)


async def test_a_run_in_hand_goes_back_when_the_worker_stops(
    url: str, store: AsyncEngine, engine: PgQueuer
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(run: UUID) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    run = resources.new_id()
    async with serving(engine, handler):
        await woken(store, engine, run)
        await asyncio.wait_for(begun.wait(), 60)
    assert ended.is_set()
    assert [tuple(row) for row in await execute(url, TOKENS)] == [("queued", f"run:{run}")]


async def test_a_run_in_hand_can_be_interrupted(store: AsyncEngine, engine: PgQueuer) -> None:
    begun, interrupted = asyncio.Event(), asyncio.Event()

    async def handler(run: UUID) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            interrupted.set()

    run = resources.new_id()
    async with serving(engine, handler):
        await woken(store, engine, run)
        await asyncio.wait_for(begun.wait(), 60)
        await engine.cancel(run)
        await asyncio.wait_for(interrupted.wait(), 60)
        await engine.cancel(resources.new_id())  # one that is not here is nothing


async def test_installing_again_changes_nothing_and_the_log_is_pruned(
    url: str, store: AsyncEngine, engine: PgQueuer
) -> None:
    await woken(store, engine, resources.new_id())
    await engine.install()
    assert len(await execute(url, TOKENS)) == 1
    await execute(url, "update pgqueuer.pgqueuer_log set created = now() - interval '2 days'")
    await engine.prune()
    assert await execute(url, "select 1 from pgqueuer.pgqueuer_log") == []
