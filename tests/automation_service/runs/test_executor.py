"""Runs are carried out step by step, and every ending is written."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb

from automation_service.runs.agent_client import TaskFailed
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

FIRST = START + timedelta(seconds=30)
Result = pb.StepResult


def step(step_id: str, prompt: str = "do it", **fields: Any) -> dict[str, Any]:
    return {
        "step_id": step_id,
        "action": "agent_task",
        "config": {"prompt": prompt, **fields.pop("config", {})},
        **fields,
    }


def plan(*steps: dict[str, Any], **execution: Any) -> dict[str, Any]:
    block = {"retry_backoff": "none", **execution}
    return news(triggers=[schedule()], plan=list(steps), execution=block)


async def ran(rota: Running, clock: ManualClock, said: dict[str, Any]) -> Any:
    """The first run of an automation, when it has ended."""
    name = (await rota.create(said)).name
    clock.set(FIRST)
    [run] = await rota.ended(name)
    return run


def statuses(run: Any) -> dict[str, str]:
    return {r.step_id: Result.Status.Name(r.status) for r in run.step_results}


def failing(error: errors.RotaError, times: int = 1000) -> Any:
    """An act that fails so many times, then succeeds."""
    left = [times]

    async def act(request: AgentTask) -> AgentResult:
        if left[0]:
            left[0] -= 1
            raise error
        return answer("at last")

    return act


async def test_later_steps_see_what_earlier_ones_gave(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    run = await ran(
        rota,
        clock,
        plan(
            step("one", "first", output_as="start"),
            step("two", "{{ steps.one.output }}|{{ steps.start }}|{{ steps.one.status }}"),
        ),
    )
    assert run.state == pb.Run.SUCCEEDED
    assert agent.begun[1].prompt == "did: first|did: first|SUCCEEDED"
    assert run.output.string_value == "did: did: first|did: first|SUCCEEDED"
    first = run.step_results[0]
    assert (first.attempts, first.session_id, first.usage.input_tokens) == (1, "session-1", 10)
    assert first.HasField("start_time")
    assert first.HasField("end_time")
    assert run.usage.input_tokens == 20


async def test_the_agent_is_told_on_whose_behalf_and_how(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}

    async def act(request: AgentTask) -> AgentResult:
        return answer(output={"n": 4})

    agent.act = act
    config = {"tools": ["now"], "model": "fast", "output_schema": schema, "auto_approve": True}
    said = plan(step("one", config=config), budget_cap_usd=0.5)
    said["definition"]["triggers"] = [schedule("0 9 * * *", "Europe/Paris")]
    run = await ran(rota, clock, said)
    [task] = agent.begun
    assert (task.workspace, task.on_behalf_of, task.tools) == ("w", "ada", ("now",))
    assert (task.model, task.output_schema, task.auto_approve) == ("fast", schema, True)
    assert (task.budget_micros, task.time_zone) == (500_000, "Europe/Paris")
    assert json_format.MessageToDict(run.output) == {"n": 4}


async def test_a_step_whose_condition_is_falsy_is_skipped(
    rota: Running, clock: ManualClock
) -> None:
    run = await ran(
        rota,
        clock,
        plan(
            step("never", when="inputs.count > 3"),
            step("absent", when="inputs.fired_at and steps.never.output"),
            step("always", when="inputs.topic == 'trains' and steps.never.status == 'SKIPPED'"),
        ),
    )
    assert statuses(run) == {"never": "SKIPPED", "absent": "SKIPPED", "always": "SUCCEEDED"}


async def test_a_transient_failure_is_tried_again_under_a_new_request_id(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(errors.ModelUnavailable("no model"), times=2)
    run = await ran(rota, clock, plan(step("one"), max_retries=2))
    assert run.state == pb.Run.SUCCEEDED
    assert run.step_results[0].attempts == 3
    assert not run.step_results[0].HasField("error")
    run_id = run.name.rpartition("/")[2]
    assert [t.request_id for t in agent.begun] == [f"{run_id}:one:{n}" for n in (1, 2, 3)]


async def test_a_failure_that_stays_fails_the_run_after_its_retries(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(errors.ModelRateLimited("slow down"))
    run = await ran(rota, clock, plan(step("one", max_retries=1), step("two"), max_retries=5))
    assert run.state == pb.Run.FAILED
    assert run.step_results[0].attempts == 2
    assert statuses(run) == {"one": "FAILED"}
    assert run.error.message == "slow down"
    assert "MODEL_RATE_LIMITED" in str(run.error)


@pytest.mark.parametrize(
    "error",
    [
        errors.CapabilityGone("gone"),
        errors.ModelGone("gone"),
        errors.ApprovalNotGranted("no"),
        errors.BudgetExceeded("spent"),
        errors.invalid("prompt", "no"),
        errors.ModelUnavailable("no key", metadata={"account": "refused", "status": "401"}),
        errors.ModelUnavailable("no such field", metadata={"request": "refused"}),
    ],
)
async def test_a_failure_that_is_not_transient_is_not_tried_again(
    rota: Running, clock: ManualClock, agent: FakeAgent, error: errors.RotaError
) -> None:
    agent.act = failing(error)
    run = await ran(rota, clock, plan(step("one"), max_retries=3))
    assert (run.state, run.step_results[0].attempts) == (pb.Run.FAILED, 1)
    assert error.reason in str(run.step_results[0].error)


async def test_backoff_waits_on_the_clock(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(errors.ModelUnavailable("no model"), times=1)
    name = (await rota.create(plan(step("one"), retry_backoff="linear"))).name
    clock.set(FIRST)

    async def failed_once() -> bool:
        found = await rota.runs(name)
        results = [(await rota.run(r.name)).step_results for r in found]
        return any(r.HasField("error") for steps in results for r in steps)

    await until(failed_once)
    assert len(agent.begun) == 1
    clock.advance(timedelta(seconds=5))
    [run] = await rota.ended(name)
    assert run.state == pb.Run.SUCCEEDED


async def test_a_step_that_takes_too_long_is_stopped_and_fails_the_run(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await asyncio.sleep(30)
        return answer()

    agent.act = act
    run = await ran(rota, clock, plan(step("one", timeout_seconds=1), max_retries=0))
    assert run.state == pb.Run.FAILED
    assert statuses(run) == {"one": "TIMED_OUT"}
    assert "TIMED_OUT" in str(run.error)
    assert {t.request_id for t in agent.begun} == agent.cancelled


async def test_a_run_that_takes_too_long_is_timed_out(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await asyncio.sleep(30)
        return answer()

    agent.act = act
    run = await ran(rota, clock, plan(step("one"), timeout_seconds=3))
    assert run.state == pb.Run.TIMED_OUT
    assert statuses(run) == {"one": "TIMED_OUT"}
    assert agent.cancelled


async def test_the_budget_of_a_run_is_kept(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer(cost=600_000)

    agent.act = act
    run = await ran(
        rota,
        clock,
        plan(step("one"), step("two"), step("three"), budget_cap_usd=1, on_failure=[step("model")]),
    )
    assert [t.budget_micros for t in agent.begun] == [1_000_000, 400_000]
    assert statuses(run) == {
        "one": "SUCCEEDED",
        "two": "SUCCEEDED",
        "three": "FAILED",
        "model": "SKIPPED",
    }
    assert "BUDGET_EXCEEDED" in str(run.error)
    assert run.usage.cost_micros == 1_200_000


async def test_what_a_failed_try_used_is_counted(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    failed = TaskFailed("no", code=errors.Code.INTERNAL, reason="INTERNAL")
    failed.usage, failed.session_id = Usage(cost_micros=70), "session-9"
    agent.act = failing(failed)
    run = await ran(rota, clock, plan(step("one")))
    assert (run.usage.cost_micros, run.step_results[0].session_id) == (70, "session-9")


async def test_an_output_that_is_too_large_fails_the_step(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer("x" * (257 << 10), cost=70)

    agent.act = act
    run = await ran(rota, clock, plan(step("one")))
    assert "OUTPUT_TOO_LARGE" in str(run.error)
    assert run.usage.cost_micros == 70


async def test_what_a_database_can_not_hold_becomes_a_mark(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer("a\0b\ud800c")

    agent.act = act
    run = await ran(rota, clock, plan(step("one")))
    assert run.output.string_value == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


async def test_a_template_that_fails_fails_its_step(rota: Running, clock: ManualClock) -> None:
    run = await ran(rota, clock, plan(step("one", "a\n{{ 1 / (inputs.count - 3) }}")))
    assert (run.state, statuses(run)) == (pb.Run.FAILED, {"one": "FAILED"})
    assert "TEMPLATE_FAILED" in str(run.error)
    assert run.error.message == "step one, prompt, line 2: `1 / 0` is a division by zero"


async def test_a_prompt_has_what_earlier_steps_gave_cut_to_its_limit(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer("ü" * 9_000 if len(agent.begun) == 1 else str(len(request.prompt)))

    agent.act = act
    run = await ran(
        rota,
        clock,
        plan(
            step("get", "give"),
            step("whole", "{{ steps.get.output }}"),
            step("number", "{{ inputs.count }}"),
            step("cut", "{% for n in range(9) %}{{ steps.get.output }}{% endfor %}"),
        ),
    )
    assert run.state == pb.Run.SUCCEEDED
    assert [task.prompt for task in agent.begun[1:3]] == ["ü" * 9_000, "3"]
    assert len(agent.begun[3].prompt.encode()) in (65_535, 65_536)
    assert "Cut here" in agent.begun[3].prompt
    notes = [list(result.notes) for result in run.step_results]
    assert notes == [[], [], [], ["prompt was longer than 65,536 bytes and was cut"]]


async def test_what_was_saved_before_renders_as_before(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    prompt = "{{ inputs.fired_at and true }} {{ steps.one.status }}"
    await rota.create(plan(step("one"), step("two", prompt)))
    await execute(rota.url, "update automation_revisions set template_rules = default")
    clock.set(FIRST)
    await until(lambda: _begun(agent, 2))
    assert agent.begun[1].prompt == "True succeeded"


async def _begun(agent: FakeAgent, count: int) -> bool:
    return len(agent.begun) >= count


async def test_a_run_of_a_revoked_creator_does_not_start(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name = (await rota.create(plan(step("one")))).name
    await execute(rota.url, "update memberships set revoked_time = now()")
    clock.set(FIRST)

    async def failed() -> list[Any]:
        return await execute(rota.url, "select error from automation_runs where status = 'failed'")

    [row] = await until(failed)
    assert "CREATOR_ACCESS_LOST" in row["error"]
    assert agent.begun == []
    assert name


async def test_failures_in_a_row_pause_the_automation(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(errors.ModelGone("gone"))
    async with running(url, keys, clock=clock, agent=agent, max_consecutive_failures=2) as rota:
        name = (await rota.create(plan(step("one")))).name
        for minute in range(2):
            clock.set(FIRST + minute * timedelta(minutes=1))
            await rota.ended(name, minute + 1)

        async def paused() -> Any:
            found = await rota.get(name)
            return found if found.state == pb.Automation.PAUSED else None

        found = await until(paused)
        assert found.consecutive_failures == 2
        assert found.last_run_state == pb.Run.FAILED
        assert found.pause_note == "Paused by the service: 2 runs in a row failed."


async def test_a_snapshot_that_can_not_be_read_fails_its_run(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        name = (await rota.create(plan(step("one")))).name
        clock.set(FIRST)

        async def fired() -> list[Any]:
            return await rota.runs(name)

        await until(fired)
        await execute(url, "update automation_runs set definition_snapshot = '{\"plan\": 7}'")
    async with running(url, keys, clock=clock, roles="worker"):

        async def failed() -> list[Any]:
            return await execute(
                url, "select 1 from automation_runs where status = 'failed' and error is not null"
            )

        assert await until(failed)
