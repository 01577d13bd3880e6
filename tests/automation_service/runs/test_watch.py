"""Watchers of runs: one query for all of them, and a read only of what has moved."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import retention
from automation_service.runs import watch
from automation_service.runs.watch import RunWatcher
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from tests.automation_service.runs.test_writer import FIRST, pending
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import Running, execute, news, running, schedule, until

WATCHERS = 40


@pytest.fixture
async def run(url: str, keys: Keys, clock: ManualClock) -> UUID:
    """One that nobody executes."""
    [made] = await pending(url, keys, clock, 1)
    return made


@contextlib.contextmanager
def statements(db: AsyncEngine) -> Iterator[list[str]]:
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.append(statement)

    sa.event.listen(db.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(db.sync_engine, "before_cursor_execute", note)


@contextlib.asynccontextmanager
async def watched(watcher: RunWatcher, run: UUID, count: int) -> AsyncIterator[list[Any]]:
    """The sequences that each watcher has seen; None when it is at its end."""
    seen: list[list[int | None]] = [[] for _ in range(count)]

    async def follow(mine: list[int | None]) -> None:
        async for event in watcher.watch(run, 0):
            if event is not None:
                mine.append(event.sequence)
        mine.append(None)

    tasks = [asyncio.create_task(follow(mine)) for mine in seen]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def store(url: str, run: UUID, *, end: bool = False) -> None:
    """What another replica stores: the next event."""
    status = "succeeded" if end else "running"
    event = '{"ended": {"state": "succeeded"}}' if end else '{"started": {"attempt": 1}}'
    await execute(
        url,
        "with moved as (update automation_runs set events = events + 1,"
        f" status = '{status}' where id = $1 returning events)"
        " insert into run_events (run_id, sequence, create_time, event)"
        " select $1, events, now(), $2::text::jsonb from moved",
        run,
        event,
    )


async def test_watchers_of_runs_that_stand_still_share_one_query(
    db: AsyncEngine, run: UUID
) -> None:
    watcher = RunWatcher(db=db)
    with statements(db) as seen:
        async with watched(watcher, run, WATCHERS):

            async def began() -> bool:
                return len(seen) > 0

            await until(began)
            await asyncio.sleep(0)
            first = len(seen)
            for _ in range(3):
                await watcher._poll()
            assert len(seen) - first == 3
            # What they read at first they read together.
            assert first <= 2


async def test_what_another_replica_stores_reaches_every_watcher_by_one_read(
    url: str, db: AsyncEngine, run: UUID
) -> None:
    watcher = RunWatcher(db=db)
    async with watched(watcher, run, WATCHERS) as seen:

        async def rested() -> bool:
            watch = watcher._watched.get(run)
            return watch is not None and watch.page is not None

        # What they read at first, before anything is stored, is not counted.
        await until(rested)
        for number in (1, 2):
            await store(url, run, end=number == 2)
            with statements(db) as read:
                await watcher._poll()

                async def told(wanted: int = number) -> bool:
                    return all(wanted in one for one in seen)

                await until(told)
            assert len(read) <= 4
        await until(_all_of(seen, [1, 2, None]))


async def test_a_watcher_that_comes_later_takes_no_event_from_the_others(
    url: str, db: AsyncEngine, run: UUID
) -> None:
    watcher = RunWatcher(db=db)
    async with watched(watcher, run, 1) as first:
        await store(url, run)
        await watcher._poll()
        await until(_all_of(first, [1]))
        await store(url, run)
        async with watched(watcher, run, 1) as second:
            await until(_all_of(second, [1, 2]))
            await watcher._poll()
            await until(_all_of(first, [1, 2]))


async def test_a_watcher_of_a_deleted_run_ends(url: str, db: AsyncEngine, run: UUID) -> None:
    watcher = RunWatcher(db=db)
    async with watched(watcher, run, 1) as seen:
        await store(url, run)
        await watcher._poll()
        await until(_all_of(seen, [1]))
        await execute(url, "delete from automation_runs")
        await watcher._poll()
        await until(_all_of(seen, [1, None]))


async def test_events_that_are_no_longer_kept_are_said(
    url: str, db: AsyncEngine, run: UUID
) -> None:
    for _ in range(3):
        await store(url, run)
    async with database.transaction(db) as connection:
        await retention.delete_events(connection, run, 2)
    watcher = RunWatcher(db=db)
    with pytest.raises(errors.StreamTruncated):
        await anext(watcher.watch(run, 1))
    found = await anext(watcher.watch(run, 2))
    assert found is not None
    assert found.sequence == 3


async def test_a_sequence_beyond_the_last_event_is_refused(
    url: str, db: AsyncEngine, run: UUID
) -> None:
    await store(url, run)
    watcher = RunWatcher(db=db)
    with pytest.raises(errors.InvalidRequest) as refused:
        await anext(watcher.watch(run, 2))
    [fault] = refused.value.violations
    assert (fault.field, fault.description) == ("after_sequence", "the last event is 1")


async def test_a_watcher_is_told_at_once_of_what_its_own_process_stores(
    url: str,
    keys: Keys,
    clock: ManualClock,
    agent: FakeAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: RunWatcher) -> None:
        """No query tells them."""

    monkeypatch.setattr(watch.RunWatcher, "_poll", never)
    agent.act = gate = Gate()
    async with running(url, keys, clock=clock, agent=agent) as rota:
        name = (await rota.create(news(triggers=[schedule()]))).name
        clock.set(FIRST)
        await gate.entered.wait()
        run = (await rota.runs(name))[0].name
        request = pb.WatchRunRequest(name=run)
        stream = rota.stub.WatchRun(request, metadata=keys.user_headers(), timeout=60)
        events = []
        async for event in stream:
            events.append(event.WhichOneof("event"))
            gate.opened.set()
        assert events[0] == "started"
        assert events[-1] == "ended"


async def test_a_cancelled_run_that_waits_is_told_at_once(
    url: str, keys: Keys, clock: ManualClock, run: UUID
) -> None:
    async with running(url, keys, clock=clock, roles="api") as rota:
        [name] = await _names(rota)
        request = pb.WatchRunRequest(name=name)
        stream = rota.stub.WatchRun(request, metadata=keys.user_headers(), timeout=60)
        await rota.call("CancelRun", pb.CancelRunRequest(name=name))
        assert [event.ended.state async for event in stream] == [pb.Run.CANCELLED]


async def _names(rota: Running) -> list[str]:
    listed = pb.ListRunsRequest(parent="workspaces/w/automations/-")
    return [run.name for run in (await rota.call("ListRuns", listed)).runs]


def _all_of(seen: list[Any], wanted: list[int | None]) -> Any:
    async def reached() -> bool:
        return all(one == wanted for one in seen)

    return reached
