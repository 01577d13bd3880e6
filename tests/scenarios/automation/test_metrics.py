"""What operators can count: ticks, slots and how late they were, runs by their end, the queue."""

from datetime import timedelta

import pytest

from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.automation_service.scheduling.test_scheduler import FIRST, MINUTE, every_minute, outcomes
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import Running, until
from tests.support.telescope import Telescope


@pytest.fixture
def telescope() -> Telescope:
    return Telescope()


async def counted(telescope: Telescope, name: str, **attributes: str) -> None:
    async def once() -> bool:
        return telescope.count(name, **attributes) == 1

    await until(once)


async def test_a_slot_that_fires_and_its_run_are_counted_once(
    rota: Running, clock: ManualClock, telescope: Telescope
) -> None:
    name = (await rota.create(every_minute())).name
    clock.set(FIRST + timedelta(seconds=3))
    await rota.ended(name)

    await counted(telescope, "rota.slots", outcome="fired")
    await counted(telescope, "rota.slot.lateness", outcome="fired")
    await counted(telescope, "rota.runs", outcome="succeeded")
    assert telescope.count("rota.ticks") >= 1


async def test_a_run_that_fails_is_counted_as_failed(
    rota: Running, clock: ManualClock, agent: FakeAgent, telescope: Telescope
) -> None:
    async def act(_: AgentTask) -> AgentResult:
        raise errors.CapabilityGone("the tool is gone")

    agent.act = act
    name = (await rota.create(every_minute())).name
    clock.set(FIRST)
    await rota.ended(name)

    await counted(telescope, "rota.runs", outcome="failed")


async def test_runs_that_wait_are_read(
    rota: Running, clock: ManualClock, agent: FakeAgent, telescope: Telescope
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(every_minute("queue"))).name
    for minute in range(3):
        clock.set(FIRST + minute * MINUTE)
        await outcomes(rota, name, minute + 1)
    await gate.entered.wait()

    await rota.service.reconciler.reconcile()
    assert telescope.gauge("rota.runs.waiting") == 2

    gate.opened.set()
    await rota.ended(name, 3)
