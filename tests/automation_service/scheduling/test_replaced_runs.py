"""With cancel_running a later slot replaces the run of an earlier one, and never runs beside it."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared import errors
from shared.clock import ManualClock
from shared.definition.states import RunStatus
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from shared.rpc import status
from tests.automation_service.runs.test_executor import FIRST, plan, statuses, step
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute

MINUTE = timedelta(minutes=1)
TELL = step("tell", "tell of {{ error.reason }}")


class Agent:
    """The first task, and what `hangs` names, go on until they are cancelled."""

    def __init__(self, hangs: str = "") -> None:
        self.hangs = hangs
        self.begun = 0
        self.hanging = asyncio.Event()

    async def __call__(self, request: AgentTask) -> AgentResult:
        self.begun += 1
        if request.prompt == "break":
            raise errors.ModelGone("the model is gone")
        if self.hangs in request.prompt if self.hangs else self.begun == 1:
            self.hanging.set()
            await asyncio.sleep(600)
        return answer(cost=5)


def said(*steps: Any, **execution: Any) -> dict[str, Any]:
    return plan(*(steps or (step("one"),)), **{"concurrency": "cancel_running", **execution})


def run_id(run: Any) -> str:
    return str(run.name.rpartition("/")[2])


def error_of(run: Any) -> errors.RotaError:
    return status.from_status(run.error)


async def begun(rota: Running, clock: ManualClock, agent: FakeAgent, act: Agent, made: Any) -> str:
    """An automation whose first run does not end by itself."""
    agent.act, agent.used = act, lambda task: Usage(cost_micros=70)
    name = str((await rota.create(made)).name)
    clock.set(FIRST)
    await asyncio.wait_for(act.hanging.wait(), 30)
    return name


async def test_a_slot_cancels_the_run_that_goes_on_and_runs_after_its_end(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name = await begun(rota, clock, agent, Agent(), said(on_failure=[TELL]))
    clock.set(FIRST + MINUTE)
    old, new = await rota.ended(name, 2)
    assert (old.state, statuses(old)) == (pb.Run.CANCELLED, {"one": "CANCELLED"})
    assert old.usage.cost_micros == 70
    assert (error_of(old).reason, error_of(old).metadata) == (
        "RUN_REPLACED",
        {"trigger": "t", "slot_time": "2026-11-23T08:01:00Z", "run": run_id(new)},
    )
    assert (new.state, statuses(new)) == (pb.Run.SUCCEEDED, {"one": "SUCCEEDED"})
    assert new.start_time.ToDatetime() >= old.end_time.ToDatetime()
    later, earlier = await rota.slots(name)
    assert {slot.outcome for slot in (earlier, later)} == {pb.Slot.FIRED}
    assert (earlier.reason, earlier.run, later.run) == ("", old.name, new.name)
    assert later.reason == (
        f"Run {run_id(old)} was still going on and was told to stop; concurrency is cancel_running."
    )


async def test_a_worker_that_takes_the_run_over_obeys_the_mark(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name = await begun(rota, clock, agent, Agent(), said())
    # Both at once, as when the worker was lost before the slot came.
    await execute(
        rota.url,
        "update automation_runs set attempt = attempt + 1, events = events + 1,"
        " cancel_requested = true, cancel_error = $1::jsonb",
        '{"code": 1, "reason": "RUN_REPLACED", "message": "replaced", "metadata": {}}',
    )
    [old] = await rota.ended(name)
    assert (old.state, error_of(old).reason) == (pb.Run.CANCELLED, "RUN_REPLACED")
    assert (old.attempt, old.usage.cost_micros) == (3, 70)
    assert agent.cancelled == {agent.begun[0].request_id}


async def test_a_marked_run_whose_worker_hangs_ends_as_cancelled_at_its_deadline(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name = await begun(rota, clock, agent, Agent(), said(on_failure=[TELL]))
    await execute(
        rota.url,
        "update automation_runs set attempt = attempt + 1, events = events + 1,"
        " cancel_requested = true, deadline = now() - interval '1 hour'",
    )
    await rota.service.reconciler.reconcile()
    [old] = await rota.ended(name)
    assert (old.state, error_of(old).reason) == (pb.Run.CANCELLED, "CANCELLED")
    assert statuses(old) == {"one": "CANCELLED"}


async def test_a_slot_cuts_on_failure_and_the_run_still_ends_as_it_failed(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    made = said(step("one", "break"), on_failure=[TELL])
    name = await begun(rota, clock, agent, Agent(hangs="tell"), made)
    await execute(
        rota.url,
        "update automation_runs set cancel_requested = true, cancel_error = $1::jsonb",
        '{"code": 1, "reason": "RUN_REPLACED", "message": "replaced", "metadata": {}}',
    )
    [old] = await rota.ended(name)
    assert (old.state, error_of(old).reason) == (pb.Run.FAILED, "MODEL_GONE")
    assert statuses(old) == {"one": "FAILED", "tell": "CANCELLED"}


class Model:
    """What a database must hold after slots, beginnings and ends in any order."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.waiting: list[int] = []
        self.running: int | None = None
        self.marked = False
        self.ends: dict[int, str] = {}
        self.outcomes: list[str] = []

    def come(self) -> None:
        slot = len(self.outcomes)
        if self.policy == "drop_if_running" and (self.waiting or self.running is not None):
            self.outcomes.append("skipped_overlap")
            return
        self.outcomes.append("fired")
        if self.policy == "cancel_running":
            self.ends |= dict.fromkeys(self.waiting, f"cancelled by {slot}")
            self.waiting.clear()
            self.marked = self.running is not None
        self.waiting.append(slot)

    def begin(self) -> None:
        if self.running is None and self.waiting:
            self.running = self.waiting.pop(0)

    def end(self) -> None:
        if self.running is not None:
            self.ends[self.running] = "succeeded"
            self.running, self.marked = None, False


