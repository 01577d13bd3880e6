"""Subagents and capabilities in chats, over the wire: frames, cards, takeovers, what is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.rpc.messages import struct
from tests.support.credentials.tokens import Keys
from tests.support.servers.mcp_server import Shelf, mcp_server
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import Chat, approve, chat_service, kinds, reject, said, until

FILE = """
models: [{{id: -1, display_name: demo, model: demo}}]
mcp_servers: [{{id: notes, url: "{url}", tools: {{search: never}}}}]
tools: {{fetch_url: always}}
"""
TWO = "ask the researcher what time it is and also ask the researcher to tell me a joke"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def replicas(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    shelf: Shelf,
    tmp_path: Path,
) -> AsyncIterator[Any]:
    """Starts a replica; each knows the tools of the shelf when it serves."""

    async def offered(chat: Chat) -> bool:
        listed = await chat.agent.ListCapabilities(
            agent_pb2.ListCapabilitiesRequest(),
            metadata=keys.service_headers("automation_service", audience="chat_service"),
        )
        return "notes_write" in {one.id for one in listed.capabilities}

    async with mcp_server(shelf) as url:
        models = tmp_path / "models.yaml"
        models.write_text(FILE.format(url=url))

        def start() -> Any:
            return chat_service(
                chat_databases, keys, demo.base_url, automations=automations, models_file=models
            )

        start.ready = lambda chat: until(lambda: offered(chat))  # type: ignore[attr-defined]
        yield start


@pytest.fixture
async def chat(replicas: Any) -> AsyncIterator[Chat]:
    async with replicas() as running:
        await replicas.ready(running)
        yield running


def cards(events: list[pb.TurnEvent]) -> list[pb.Approval]:
    return [e.approval_requested.approval for e in events if e.HasField("approval_requested")]


def writing(*texts: str) -> str:
    """Has a subagent for each text write it as a note."""
    wanted = []
    for text in texts:
        call = [{"name": "notes_write", "args": {"title": text, "text": text}}]
        task = f"write it <<calls={json.dumps(call)}>>"
        wanted.append({"name": "delegate", "args": {"subagent": "researcher", "task": task}})
    # a directive inside a directive is escaped
    asked = json.dumps(wanted).replace("<", "\\u003c").replace(">", "\\u003e")
    return f"go <<calls={asked}>>"


async def checkpoints(chat: Chat, turn: str) -> int:
    async with chat.engine.connect() as connection:
        found = await connection.execute(
            sa.text("select count(*) from chat.checkpoints where thread_id like :turn"),
            {"turn": f"{turn.rpartition('/')[2]}%"},
        )
    return int(found.scalar_one())


async def test_the_main_agent_has_the_capabilities_with_their_rules(chat: Chat) -> None:
    told = await chat.send("what time is it?")
    assert said(told) == "It is Monday, 2026-11-23T08:00:00+00:00."

    (card,) = cards(await chat.send("read https://example.org/ please"))
    assert (card.action_type, card.summary) == ("tool_call", "Use fetch_url")

    without = await chat.send("what time is it?", disabled_tools=["now"])
    assert "tool_call_started" not in kinds(without)


async def test_subagents_show_their_steps_and_leave_the_message_to_the_agent(
    chat: Chat, demo: DemoServer
) -> None:
    events = await chat.send(TWO)

    steps = {e.step.id: e.step for e in events if e.HasField("step")}
    assert list(steps["researcher-1"].items) == ["now"]
    assert steps["researcher-1"].state == steps["researcher-2"].state == pb.Step.COMPLETED
    done = events[-1].completed.message
    assert [part.tool_call.tool for part in done.parts if part.HasField("tool_call")] == [
        "delegate",
        "delegate",
    ]
    assert said(events) == done.parts[-1].text
    assert said(events).count("The researcher says") == 2
    # the title's call is counted too
    asked = demo.controls.log()
    turn = await chat.turn(events[0].started.turn)
    assert turn.usage.input_tokens > 0
    assert len(asked) == 6
    await until(lambda: _gone(chat, events[0].started.turn))


async def _gone(chat: Chat, turn: str) -> bool:
    return await checkpoints(chat, turn) == 0


async def test_cards_of_subagents_are_decided_each_for_itself(chat: Chat, shelf: Shelf) -> None:
    events = await chat.send(writing("a", "b"))

    assert events[-1].WhichOneof("event") == "suspended"
    asked = {struct.to_json(one.payload)["arguments"]["title"]: one for one in cards(events)}
    started = [e.tool_call_started.tool_call_id for e in events if e.HasField("tool_call_started")]
    assert sorted(one.tool_call_id for one in asked.values()) == sorted(started)
    assert {struct.to_json(one.context)["subagent"] for one in asked.values()} == {"researcher"}
    turn = asked["a"].turn

    decided = pb.DecideApprovalRequest(
        name=asked["a"].name, decision=reject(asked["a"], "no"), request_id=str(uuid4())
    )
    await chat.stub.DecideApproval(decided, metadata=chat.metadata)
    assert (await chat.turn(turn)).state == pb.Turn.AWAITING_APPROVAL
    resumed = await chat.resume(turn, approve(asked["b"]))

    assert resumed[-1].WhichOneof("event") == "completed"
    assert shelf.written == [("b", "b")]
    answers = [
        struct.to_json(e.tool_call_finished.output)["answer"]
        for e in resumed
        if e.HasField("tool_call_finished")
    ]
    assert sorted("rejected" in answer for answer in answers) == [False, True]


async def test_another_replica_goes_on_with_every_subagent(
    replicas: Any, demo: DemoServer, shelf: Shelf
) -> None:
    async with replicas() as first:
        await replicas.ready(first)
        demo.controls.hold(kind="task", after=0)
        call = first.stream(writing("a", "b"))
        turn = (await anext(aiter(call))).started.turn
        await until(lambda: _asked(demo, 2))
    demo.controls.release()
    async with replicas() as second:
        await replicas.ready(second)
        events = await second.watch_for(turn, "suspended")
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))
        found = cards(events)
        assert len(found) == 2
        resumed = await second.resume(turn, *(approve(one) for one in found))

    assert resumed[-1].WhichOneof("event") == "completed"
    assert sorted(shelf.written) == [("a", "a"), ("b", "b")]


async def _asked(demo: DemoServer, times: int) -> bool:
    return len(demo.controls.log("task")) >= times


async def test_a_cancelled_turn_takes_its_subagents_with_it(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="task")
    call = chat.stream(TWO)
    turn = (await anext(aiter(call))).started.turn
    await until(lambda: _asked(demo, 2))

    cancelled = await chat.stub.CancelTurn(pb.CancelTurnRequest(name=turn), metadata=chat.metadata)

    assert cancelled.state == pb.Turn.CANCELLED
    for seen in demo.controls.log("task"):
        async with asyncio.timeout(60):
            assert await demo.controls.until_over(seen) == "abandoned"
    demo.controls.release()
    # what hangs in the air is told as unknown, and the answer as stopped, so the thread can go on
    after = await chat.send("hello", name=turn.partition("/turns/")[0])
    assert after[-1].WhichOneof("event") == "completed"
    roles = demo.controls.log("chat")[-1].roles
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
