"""An MCP server in the models file: its tools are offered, asked for, edited and granted."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb
from structlog.testing import capture_logs

from chat_service.persistence import tables
from chat_service.runtime.timeouts import Timeouts
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.rpc import status
from shared.rpc.messages import struct
from tests.chat_service.conftest import no_wait
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.servers.mcp_server import Shelf, mcp_server, served
from tests.support.servers.odd_mcp import OddMcp, tool
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.service_parts.retries import retries
from tests.support.system.chat import (
    WORKSPACE,
    Chat,
    approval_of,
    approve,
    chat_service,
    edit,
    told,
    until,
)

FILE = """
models: [{{id: -1, display_name: demo, model: demo}}]
mcp_servers: [{{id: notes, url: "{url}", tools: {{search: never}}}}]
"""


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


Start = Callable[..., AbstractAsyncContextManager[Chat]]


@pytest.fixture
async def start(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    shelf: Shelf,
    tmp_path: Path,
) -> AsyncIterator[Start]:
    """Starts the service, and starts it again, on one database."""
    async with mcp_server(shelf) as url:
        models = tmp_path / "models.yaml"
        models.write_text(FILE.format(url=url))
        yield partial(
            chat_service,
            chat_databases,
            keys,
            demo.base_url,
            automations=automations,
            models_file=models,
        )


@pytest.fixture
async def noting(start: Start) -> AsyncIterator[Chat]:
    async with start() as running:
        yield running


async def _offered(chat: Chat, keys: Keys) -> bool:
    listed = await chat.agent.ListCapabilities(
        agent_pb2.ListCapabilitiesRequest(),
        metadata=keys.service_headers("automation_service", audience="chat_service"),
    )
    return "notes_write" in {one.id for one in listed.capabilities}


async def _task(chat: Chat, keys: Keys) -> agent_pb2.TaskResult:
    """What becomes of one that searches the notes."""
    call = {"name": "notes_search", "args": {"words": "late"}}
    request = agent_pb2.RunTaskRequest(
        request_id=f"{uuid4()}:step:1",
        workspace=WORKSPACE,
        on_behalf_of="users/ada",
        prompt=f"go <<calls={json.dumps([call])}>>",
        tools=["notes_search"],
    )
    headers = keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace="w"
    )
    events = [event async for event in chat.agent.RunTask(request, metadata=headers)]
    result: agent_pb2.TaskResult = events[-1].result
    return result


def writing(text: str) -> str:
    call = {"name": "notes_write", "args": {"title": "a", "text": text}}
    return f"go <<calls={json.dumps([call])}>>"


async def test_a_tool_of_a_server_asks_and_is_called_as_edited(noting: Chat, shelf: Shelf) -> None:
    approval = approval_of(await noting.send(writing("b")))
    assert (approval.action_type, approval.summary) == ("tool_call", "Use notes_write")
    payload: dict[str, Any] = struct.to_json(approval.payload)

    wrong = {**payload, "arguments": {"title": "a", "text": 7}}
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[edit(approval, wrong)], request_id=str(uuid4())
    )
    refused = await refusal(noting.stub.ResumeTurn(request, metadata=noting.metadata))
    assert [v.field for v in refused.violations] == ["decisions[0].edit.payload.arguments.text"]
    assert not shelf.written

    payload["arguments"]["text"] = "c"
    events = await noting.resume(approval.turn, edit(approval, payload))

    assert events[-1].WhichOneof("event") == "completed"
    assert shelf.written == [("a", "c")]


async def test_another_tool_can_not_be_slipped_in(noting: Chat, shelf: Shelf) -> None:
    approval = approval_of(await noting.send(writing("b")))
    payload = {**struct.to_json(approval.payload), "tool": "notes_burn"}
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[edit(approval, payload)], request_id=str(uuid4())
    )

    refused = await refusal(noting.stub.ResumeTurn(request, metadata=noting.metadata))

    assert [v.field for v in refused.violations] == ["decisions[0].edit.payload.tool"]
    assert not shelf.written


async def test_that_an_act_was_begun_is_kept_as_long_as_its_turn_goes_on(
    noting: Chat, shelf: Shelf
) -> None:
    approval = approval_of(await noting.send(writing("b")))
    await noting.resume(approval.turn, approve(approval))
    assert (await _acts(noting), shelf.written) == (1, [("a", "b")])

    await noting.service.tick()

    assert await _acts(noting) == 0


async def test_a_start_waits_for_what_its_servers_offer(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    tmp_path: Path,
) -> None:
    slow = OddMcp(hangs=True, pages=[[tool("search")]])
    models = tmp_path / "models.yaml"

    async def think() -> None:
        await until(lambda: _asked(slow))
        await asyncio.sleep(0.3)
        slow.hangs = False

    async with served(slow) as url, asyncio.TaskGroup() as group:
        models.write_text(FILE.format(url=url))
        group.create_task(think())
        async with chat_service(
            chat_databases, keys, demo.base_url, automations=automations, models_file=models
        ) as chat:
            result = await _task(chat, keys)

    assert not result.HasField("error")
    assert [call["name"] for call in slow.called] == ["search"]


async def _asked(odd: OddMcp) -> bool:
    return bool(odd.headers)


async def test_a_server_that_is_away_at_a_restart_keeps_its_tools(
    start: Start, keys: Keys, shelf: Shelf
) -> None:
    async with start():
        pass
    shelf.away = True

    async with start() as chat:
        assert await _offered(chat, keys)
        away = await _task(chat, keys)
        shelf.away = False
        back = await _task(chat, keys)

    assert not away.HasField("error")
    assert not back.HasField("error")
    assert shelf.searched == ["late"]


async def test_what_is_approved_after_a_restart_waits_for_its_server(
    start: Start, shelf: Shelf
) -> None:
    async with start() as chat:
        approval = approval_of(await chat.send(writing("b")))
    shelf.away = True

    async def comes_back(_: float) -> None:
        shelf.away = False

    async with start(retry=retries(comes_back)) as chat:
        events = await chat.resume(approval.turn, approve(approval))

    assert events[-1].WhichOneof("event") == "completed"
    assert _outcomes(events) == [pb.ToolCallFinished.OK]
    assert shelf.written == [("a", "b")]


async def test_an_act_whose_server_stays_away_is_told_as_not_done(
    start: Start, shelf: Shelf
) -> None:
    async with start() as chat:
        approval = approval_of(await chat.send(writing("b")))
    shelf.away = True

    async with start(retry=retries(no_wait)) as chat:
        events = await chat.resume(approval.turn, approve(approval))

    assert events[-1].WhichOneof("event") == "completed"
    assert _outcomes(events) == [pb.ToolCallFinished.ERROR]
    said = next(e.tool_call_finished for e in events if e.HasField("tool_call_finished"))
    assert said.output["message"] == "notes can't be reached, so nothing was done"
    assert not shelf.written


async def test_a_server_that_was_never_reached_is_no_tool_that_is_gone(
    start: Start, keys: Keys, shelf: Shelf, timeouts: Timeouts
) -> None:
    shelf.away = True

    async with start(timeouts=replace(timeouts, mcp_refresh_interval=0.2)) as chat:
        failed = await _task(chat, keys)
        assert not await _offered(chat, keys)
        shelf.away = False
        await until(lambda: _offered(chat, keys))
        found = await _task(chat, keys)

    assert status.from_status(failed.error).reason == "SERVICE_UNAVAILABLE"
    assert not found.HasField("error")


async def test_a_server_that_hangs_does_not_keep_the_service_from_serving(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    tmp_path: Path,
    timeouts: Timeouts,
) -> None:
    hurried = replace(timeouts, mcp_startup_limit=0.2)
    models = tmp_path / "models.yaml"
    async with served(OddMcp(hangs=True)) as url:
        models.write_text(FILE.format(url=url))
        with capture_logs() as logs:
            async with chat_service(
                chat_databases,
                keys,
                demo.base_url,
                automations=automations,
                models_file=models,
                timeouts=hurried,
            ) as chat:
                events = await chat.send("hello")

    assert events[-1].WhichOneof("event") == "completed"
    told = [line for line in logs if line["event"] == "mcp_servers_not_awaited"]
    assert [line["servers"] for line in told] == [["notes"]]


async def test_a_turn_is_cancelled_while_a_server_that_died_is_waited_for(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    tmp_path: Path,
) -> None:
    dead = OddMcp(pages=[[tool("search")]], answer=lambda _: None, clings=True)
    models = tmp_path / "models.yaml"
    async with served(dead) as url:
        models.write_text(FILE.format(url=url))
        async with chat_service(
            chat_databases, keys, demo.base_url, automations=automations, models_file=models
        ) as chat:
            call = chat.stream(f"go <<calls={json.dumps([{'name': 'notes_search', 'args': {}}])}>>")
            first = await anext(aiter(call))
            await until(lambda: _called(dead))
            cancelling = pb.CancelTurnRequest(name=first.started.turn)
            # long before the call's own minute is over, or a client gives up on taking leave
            async with asyncio.timeout(30):
                await chat.stub.CancelTurn(cancelling, metadata=chat.metadata)
                events = await told(call)

    assert events[-1].HasField("cancelled")


async def _called(odd: OddMcp) -> bool:
    return bool(odd.called)


def _outcomes(events: list[pb.TurnEvent]) -> list[int]:
    return [e.tool_call_finished.outcome for e in events if e.HasField("tool_call_finished")]


async def _acts(chat: Chat) -> int:
    async with chat.engine.connect() as connection:
        found = await connection.execute(sa.select(sa.func.count()).select_from(tables.tool_acts))
    return int(found.scalar_one())
