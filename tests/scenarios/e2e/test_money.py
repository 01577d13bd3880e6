"""What a run costs is what its tasks cost, however it ends, and no try begins above its cap."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from tests.scenarios.e2e.test_authors import create, execute, naming
from tests.scenarios.e2e.test_road import SLOT
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model, models_file
from tests.support.system.automation import until
from tests.support.system.pair import Pair, pair

PRICED = model(-1, "demo-a", input_price=1_000_000, output_price=1_000_000)
UNPRICED = model(-2, "demo-b")
CAP = 0.002

Stop = Callable[[Pair, str], Awaitable[Any]]


@pytest.fixture
async def road(
    both_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    clock: ManualClock,
    tmp_path: Path,
) -> AsyncIterator[Pair]:
    models = models_file(tmp_path, PRICED, UNPRICED)
    async with pair(
        both_databases, keys, demo.base_url, clock, models_file=models, reconcile_seconds=0.3
    ) as running:
        await until(running.automation.capabilities.refresh)
        yield running


def capped(**execution: Any) -> dict[str, Any]:
    said = naming("")
    block = {"budget_cap_usd": CAP, "retry_backoff": "none", "max_retries": 3, **execution}
    said["definition"]["execution"] = block
    return said


async def _cancel(road: Pair, run: str) -> None:
    await road.automations.CancelRun(pb.CancelRunRequest(name=run), metadata=road.metadata)


async def _replace(road: Pair, run: str) -> None:
    """As a slot does with cancel_running."""
    await execute(
        road,
        "update automation_runs set cancel_requested = true, cancel_error ="
        ' \'{"code": 1, "reason": "RUN_REPLACED", "message": "m", "metadata": {}}\'',
    )


async def _fence(road: Pair, run: str) -> None:
    """Another worker takes the run over, and then a person ends it."""
    await execute(road, "update automation_runs set attempt = attempt + 1, events = events + 1")
    await _cancel(road, run)


async def _lose_access(road: Pair, run: str) -> None:
    for db in (road.automation.db, road.chat.engine):
        async with db.begin() as connection:
            await connection.exec_driver_sql(
                "update memberships set revoked_time = now() where user_id = 'ada'"
            )


async def _wait(road: Pair, run: str) -> None:
    """The time limit of the step, or of the run, ends it."""


@pytest.mark.parametrize(
    ("stop", "execution", "state", "tries"),
    [
        (_wait, {"timeout_seconds": 4}, "timed_out", 1),
        (_cancel, {}, "cancelled", 1),
        (_replace, {}, "cancelled", 1),
        (_fence, {}, "cancelled", 1),
        (_lose_access, {}, "failed", 1),
        (_wait, {"step": 2}, "failed", 4),
    ],
    ids=["timeout", "cancel", "replaced", "fenced", "access", "tries"],
)
async def test_a_run_counts_what_its_tasks_cost_whatever_stops_it(
    road: Pair, demo: DemoServer, stop: Stop, execution: dict[str, Any], state: str, tries: int
) -> None:
    said = capped(**{key: value for key, value in execution.items() if key != "step"})
    if "step" in execution:
        said["definition"]["plan"][0]["timeout_seconds"] = execution["step"]
    name = (await create(road, said, road.metadata)).name
    demo.controls.hold(after=1, kind="task")
    road.clock.set(SLOT + timedelta(milliseconds=5))
    await demo.controls.until_held()
    [run] = await execute(road, "select id from automation_runs")
    await stop(road, f"{name}/runs/{run[0]}")

    async def told() -> Any:
        query = "select status, usage from automation_runs where not untold"
        [row] = await execute(road, query) or [None]
        return row if row is not None and row[0] not in ("pending", "running") else None

    status, usage = await until(told)
    assert status == state
    async with road.chat.engine.connect() as connection:
        spent = [
            row[0]
            for row in await connection.exec_driver_sql(
                "select usage from turns where task is not null and end_time is not null"
            )
        ]
    assert 1 <= len(spent) <= tries
    costs = [one["cost_micros"] for one in spent]
    assert usage["cost_micros"] == sum(costs) > 0
    # A try is begun only while something is left, and is given no more than that.
    assert sum(costs[:-1]) < CAP * 1_000_000
    assert sum(costs) <= CAP * 1_000_000 + max(costs)


async def test_a_cap_without_a_price_is_refused_when_it_is_saved(road: Pair) -> None:
    said = capped()
    said["definition"]["plan"][0]["config"]["model"] = "demo-b"
    refused = await refusal(create(road, said, road.metadata))
    [fault] = refused.violations
    assert (fault.field, fault.reason) == (
        "automation.definition.plan[0].config.model",
        "UNPRICED_MODEL",
    )
    # Known again after a restart, without the other service.
    found = road.automation.capabilities.catalogue().models
    await road.automation.capabilities.load()
    assert road.automation.capabilities.catalogue().models == found
    assert found is not None


async def test_a_cap_that_lost_its_price_fails_the_run(road: Pair) -> None:
    await create(road, capped(), road.metadata)
    await execute(
        road,
        "update automations set definition = jsonb_set(definition, '{plan,0,config,model}',"
        " '\"demo-b\"')",
    )
    road.clock.set(SLOT + timedelta(milliseconds=5))

    async def ended() -> Any:
        rows = await execute(road, "select error from automation_runs where end_time is not null")
        return rows[0] if rows else None

    [error] = await until(ended)
    assert (error["reason"], error["metadata"]) == (
        "BUDGET_UNENFORCEABLE",
        {"model": "demo-b -2"},
    )