async def _stored(rota: Running, name: str) -> tuple[list[str], list[int], int | None, bool, Any]:
    rows = await rota.execute(
        "select s.outcome, r.status, r.cancel_requested, r.error,"
        " extract(epoch from s.slot_time - $2)::int / 60 as slot"
        " from automation_slots s left join automation_runs r on r.id = s.run_id"
        " join automations a on a.id = s.automation_id where a.resource_id = $1"
        " order by s.slot_time",
        name.rpartition("/")[2],
        FIRST,
    )
    ends: dict[int, str] = {}
    for row in rows:
        if row["status"] not in (None, "pending", "running"):
            ends[row["slot"]] = row["status"]
        if row["status"] == "cancelled":
            by = row["error"]["metadata"]["slot_time"].partition("2026-11-23T08:")[2][:2]
            ends[row["slot"]] = f"cancelled by {int(by)}"
    running = [row for row in rows if row["status"] == "running"]
    assert len(running) < 2
    return (
        [row["outcome"] for row in rows],
        [row["slot"] for row in rows if row["status"] == "pending"],
        running[0]["slot"] if running else None,
        any(row["cancel_requested"] for row in running),
        ends,
    )


@pytest.mark.parametrize("seed", range(2))
async def test_slots_beginnings_and_ends_in_any_order_keep_the_rules_of_the_policy(
    still: Running, api_clock: ManualClock, seed: int
) -> None:
    """A worker tries to begin every run that has not ended, after each step."""
    chance = random.Random(seed)
    models = {
        str((await still.create(said(concurrency=policy))).name): Model(policy)
        for policy in ("cancel_running", "drop_if_running", "queue")
    }
    writer = still.service.worker.writer
    held: dict[UUID, Any] = {}
    for minute in range(24):
        api_clock.set(FIRST + minute * MINUTE)
        await still.service.scheduler.fire_due(api_clock.now())
        for model in models.values():
            model.come()
        if chance.random() < 0.6:
            rows = await still.execute("select id from automation_runs order by random()")
            for row in rows:
                claim = None if row["id"] in held else await writer.claim(row["id"])
                if claim is not None:
                    held[claim.run] = claim
            for model in models.values():
                model.begin()
        if chance.random() < 0.4:
            for claim in held.values():
                await writer.log(claim).end(RunStatus.SUCCEEDED, None)
            held.clear()
            for model in models.values():
                model.end()
        for name, model in models.items():
            wanted = (
                model.outcomes, model.waiting, model.running, model.marked, model.ends
            )  # fmt: skip
            assert await _stored(still, name) == wanted, (minute, model.policy)
    replaced = [end for model in models.values() for end in model.ends.values() if "by" in end]
    assert len(replaced) > 3
