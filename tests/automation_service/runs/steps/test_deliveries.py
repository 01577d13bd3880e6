"""Deliveries are stored with the result of their step: whole, once, and by the attempt alone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_maintenance
from automation_service.persistence.outbox.deliveries import NO_INBOX
from automation_service.persistence.run_claims import AttemptFenced
from automation_service.queue import PgQueuer
from automation_service.runs.steps.deliveries import build_deliveries
from automation_service.runs.steps.results import StepResult
from automation_service.runs.writer import BatchWriter
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask, DeliveryRequest
from tests.automation_service.runs.test_executor import FIRST, plan, ran, statuses, step
from tests.support.calls.destinations import AnyDestination
from tests.support.credentials.tokens import Keys
from tests.support.database.statements import see_statements
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute, running, until

SLACK = "workspaces/w/destinations/slack"
THREAD = "workspaces/w/threads/t"


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> AsyncIterator[Running]:
    """A service in which there is every destination."""
    async with running(url, keys, clock=clock, agent=agent, directory=AnyDestination()) as service:
        yield service


def tell(*to: str, step_id: str = "tell", **config: Any) -> dict[str, Any]:
    """A step that delivers."""
    more: dict[str, Any] = {key: config.pop(key) for key in ("when", "output_as") if key in config}
    return {
        "step_id": step_id,
        "action": "deliver",
        "config": {"to": list(to or ["inbox"]), **config},
        **more,
    }


async def stored(url: str) -> list[Any]:
    return await execute(url, "select * from deliveries order by create_time, destination, id")


async def again(rota: Running, clock: ManualClock, name: str, count: int) -> list[Any]:
    """The next run of each minute."""
    clock.set(FIRST + timedelta(minutes=count - 1))
    return await rota.ended(name, count)


async def test_a_result_is_stored_for_each_destination(rota: Running, clock: ManualClock) -> None:
    run = await ran(rota, clock, plan(step("news"), tell("inbox", SLACK, THREAD, output_as="told")))
    assert run.state == pb.Run.SUCCEEDED
    assert run.output.string_value == "did: do it"
    assert not run.artifacts
    names = json_format.MessageToDict(run.step_results[1].output)["deliveries"]
    rows = {row["destination"]: row for row in await stored(rota.url)}
    assert sorted(names) == sorted(f"{run.name}/deliveries/{row['id']}" for row in rows.values())
    assert {row["body"] for row in rows.values()} == {"did: do it"}
    assert {row["subject"] for row in rows.values()} == {"Morning news 2026-11-23"}
    assert {row["user_id"] for row in rows.values()} == {"ada"}
    assert {row["output_step_id"] for row in rows.values()} == {"news"}
    assert (rows["inbox"]["state"], rows["inbox"]["end_time"]) == ("sent", FIRST)
    [item] = await execute(
        rota.url, "select * from inbox_items where kind = 'result' and thread = ''"
    )
    assert (item["id"], item["user_id"], item["run"]) == (rows["inbox"]["id"], "ada", run.name)


async def test_a_step_after_a_delivery_sees_the_output_before_it(
    rota: Running, clock: ManualClock
) -> None:
    run = await ran(
        rota,
        clock,
        plan(
            step("news"),
            tell(),
            step("more", "{{ steps.tell.output.deliveries[0] }}"),
            tell(step_id="last"),
        ),
    )
    assert run.state == pb.Run.SUCCEEDED, run.error
    by_step = {row["step_id"]: row for row in await stored(rota.url)}
    first, last = by_step["tell"], by_step["last"]
    assert first["body"] == "did: do it"
    assert last["body"] == f"did: {run.name}/deliveries/{first['id']}"
    assert run.output.string_value == last["body"]


async def test_only_what_changed_is_delivered_again(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    said = ["one", "one", "two", "one"]

    async def act(request: AgentTask) -> AgentResult:
        return answer(said.pop(0))

    agent.act = act
    name = (await rota.create(plan(step("news"), tell(only="changed")))).name
    for count in range(1, 5):
        await again(rota, clock, name, count)
    rows = await stored(rota.url)
    assert [(row["body"], row["state"]) for row in rows] == [
        ("one", "sent"),
        ("one", "unchanged"),
        ("two", "sent"),
        ("one", "sent"),
    ]


async def test_what_is_empty_is_listed_and_left_out(rota: Running, clock: ManualClock) -> None:
    body = "{{ [] }}"
    await ran(rota, clock, plan(step("news"), tell(SLACK, only="when_not_empty", body=body)))
    [row] = await stored(rota.url)
    assert (row["state"], row["next_attempt_time"], row["end_time"]) == ("empty", None, FIRST)


async def test_a_delivery_may_be_skipped_and_a_failure_may_be_delivered(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        raise errors.CapabilityGone("no such page")

    agent.act = act
    run = await ran(
        rota,
        clock,
        plan(
            tell(step_id="never", when="false", body="x"),
            step("news"),
            tell(step_id="after"),
            on_failure=[tell(SLACK, step_id="failed")],
        ),
    )
    assert run.state == pb.Run.FAILED
    assert statuses(run) == {"never": "SKIPPED", "news": "FAILED", "failed": "SUCCEEDED"}
    [row] = await stored(rota.url)
    assert row["body"].startswith("The run failed at the step news: no such page (")
    assert row["step_id"] == "failed"


async def test_whoever_is_removed_while_the_run_works_has_no_inbox_and_the_delivery_says_so(
    rota: Running, clock: ManualClock, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await execute(rota.url, "update memberships set revoked_time = now()")
        return answer("one")

    # Otherwise the worker may see it before the step ends, and stop the run.
    monkeypatch.setattr(run_maintenance, "find_runs_to_stop", AsyncMock(return_value={}))
    agent.act = act
    await rota.create(plan(step("news"), tell(only="changed")))
    clock.set(FIRST)
    [row] = await until(lambda: stored(rota.url))
    assert (row["state"], row["error"], row["end_time"]) == ("failed", NO_INBOX, FIRST)
    for table in ("inbox_items", "delivery_digests"):
        assert await execute(rota.url, f"select * from {table}") == []


async def test_a_run_without_a_delivery_costs_no_further_statement(
    rota: Running, clock: ManualClock
) -> None:
    async with see_statements(rota.service.db) as seen:
        await ran(rota, clock, plan(step("news")))
    assert not [text for text, _ in seen if "insert into automation.deliveries" in text]
    assert await stored(rota.url) == []


async def test_a_worker_that_lost_the_run_stores_no_delivery(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine
) -> None:
    async with running(
        url, keys, clock=clock, roles="api,ticker", directory=AnyDestination()
    ) as rota:
        await rota.create(plan(step("news"), tell(SLACK, only="changed")))
        clock.set(FIRST)
        [run] = await until(lambda: execute(url, "select id from automation_runs"))
    writer = BatchWriter(db=db, queue=PgQueuer(url=url), clock=clock, max_failures=2, max_events=9)
    lost, held = [await writer.claim(UUID(int=run["id"].int)) for _ in range(2)]
    assert lost is not None
    assert held is not None
    result = StepResult(step_id="tell", action="deliver", status="succeeded", attempts=1)
    sent = deliver_request("one")
    for claim, kept in ((lost, False), (held, True)):
        log = writer.log(claim)
        log.put_result(result, build_deliveries(claim, "tell", [sent], clock.now()))
        if kept:
            await log.flush()
        else:
            with pytest.raises(AttemptFenced):
                await log.flush()
        assert len(await stored(url)) == kept
        assert len(await execute(url, "select * from delivery_digests")) == kept
    await writer.close()


def deliver_request(body: str) -> DeliveryRequest:
    return DeliveryRequest(
        id=UUID(int=1),
        destination=SLACK,
        subject="s",
        body=body,
        format="text",
        condition="changed",
        content_digest=body,
    )
