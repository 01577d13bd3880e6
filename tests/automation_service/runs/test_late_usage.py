"""What a task used that could not tell it in time reaches its run after the end, and once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from automation_service.runs.agent_client import CALL, AgentClient
from automation_service.runs.late_usage import ASKED_FOR, LateUsage
from shared.clock import ManualClock
from shared.registries.actions.types import Usage
from shared.rpc.client import DelegatedCredentials, open_channel
from tests.automation_service.runs.test_executor import FIRST, plan, statuses, step
from tests.automation_service.runs.test_stopped_tasks import hang
from tests.support.credentials.tokens import Keys
from tests.support.processes.ports import free_port
from tests.support.service_parts.agent_server import agent_server
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, execute, running, until


@dataclass(frozen=True, slots=True)
class Town:
    """A service whose chat_service is at a port, where nobody may be."""

    rota: Running
    clock: ManualClock
    agent: FakeAgent
    keys: Keys
    port: int
    late: LateUsage

    def peer(self) -> Any:
        return agent_server(self.keys, self.agent, port=self.port)

    async def held(self, **execution: Any) -> str:
        """An automation whose first run is at a task that does not end by itself."""
        self.agent.act, self.agent.used = hang, lambda task: Usage(cost_micros=70)
        name = str((await self.rota.create(plan(step("one"), **execution))).name)
        self.clock.set(FIRST)

        async def begun() -> bool:
            return bool(self.agent.begun)

        await until(begun)
        return name

    async def cancelled(self, name: str) -> Any:
        [run] = await self.rota.runs(name)
        await self.rota.call("CancelRun", pb.CancelRunRequest(name=run.name))
        [run] = await self.rota.ended(name)
        assert run.state == pb.Run.CANCELLED
        return run


@pytest.fixture
async def town(url: str, keys: Keys, clock: ManualClock, agent: FakeAgent) -> AsyncIterator[Town]:
    port = free_port()
    behalf = DelegatedCredentials(
        identity=keys.identity("automation_service"), audience="chat_service"
    )
    async with open_channel(f"127.0.0.1:{port}") as peer:
        client = AgentClient(channel=peer, credentials=behalf, call_retry=CALL)
        # The test alone says when it is asked again.
        async with running(url, keys, clock=clock, agent=client, reconcile_seconds=600) as rota:
            late = LateUsage(db=rota.service.db, agent=client, clock=clock)
            yield Town(rota, clock, agent, keys, port, late)


async def test_a_run_that_ended_while_chat_service_was_away_is_told_what_its_task_used(
    town: Town,
) -> None:
    async with town.peer():
        name = await town.held(budget_cap_usd=1)
    run = await town.cancelled(name)
    assert (run.usage.cost_micros, run.usage.untold_tasks) == (0, 1)
    assert run.step_results[0].usage.untold_tasks == 1
    await town.late.ask()  # nobody answers yet
    assert (await town.rota.run(run.name)).usage == run.usage
    async with town.peer():

        async def told() -> Any:
            await asyncio.gather(town.late.ask(), town.late.ask())
            found = await town.rota.run(run.name)
            return found if found.usage.cost_micros else None

        run = await until(told)
        await town.late.ask()
    for usage in (run.usage, run.step_results[0].usage):
        assert (usage.cost_micros, usage.untold_tasks) == (70, 0)
    assert statuses(run) == {"one": "CANCELLED"}
    assert await town.rota.run(run.name) == run


async def test_a_run_is_asked_for_as_long_as_its_task_is_known(town: Town) -> None:
    async with town.peer():
        name = await town.held()
    run = await town.cancelled(name)
    assert run.usage.untold_tasks == 1
    town.clock.set(town.clock.now() + ASKED_FOR + timedelta(minutes=1))
    async with town.peer():
        await town.late.ask()
    assert not town.agent.cancelled


async def test_the_task_of_a_run_that_can_not_be_read_is_stopped_and_counted(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act, agent.used = hang, lambda task: Usage(cost_micros=70)
    name = (await rota.create(plan(step("one")))).name
    clock.set(FIRST)

    async def stored() -> bool:
        [run] = await rota.runs(name) or [None]
        return bool(agent.begun and run and (await rota.run(run.name)).step_results)

    await until(stored)
    await execute(
        rota.url,
        "update automation_runs set attempt = attempt + 1, events = events + 1,"
        " definition_snapshot = '{}'",
    )

    async def told() -> bool:
        [run] = await rota.runs(name)
        return bool(run.state == pb.Run.FAILED and run.usage.cost_micros == 70)

    await until(told)
    assert agent.cancelled == {agent.begun[0].request_id}
