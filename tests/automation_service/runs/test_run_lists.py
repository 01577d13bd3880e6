"""Lists of runs: their columns and filters, the sessions that runs are found by, and their cost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import pytest
import sqlalchemy as sa
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import runs
from shared import errors, resources
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.automation_service.runs.test_executor import FIRST, plan, ran, step
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate, answer
from tests.support.system.automation import Running, execute, running, until

MINUTE: Final = timedelta(minutes=1)
ALL: Final = "workspaces/w/automations/-"
LONG: Final = "# What happened\n" + "a line of news\n" * 14_000  # 200 KiB


def session_of(request_id: str) -> str:
    return str(uuid5(NAMESPACE_OID, request_id))


class SessionAgent(FakeAgent):
    """Each task has a session of its own."""

    async def run_task(self, request: AgentTask) -> AgentResult:
        assert request.session_started is not None
        await request.session_started(session_of(request.request_id))
        found = await super().run_task(replace(request, session_started=None))
        return replace(found, session_id=session_of(request.request_id))


async def listed(rota: Running, filter_: str = "", parent: str = ALL, **more: Any) -> list[pb.Run]:
    request = pb.ListRunsRequest(parent=parent, filter=filter_, **more)
    return list((await rota.call("ListRuns", request)).runs)


async def test_a_list_has_the_first_line_the_cost_and_the_times(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer(LONG, cost=1_234)

    agent.act = act
    run = await ran(rota, clock, plan(step("one")))

    (found,) = await listed(rota)

    assert found.name == run.name
    assert found.output_snippet == run.output_snippet == "What happened"
    assert found.automation_display_name == "Morning news"
    assert found.usage.cost_micros == 1_234
    assert found.start_time.ToDatetime() <= found.end_time.ToDatetime()
    assert not found.HasField("output")
    assert run.output.string_value == LONG


async def test_a_run_without_an_output_has_no_line(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(plan(step("one")))).name
    clock.set(FIRST)
    await gate.entered.wait()
    (at_work,) = await listed(rota)
    assert (at_work.state, at_work.output_snippet) == (pb.Run.RUNNING, "")
    gate.opened.set()
    await rota.ended(name)
    (ended,) = await listed(rota)
    assert ended.output_snippet == "at last"


async def test_the_line_of_a_run_of_an_older_version_is_read_from_its_output(
    rota: Running, clock: ManualClock
) -> None:
    await ran(rota, clock, plan(step("one", "first")))
    await execute(rota.url, "update automation_runs set output_snippet = null")
    (found,) = await listed(rota)
    assert found.output_snippet == "did: first"


async def test_a_list_reads_no_outputs(
    rota: Running, clock: ManualClock, agent: FakeAgent, db: AsyncEngine
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        # Such as does not compress away.
        return answer("news\n" + "".join(str(uuid4()) for _ in range(5_000)))

    agent.act = act
    run = await ran(rota, clock, plan(step("one")))
    await execute(
        rota.url,
        "insert into automation_runs (id, workspace_id, automation_id, trigger, trigger_id,"
        " slot_time, status, attempt, exclusive, definition_snapshot, revision, output,"
        " output_snippet, step_results, artifacts, create_time, start_time, end_time)"
        " select gen_random_uuid(), workspace_id, automation_id, null, trigger_id,"
        " slot_time - n * interval '1 minute', status, attempt, exclusive, definition_snapshot,"
        " revision, output, output_snippet, step_results, artifacts, create_time, start_time,"
        " end_time from automation_runs, generate_series(1, 49) n",
    )

    found = await listed(rota, page_size=50)
    assert [run.output_snippet for run in found] == ["news"] * 50
    assert sum(run.ByteSize() for run in found) < 50 * 1_024

    async with db.connect() as connection:
        before = await long_values_read(connection)
        assert len(await runs.page(connection, "w", None, size=50, after=None)) == 50
        assert await long_values_read(connection) == before
        names = resources.RUN.parse(run.name)
        assert await runs.find(connection, "w", names["automation"], UUID(names["run"]))
        assert await long_values_read(connection) > before


async def long_values_read(connection: AsyncConnection) -> int:
    """How often this connection has looked up a value that is stored outside the runs' rows."""
    query = sa.text(
        "select sum(pg_stat_get_xact_numscans(i.indexrelid)) from pg_class c"
        " join pg_index i on i.indrelid = c.reltoastrelid"
        " where c.oid = 'automation.automation_runs'::regclass"
    )
    return int((await connection.execute(query)).scalar_one())


