"""An MCP server in the models file: its tools are offered, asked for, edited and granted."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from devstack.postgres_roles import ServiceDatabases
from shared.rpc import struct
from tests.support.agent_ports import MemoryAutomations
from tests.support.chat import Chat, approval_of, approve, chat_service, edit, until
from tests.support.mcp_server import Shelf, mcp_server
from tests.support.refusals import refusal
from tests.support.tokens import Keys

FILE = """
models: [{{id: -1, display_name: demo, model: demo}}]
mcp_servers: [{{id: notes, url: "{url}", tools: {{search: never}}}}]
"""


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def noting(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    shelf: Shelf,
    tmp_path: Path,
) -> AsyncIterator[Chat]:
    async with mcp_server(shelf) as url:
        models = tmp_path / "models.yaml"
        models.write_text(FILE.format(url=url))
        async with chat_service(
            chat_databases, keys, demo.base_url, automations=automations, models_file=models
        ) as running:
            await until(lambda: _offered(running, keys))
            yield running


async def _offered(chat: Chat, keys: Keys) -> bool:
    listed = await chat.agent.ListCapabilities(
        agent_pb2.ListCapabilitiesRequest(),
        metadata=keys.service_headers("automation_service", audience="chat_service"),
    )
    return "notes_write" in {one.id for one in listed.capabilities}


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


async def _acts(chat: Chat) -> int:
    async with chat.engine.connect() as connection:
        found = await connection.execute(sa.select(sa.func.count()).select_from(tables.tool_acts))
    return int(found.scalar_one())
