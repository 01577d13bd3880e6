"""What on_failure is told, how long it has, and that it is not the run's result."""

import asyncio
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence import run_endings
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from shared.rpc import status
from tests.automation_service.runs.test_executor import FIRST, plan, ran, statuses, step
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute, until

TELL = step(
    "tell",
    "{{ error.step_id }}|{{ error.reason }}|{{ error.message }}|{{ steps.one.output }}",
)
FAILED = "two|MODEL_GONE|the model is gone|did: first"
LATE = "two|TIMED_OUT|the run took longer than 3 seconds|did: first"


class Agent:
    """Breaks, hangs or answers, as the prompt says; `tell` waits until it is opened."""

    def __init__(self, opened: bool = True) -> None:
        self.told = asyncio.Event()
        self.opened = asyncio.Event()
        if opened:
            self.opened.set()

    async def __call__(self, request: AgentTask) -> AgentResult:
        match request.prompt:
            case "break":
                raise errors.ModelGone("the model is gone")
            case "hang":
                await asyncio.sleep(60)
            case told if "|" in told:
                self.told.set()
                await self.opened.wait()
        return answer(f"did: {request.prompt}")


def said(second: str, **execution: Any) -> dict[str, Any]:
    return plan(step("one", "first"), step("two", second), on_failure=[TELL], **execution)


def reason_of(run: Any) -> str:
    return status.from_status(run.error).reason


@pytest.mark.parametrize(
    ("second", "state", "step_status", "told"),
    [
        ("break", pb.Run.FAILED, "FAILED", FAILED),
        ("hang", pb.Run.TIMED_OUT, "TIMED_OUT", LATE),
    ],
)
async def test_on_failure_is_told_the_error_and_its_answer_is_not_the_output(
    rota: Running,
    clock: ManualClock,
    agent: FakeAgent,
    second: str,
    state: int,
    step_status: str,
    told: str,
) -> None:
    agent.act = Agent()
    limit = {"timeout_seconds": 3} if second == "hang" else {}
    run = await ran(rota, clock, said(second, **limit))
    assert (run.state, reason_of(run)) == (state, told.split("|")[1])
    assert statuses(run) == {"one": "SUCCEEDED", "two": step_status, "tell": "SUCCEEDED"}
    assert [task.prompt for task in agent.begun] == ["first", second, told]
    assert run.output.string_value == "did: first"


async def _begun(
    rota: Running, clock: ManualClock, agent: FakeAgent, second: str = "break"
) -> tuple[str, Agent]:
    """A run whose on_failure, or second step, does not end by itself."""
    act = Agent(opened=False)
    agent.act = act
    name = (await rota.create(said(second))).name
    clock.set(FIRST)
    return name, act


async def _until_two_hangs(rota: Running, name: str) -> None:
    """Its start is stored a moment after it began."""

    async def hangs() -> bool:
        runs = [await rota.run(one.name) for one in await rota.runs(name)]
        return [statuses(run).get("two") for run in runs] == ["RUNNING"]

    await until(hangs)


async def test_on_failure_goes_on_after_its_worker_is_lost_and_no_step_of_the_plan_is_repeated(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, act = await _begun(rota, clock, agent)
    await act.told.wait()
    await execute(rota.url, "update automation_runs set attempt = attempt + 1, events = events + 1")

    async def taken_over() -> bool:
        return bool((await rota.runs(name))[0].attempt == 3)

    await until(taken_over)
    act.opened.set()
    [run] = await rota.ended(name)
    # A request that is made again begins no second task.
    assert [task.prompt for task in agent.begun] == ["first", "break", FAILED]
    assert statuses(run) == {"one": "SUCCEEDED", "two": "FAILED", "tell": "SUCCEEDED"}
    assert (run.state, reason_of(run)) == (pb.Run.FAILED, "MODEL_GONE")


async def test_on_failure_has_a_time_of_its_own_after_which_the_run_ends_as_it_was_to(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, act = await _begun(rota, clock, agent)
    await act.told.wait()

    async def stored() -> bool:
        [run] = await rota.runs(name)
        return "tell" in statuses(await rota.run(run.name))

    await until(stored)
    [row] = await execute(
        rota.url, "select deadline - clock_timestamp() as left from automation_runs"
    )
    assert 290 < row["left"].total_seconds() <= 300
    await execute(rota.url, "update automation_runs set deadline = now() - interval '1 hour'")
    await rota.service.reconciler.reconcile()
    [run] = await rota.ended(name)
    assert (run.state, reason_of(run)) == (pb.Run.FAILED, "MODEL_GONE")
    assert statuses(run) == {"one": "SUCCEEDED", "two": "FAILED", "tell": "TIMED_OUT"}


async def test_a_run_whose_worker_hangs_past_its_deadline_begins_its_on_failure(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, act = await _begun(rota, clock, agent, "hang")
    act.opened.set()

    await _until_two_hangs(rota, name)
    await execute(rota.url, "update automation_runs set deadline = now() - interval '1 hour'")
    await rota.service.reconciler.reconcile()
    [run] = await rota.ended(name)
    assert (run.state, reason_of(run)) == (pb.Run.TIMED_OUT, "TIMED_OUT")
    assert statuses(run) == {"one": "SUCCEEDED", "two": "TIMED_OUT", "tell": "SUCCEEDED"}
    assert agent.begun[-1].prompt == LATE.replace(" 3 seconds", " 600 seconds")


async def test_the_step_is_told_though_a_worker_was_lost_between_its_end_and_the_run_s(
    rota: Running, clock: ManualClock, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, act = await _begun(rota, clock, agent, "hang")
    act.opened.set()
    await _until_two_hangs(rota, name)
    store, lost = run_endings.store_end_reason, False

    async def lose(*given: Any) -> bool:
        nonlocal lost
        if not lost:
            lost = True
            raise OSError
        return await store(*given)

    monkeypatch.setattr(run_endings, "store_end_reason", lose)
    await execute(rota.url, "update automation_runs set deadline = now() - interval '1 hour'")
    for _ in range(2):
        await rota.service.reconciler.reconcile()
    [run] = await rota.ended(name)
    assert lost
    assert statuses(run) == {"one": "SUCCEEDED", "two": "TIMED_OUT", "tell": "SUCCEEDED"}
    assert agent.begun[-1].prompt == LATE.replace(" 3 seconds", " 600 seconds")


async def test_a_run_that_is_cancelled_has_no_on_failure(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, _ = await _begun(rota, clock, agent, "hang")

    await _until_two_hangs(rota, name)
    [run] = await rota.runs(name)
    await rota.call("CancelRun", pb.CancelRunRequest(name=run.name))
    [run] = await rota.ended(name)
    assert statuses(run) == {"one": "SUCCEEDED", "two": "CANCELLED"}
