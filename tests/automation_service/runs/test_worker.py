"""When a worker begins the steps of a run that it has claimed."""

from datetime import timedelta

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import START, Running, new_request_id, news, schedule, until

FIRST = START + timedelta(seconds=30)


@pytest.fixture(autouse=True)
def _long_burst(rota: Running) -> None:
    rota.service.worker.burst.max_seconds = 60.0


async def _claimed(rota: Running, name: str) -> pb.Run:
    async def running() -> pb.Run | None:
        return next((r for r in await rota.runs(name) if r.state == pb.Run.RUNNING), None)

    found: pb.Run = await until(running)
    return found


async def test_runs_are_claimed_before_steps_begin(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    names = [(await rota.create(news(triggers=[schedule()]))).name for _ in range(3)]
    with rota.service.worker.burst.hold():
        clock.set(FIRST)
        for name in names:
            await _claimed(rota, name)
        assert agent.begun == []
    for name in names:
        [run] = await rota.ended(name)
        assert run.state == pb.Run.SUCCEEDED


async def test_a_run_that_waits_to_begin_can_be_cancelled(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name = (await rota.create(news(triggers=[schedule()]))).name
    with rota.service.worker.burst.hold():
        clock.set(FIRST)
        run = await _claimed(rota, name)
        await rota.call(
            "CancelRun", pb.CancelRunRequest(name=run.name, request_id=new_request_id())
        )
        [run] = await rota.ended(name)
    assert run.state == pb.Run.CANCELLED
    assert agent.begun == []


async def test_a_run_with_little_time_begins_at_once(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    said = news(triggers=[schedule()], execution={"timeout_seconds": 20})
    name = (await rota.create(said)).name
    with rota.service.worker.burst.hold():
        clock.set(FIRST)
        [run] = await rota.ended(name)
    assert run.state == pb.Run.SUCCEEDED
    assert len(agent.begun) == 1
