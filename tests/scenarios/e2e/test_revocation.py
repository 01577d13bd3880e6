"""A member who loses access: open streams end, and what acts for the member stops."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import automation_pb2 as pb
from rota.chat.v1 import chat_pb2

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.rpc import status
from tests.scenarios.e2e.test_authors import create, naming, run_at_nine
from tests.scenarios.e2e.test_road import SLOT
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import WORKSPACE, asking, until
from tests.support.system.pair import Pair, pair

HEARTBEAT = 0.1
REVOKED = "update memberships set revoked_time = now() where user_id = 'bob'"
DEMOTED = "update memberships set role = 'viewer' where user_id = 'bob'"
Metadata = list[tuple[str, str]]


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    async with pair(
        both_databases, keys, demo.base_url, clock, heartbeat_seconds=HEARTBEAT
    ) as running:
        yield running


@pytest.fixture
async def quiet_road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    """Two services whose streams have no heartbeat while a test runs."""
    async with pair(both_databases, keys, demo.base_url, clock) as running:
        yield running


@pytest.fixture
def bob(keys: Keys) -> Metadata:
    return keys.user_headers("bob", workspaces={"w": "editor"})


async def lose(road: Pair, statement: str, schema: str = "") -> None:
    """What an operator does in both schemas, or in one."""
    for db in (road.chat.engine, road.automation.db):
        async with db.begin() as connection:
            at = await connection.exec_driver_sql("select current_schema()")
            if schema in ("", at.scalar()):
                await connection.exec_driver_sql(statement)


async def held_turn(road: Pair, demo: DemoServer, metadata: Metadata) -> tuple[Any, str]:
    """A stream of a turn whose model has said a part of its answer, and the turn."""
    demo.controls.hold(after=1, kind="chat")
    call = road.chat.stub.SendMessage(asking("say hello"), metadata=metadata)
    async for event in call:
        if event.HasField("started"):
            turn = event.started.turn
        if event.HasField("text_delta"):
            return call, turn
    raise AssertionError("the turn said nothing")


async def first(call: Any) -> None:
    """Waits for the first frame of a stream."""
    async for _ in call:
        return


async def rest(call: Any) -> list[Any]:
    """The frames that a stream still brings."""
    return [event async for event in call if event.WhichOneof("event") != "heartbeat"]


async def sends(road: Pair, demo: DemoServer, keys: Keys, bob: Metadata) -> Any:
    return (await held_turn(road, demo, bob))[0]


async def watches(road: Pair, demo: DemoServer, keys: Keys, bob: Metadata) -> Any:
    _, turn = await held_turn(road, demo, road.metadata)
    call = road.chat.stub.WatchTurn(chat_pb2.WatchTurnRequest(name=turn), metadata=bob)
    await first(call)
    return call


async def watches_a_run(road: Pair, demo: DemoServer, keys: Keys, bob: Metadata) -> Any:
    demo.controls.hold(kind="task")
    found = await create(road, naming(""), road.metadata)
    road.clock.set(SLOT + timedelta(milliseconds=5))
    runs: list[Any] = []

    async def started() -> bool:
        request = pb.ListRunsRequest(parent=found.name)
        listed = await road.automations.ListRuns(request, metadata=road.metadata)
        runs[:] = listed.runs
        return bool(runs)

    await until(started)
    call = road.automations.WatchRun(pb.WatchRunRequest(name=runs[0].name), metadata=bob)
    await first(call)
    return call


async def runs_a_task(road: Pair, demo: DemoServer, keys: Keys, bob: Metadata) -> Any:
    demo.controls.hold(kind="task")
    call = road.chat.agent.RunTask(task(), metadata=service(keys))
    await first(call)
    return call


def task() -> agent_pb2.RunTaskRequest:
    return agent_pb2.RunTaskRequest(
        workspace=WORKSPACE,
        on_behalf_of="users/bob",
        prompt="Say hello.",
        request_id=f"{uuid4()}:step:1",
    )


def service(keys: Keys) -> Metadata:
    return keys.service_headers(
        "automation_service", audience="chat_service", user="bob", workspace="w"
    )


@pytest.mark.parametrize("opens", [sends, watches, watches_a_run, runs_a_task])
async def test_an_open_stream_of_a_revoked_member_ends(
    road: Pair, demo: DemoServer, keys: Keys, bob: Metadata, opens: Any
) -> None:
    call = await opens(road, demo, keys, bob)
    await lose(road, REVOKED)
    refused = await refusal(rest(call))
    assert refused.reason == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("opens", [sends, runs_a_task])
async def test_an_open_stream_ends_when_the_role_of_today_is_too_low(
    road: Pair, demo: DemoServer, keys: Keys, bob: Metadata, opens: Any
) -> None:
    call = await opens(road, demo, keys, bob)
    await lose(road, DEMOTED)
    refused = await refusal(rest(call))
    assert (refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        {"role": "viewer", "needs": "editor"},
    )


@pytest.mark.parametrize(
    ("change", "reason"), [(REVOKED, "RESOURCE_NOT_FOUND"), (DEMOTED, "PERMISSION_DENIED")]
)
@pytest.mark.parametrize("opens", [sends, runs_a_task])
async def test_a_stream_is_refused_before_its_turn_fails(
    quiet_road: Pair,
    demo: DemoServer,
    keys: Keys,
    bob: Metadata,
    opens: Any,
    change: str,
    reason: str,
) -> None:
    call = await opens(quiet_road, demo, keys, bob)
    await lose(quiet_road, change)
    assert (await refusal(rest(call))).reason == reason


@pytest.mark.parametrize("opens", [watches, watches_a_run])
async def test_an_open_stream_that_a_viewer_may_read_goes_on(
    road: Pair, demo: DemoServer, keys: Keys, bob: Metadata, opens: Any
) -> None:
    call = await opens(road, demo, keys, bob)
    await lose(road, DEMOTED)
    demo.controls.release()
    events = await rest(call)
    assert events[-1].WhichOneof("event") in ("completed", "ended")


@pytest.mark.parametrize("opens", [watches, watches_a_run])
async def test_an_open_stream_ends_when_its_token_expires(
    road: Pair, demo: DemoServer, keys: Keys, opens: Any
) -> None:
    # The leeway of 30 seconds has all but passed.
    soon = keys.user_headers("bob", workspaces={"w": "editor"}, expires_in=timedelta(seconds=-27))
    call = await opens(road, demo, keys, soon)
    assert (await refusal(rest(call))).reason == "UNAUTHENTICATED"


async def test_a_turn_of_a_revoked_member_stops_for_all_who_watch_it(
    road: Pair, demo: DemoServer, bob: Metadata
) -> None:
    _, turn = await held_turn(road, demo, bob)
    watcher = road.chat.stub.WatchTurn(chat_pb2.WatchTurnRequest(name=turn), metadata=road.metadata)
    await first(watcher)
    await lose(road, REVOKED, "chat")
    events = await rest(watcher)
    error = status.from_status(events[-1].failed.status)
    assert (error.reason, error.metadata) == ("CREATOR_ACCESS_LOST", {"user": "bob"})


@pytest.mark.parametrize("schema", ["chat", "automation"])
@pytest.mark.parametrize("loss", [REVOKED, DEMOTED])
async def test_a_run_in_progress_stops_when_its_author_loses_access_in_either_service(
    road: Pair, demo: DemoServer, keys: Keys, bob: Metadata, schema: str, loss: str
) -> None:
    demo.controls.hold(kind="task")
    found = await create(road, naming(""), bob)
    road.clock.set(SLOT + timedelta(milliseconds=5))

    async def asked() -> bool:
        return bool(demo.controls.log("task"))

    await until(asked)
    await lose(road, loss, schema)
    run = await run_at_nine(road, found.name)
    error = status.from_status(run.error)
    assert (run.state, error.reason) == (pb.Run.FAILED, "CREATOR_ACCESS_LOST")
    assert [step.status for step in run.step_results] == [pb.StepResult.FAILED]

    async def stopped() -> bool:
        t = "select count(*) from turns where state = 'running'"
        async with road.chat.engine.connect() as connection:
            return (await connection.exec_driver_sql(t)).scalar() == 0

    await until(stopped)