async def test_runs_of_a_workspace_are_filtered_by_automation_state_and_time(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        if request.prompt == "fail":
            raise errors.ModelGone("it is gone")
        return answer("fine")

    agent.act = act
    good = (await rota.create(plan(step("one")), automation_id="good")).name
    bad = (await rota.create(plan(step("one", "fail")), automation_id="bad")).name
    clock.set(FIRST)
    await rota.ended(good)
    await rota.ended(bad)
    at = f"{FIRST:%Y-%m-%dT%H:%M:%SZ}"

    async def names(filter_: str) -> list[str]:
        return sorted(run.name.split("/")[3] for run in await listed(rota, filter_))

    assert await names("") == ["bad", "good"]
    assert await names("state = FAILED") == ["bad"]
    assert await names("automation = good") == ["good"]
    assert await names(f'automation != "{good}"') == ["bad"]
    assert await names(f'automation = bad AND state = FAILED AND create_time >= "{at}"') == ["bad"]
    assert await names("automation = bad AND state = SUCCEEDED") == []
    assert await names(f'create_time < "{at}"') == []
    assert await names("automation = good OR automation = bad") == ["bad", "good"]
    assert [r.name.split("/")[3] for r in await listed(rota, "automation = good", good)] == ["good"]


@pytest.mark.parametrize(
    ("filter_", "told"),
    [
        ("automation = nothing", "is no automation"),
        ('automation = "workspaces/other/automations/a"', "of this workspace"),
        ('automation = "a/b"', "no name of an automation"),
        ("automation < a", "takes = !="),
        ("session = s", "no session"),
        ('session = "workspaces/w/threads/x"', "no session"),
        ("session > 00000000-0000-4000-8000-000000000000", "takes = !="),
    ],
)
async def test_a_filter_by_what_is_not_there_is_refused(
    rota: Running, filter_: str, told: str
) -> None:
    request = pb.ListRunsRequest(parent=ALL, filter=filter_)
    refused = await refusal(rota.stub.ListRuns(request, metadata=rota.keys.user_headers()))
    (violation,) = refused.violations
    assert violation.field == "filter"
    assert told in violation.description


async def test_a_run_is_found_by_the_session_of_any_try(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    agent, left = SessionAgent(), [1]

    async def act(request: AgentTask) -> AgentResult:
        if ":one:" in request.request_id and left[0]:
            left[0] -= 1
            raise errors.ModelUnavailable("away")
        return answer()

    agent.act = act
    async with running(url, keys, clock=clock, agent=agent) as rota:
        said = plan(step("one"), step("two"), max_retries=1)
        run = await ran(rota, clock, said)
        sessions = [session_of(task.request_id) for task in agent.begun]
        first, again, second = sessions

        one, two = run.step_results
        assert (one.attempts, one.session_id, list(one.earlier_session_ids)) == (2, again, [first])
        assert (two.session_id, list(two.earlier_session_ids)) == (second, [])
        kept = one.session_expire_time.ToDatetime() - one.end_time.ToDatetime()
        assert kept == timedelta(days=30)
        for session in sessions:
            assert [r.name for r in await listed(rota, f"session = {session}")] == [run.name]
            thread = f"workspaces/w/threads/{session}"
            assert [r.name for r in await listed(rota, f'session = "{thread}"')] == [run.name]
            assert await listed(rota, f"session != {session}") == []
        assert await listed(rota, f"session = {uuid4()}") == []


async def test_a_run_at_work_is_found_by_its_session(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    gate = Gate()
    agent = SessionAgent(act=gate)
    async with running(url, keys, clock=clock, agent=agent) as rota:
        name = (await rota.create(plan(step("one")))).name
        clock.set(FIRST)
        await gate.entered.wait()
        session = session_of(agent.begun[0].request_id)

        async def found() -> list[pb.Run]:
            return await listed(rota, f"session = {session}")

        (run,) = await until(found)
        assert run.state == pb.Run.RUNNING
        (one,) = (await rota.run(run.name)).step_results
        assert (one.session_id, one.HasField("session_expire_time")) == (session, False)
        gate.opened.set()
        await rota.ended(name)


async def test_sessions_of_another_workspace_find_nothing(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    agent = SessionAgent()
    async with running(url, keys, clock=clock, agent=agent) as rota:
        await ran(rota, clock, plan(step("one")))
        session = session_of(agent.begun[0].request_id)
        token = keys.user_token("eve", {"elsewhere": "owner"})
        request = pb.ListRunsRequest(
            parent="workspaces/elsewhere/automations/-", filter=f"session = {session}"
        )
        found = await rota.call("ListRuns", request, headers=[("authorization", f"Bearer {token}")])
        assert not found.runs
        assert len(await listed(rota, f"session = {session}")) == 1


async def test_sessions_go_with_their_run(url: str, keys: Keys, clock: ManualClock) -> None:
    async with running(url, keys, clock=clock, agent=SessionAgent()) as rota:
        run = await ran(rota, clock, plan(step("one")))
        assert len(await execute(url, "select 1 from run_sessions")) == 1
        name = run.name.partition("/runs/")[0]
        await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=name))
        assert await execute(url, "select 1 from run_sessions") == []
