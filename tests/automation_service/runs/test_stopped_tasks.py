"""What a task used that is stopped counts, whatever stops it."""

import asyncio
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from shared.rpc import status
from tests.automation_service.runs.test_executor import FIRST, plan, ran, statuses, step
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute, until


async def hang(request: AgentTask) -> AgentResult:
    await asyncio.sleep(60)
    return answer()


def reason_of(run: Any) -> str:
    return status.from_status(run.error).reason


async def test_tries_that_take_too_long_spend_no_more_than_the_cap(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act, agent.used = hang, lambda task: Usage(cost_micros=1_500, input_tokens=4)
    run = await ran(
        rota, clock, plan(step("one", timeout_seconds=2), max_retries=8, budget_cap_usd=0.002)
    )
    assert [task.budget_micros for task in agent.begun] == [2_000, 500]
    assert (run.state, reason_of(run)) == (pb.Run.FAILED, "BUDGET_EXCEEDED")
    assert (run.usage.cost_micros, run.usage.input_tokens) == (3_000, 8)


async def test_a_try_of_unknown_cost_counts_as_its_reservation_until_it_is_told(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    told: list[Usage | None] = [None, Usage(cost_micros=300)]

    async def act(request: AgentTask) -> AgentResult:
        return await hang(request) if request.request_id.endswith(":1") else answer(cost=100)

    agent.act, agent.used = act, lambda task: told.pop(0)
    run = await ran(
        rota, clock, plan(step("one", timeout_seconds=3), max_retries=1, budget_cap_usd=0.002)
    )
    assert [task.budget_micros for task in agent.begun] == [2_000, 1_700]
    assert (run.state, run.usage.cost_micros) == (pb.Run.SUCCEEDED, 400)


async def test_no_try_begins_while_what_the_last_one_cost_may_have_used_up_the_cap(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act, agent.used = hang, lambda task: None
    run = await ran(
        rota, clock, plan(step("one", timeout_seconds=3), max_retries=1, budget_cap_usd=0.002)
    )
    assert (len(agent.begun), reason_of(run)) == (1, "PEER_UNAVAILABLE")


async def _cancel(rota: Running, name: str) -> None:
    [run] = await rota.runs(name)
    await rota.call("CancelRun", pb.CancelRunRequest(name=run.name))


async def _time_out(rota: Running, name: str) -> None:
    await execute(rota.url, "update automation_runs set deadline = now() - interval '1 hour'")
    await rota.service.reconciler.reconcile()


@pytest.mark.parametrize(
    ("stop", "wanted"), [(_cancel, "CANCELLED"), (_time_out, "TIMED_OUT")], ids=["cancel", "lost"]
)
async def test_what_the_task_of_a_stopped_run_used_is_counted_once(
    rota: Running, clock: ManualClock, agent: FakeAgent, stop: Any, wanted: str
) -> None:
    agent.act, agent.used = hang, lambda task: Usage(cost_micros=70)
    name = (await rota.create(plan(step("one")))).name
    clock.set(FIRST)

    async def begun() -> bool:
        return bool(agent.begun)

    await until(begun)
    await stop(rota, name)
    [run] = await rota.ended(name)
    assert statuses(run) == {"one": wanted}
    assert run.usage.cost_micros == 70
    assert agent.cancelled == {agent.begun[0].request_id}


@pytest.mark.parametrize("told", [Usage(cost_micros=70), None])
async def test_a_task_whose_start_was_not_stored_is_stopped_and_counted(
    rota: Running, clock: ManualClock, agent: FakeAgent, told: Usage | None
) -> None:
    """Its worker was killed between the call and the next checkpoint, and the run is cancelled."""
    answers = [told, Usage(cost_micros=70)]
    agent.act, agent.used = hang, lambda task: answers.pop(0)
    name = (await rota.create(plan(step("one")))).name
    clock.set(FIRST)

    async def begun() -> bool:
        return bool(agent.begun)

    await until(begun)
    await execute(
        rota.url,
        "update automation_runs set attempt = attempt + 1, events = events + 1,"
        " step_results = '[]', cancel_requested = true",
    )

    async def counted() -> bool:
        [run] = await rota.runs(name)
        return bool(run.state == pb.Run.CANCELLED and run.usage.cost_micros == 70)

    await until(counted)
    assert agent.cancelled == {agent.begun[0].request_id}
