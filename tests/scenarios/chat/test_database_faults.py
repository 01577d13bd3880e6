"""The database drops connections in the middle of a turn."""

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.adapters.stores import ApprovalStore, ToolCallStore
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from tests.chat_service.conftest import Serving
from tests.support.servers.mcp_server import Shelf, mcp_server
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve, kinds, said, until


def drop_connections(databases: ServiceDatabases) -> int:
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        row = connection.execute(
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_turn_goes_on_when_its_connections_are_dropped(
    chat: Chat, demo: DemoServer, chat_databases: ServiceDatabases
) -> None:
    demo.controls.hold(after=3, kind="chat")
    call = chat.stream("<<tokens=9>> go on")
    frames = aiter(call)
    started = (await anext(frames)).started
    await demo.controls.until_held()
    assert drop_connections(chat_databases) > 0
    demo.controls.release()
    rest = [event async for event in frames]
    assert rest[-1].WhichOneof("event") == "completed"
    stored = await chat.watch(started.turn)
    assert [e.sequence for e in stored] == list(range(1, len(stored) + 1))
    assert stored[1:] == rest
    assert kinds(stored).count("completed") == 1
    assert said(stored) == rest[-1].completed.message.parts[-1].text


async def test_a_call_after_the_drop_is_served(
    chat: Chat, chat_databases: ServiceDatabases
) -> None:
    await chat.send("hello")
    assert drop_connections(chat_databases) > 0
    events = await chat.send("hello")
    assert events[-1].WhichOneof("event") == "completed"


class Cut:
    """Has the server close the connection of a store's method the first two times it is used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: type, method: str) -> None:
        self.times = 0
        within: ContextVar[bool] = ContextVar("within", default=False)
        whole = getattr(store, method)
        run = AsyncConnection.execute

        async def used(store: Any, *given: Any) -> Any:
            token = within.set(self.times < 2)
            try:
                return await whole(store, *given)
            finally:
                within.reset(token)

        async def execute(connection: AsyncConnection, *given: Any, **more: Any) -> Any:
            if within.get():
                self.times += 1
                await run(connection, sa.text("select pg_terminate_backend(pg_backend_pid())"))
            return await run(connection, *given, **more)

        monkeypatch.setattr(store, method, used)
        monkeypatch.setattr(AsyncConnection, "execute", execute)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], Cut]:
    return lambda store, method: Cut(monkeypatch, store, method)


def finished(events: list[pb.TurnEvent]) -> list[pb.ToolCallFinished]:
    return [e.tool_call_finished for e in events if e.HasField("tool_call_finished")]


@pytest.mark.parametrize("method", ["get", "set_resource"])
async def test_an_approved_act_is_done_once_when_its_connection_is_cut(
    serve: Serving, automations: MemoryAutomations, cut: Callable[[type, str], Cut], method: str
) -> None:
    chat = await serve()
    approval = approval_of(await chat.send(SCHEDULE))
    cuts = cut(ApprovalStore, method)

    events = await chat.resume(approval.turn, approve(approval))

    assert cuts.times == 2
    assert events[-1].HasField("completed")
    (result,) = finished(events)
    assert result.outcome == pb.ToolCallFinished.OK
    assert list(automations.held) == [result.resource]
    kept = await chat.stub.GetApproval(
        pb.GetApprovalRequest(name=approval.name), metadata=chat.metadata
    )
    assert kept.resource == result.resource


@pytest.mark.parametrize("method", ["find", "store"])
async def test_a_card_is_shown_once_when_its_connection_is_cut(
    serve: Serving, demo: DemoServer, cut: Callable[[type, str], Cut], method: str
) -> None:
    chat = await serve()
    cuts = cut(ApprovalStore, method)

    events = await chat.send(SCHEDULE)

    assert cuts.times == 2
    assert kinds(events).count("approval_requested") == 1
    assert len(demo.controls.log("drafter")) == 1


@pytest.mark.parametrize("rule", ["always", "never"])
async def test_a_tool_acts_once_when_the_connection_of_its_beginning_is_cut(
    serve: Serving, cut: Callable[[type, str], Cut], tmp_path: Path, rule: str
) -> None:
    shelf = Shelf()
    async with mcp_server(shelf) as url:
        models = tmp_path / "models.yaml"
        models.write_text(
            "models: [{id: -1, display_name: demo, model: demo}]\n"
            f'mcp_servers: [{{id: notes, url: "{url}", tools: {{write: {rule}}}}}]\n'
        )
        chat = await serve(models_file=models)
        call = '[{"name": "notes_write", "args": {"title": "a", "text": "b"}}]'
        cuts = cut(ToolCallStore, "claim")
        events = await wanted(chat, f"go <<calls={call}>>")
        if rule == "always":
            approval = approval_of(events)
            events = await chat.resume(approval.turn, approve(approval))

    assert cuts.times == 2
    assert finished(events)[0].outcome == pb.ToolCallFinished.OK
    assert shelf.written == [("a", "b")]


async def wanted(chat: Chat, text: str) -> list[pb.TurnEvent]:
    """What is told of a call of a tool, once its server was found."""
    found: list[pb.TurnEvent] = []

    async def called() -> bool:
        found[:] = await chat.send(text)
        return "tool_call_started" in kinds(found)

    await until(called)
    return found
