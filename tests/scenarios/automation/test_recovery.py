"""What was lost is made good: tokens, workers, attempts."""

from datetime import timedelta
from uuid import UUID

from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_checkpoints, run_claims
from automation_service.persistence.run_checkpoints import Checkpoint, ResultColumns
from automation_service.persistence.run_claims import Claim
from shared.clock import ManualClock
from shared.db import database
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

FIRST = START + timedelta(seconds=30)
SAID = news(triggers=[schedule()])


async def pending(rota: Running, clock: ManualClock) -> tuple[str, UUID]:
    """An automation with a run that nobody has taken, and that run's id."""
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    [run] = await until(lambda: rota.runs(name))
    return name, UUID(run.name.rpartition("/")[2])


async def claimed(db: AsyncEngine, run: UUID) -> Claim | UUID | None:
    async with database.transaction(db) as connection:
        return (await run_claims.claim_runs(connection, [run], now=FIRST, wait=True))[run]


async def test_a_run_whose_token_was_lost_is_woken_again(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        name, _ = await pending(rota, clock)
        await rota.service.reconciler.reconcile()
    await execute(url, "delete from pgqueuer.pgqueuer")
    async with running(url, keys, clock=clock) as rota:
        [run] = await rota.ended(name)
        assert run.state == pb.Run.SUCCEEDED


async def test_a_worker_that_was_overtaken_writes_nothing(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine
) -> None:
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        _, run = await pending(rota, clock)
    first, second = await claimed(db, run), await claimed(db, run)
    assert isinstance(first, Claim)
    assert isinstance(second, Claim)
    assert (first.attempt, second.attempt) == (1, 2)
    async with database.autocommit(db) as connection:
        assert await run_checkpoints.store(connection, [said(first, "zombie")], wait=True) == set()
        assert await run_checkpoints.store(connection, [said(second, "owner")], wait=True) == {run}
    [row] = await execute(url, "select usage from automation_runs")
    assert row["usage"] == '{"by": "owner"}'


def said(claim: Claim, who: str) -> Checkpoint:
    """What a worker writes under its claim."""
    return Checkpoint(
        run=claim.run,
        attempt=claim.attempt,
        base=claim.events,
        events=[(FIRST, '{"step_updated": {}}')],
        results=ResultColumns(step_results="[]", usage=f'{{"by": "{who}"}}', artifacts="[]"),
    )


async def test_a_run_that_has_ended_can_not_be_claimed(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    name, run = await pending(rota, clock)
    await rota.ended(name)
    assert await claimed(db, run) is None


async def test_a_worker_that_lost_its_run_stops_without_stopping_the_task(
    rota: Running, clock: ManualClock, agent: FakeAgent, db: AsyncEngine
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    [run] = await rota.runs(name)
    await claimed(db, UUID(run.name.rpartition("/")[2]))  # another worker, that dies at once

    async def taken_over() -> bool:
        return bool((await rota.run(run.name)).attempt == 3)

    await until(taken_over)
    await rota.service.reconciler.reconcile()
    gate.opened.set()
    [ended] = await rota.ended(name)
    assert (ended.state, len(agent.begun)) == (pb.Run.SUCCEEDED, 1)
    assert agent.cancelled == set()
    assert ended.attempt == 3  # no tug of war between workers


async def test_a_run_whose_worker_hangs_past_its_deadline_is_ended(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine
) -> None:
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        name, run = await pending(rota, clock)
        assert isinstance(await claimed(db, run), Claim)
        await execute(url, "update automation_runs set deadline = now() - interval '1 hour'")
        await rota.service.reconciler.reconcile()
        [ended] = await rota.ended(name)
        assert ended.state == pb.Run.TIMED_OUT
        assert "TIMED_OUT" in str(ended.error)


async def test_a_lone_clock_of_the_future_does_not_shorten_a_lease(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    clock.advance(timedelta(days=1))
    await rota.service.reconciler.reconcile()
    gate.opened.set()
    ended = await rota.ended(name)
    assert ended[0].state == pb.Run.SUCCEEDED
    assert ended[0].attempt == 1
