"""An MCP server asks a person within a call: the question waits like an approval."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb
from structlog.testing import capture_logs

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.rpc.messages import struct
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.servers.asking_mcp import SEATS, Desk, asking_server
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import (
    START,
    WORKSPACE,
    Chat,
    approval_of,
    approve,
    chat_service,
    edit,
    reject,
)

FILE = """
models: [{{id: -1, display_name: demo, model: demo}}]
mcp_servers: [{{id: desk, url: "{url}", tools: {{look: never}}}}]
subagents: [{{name: clerk, description: books, instructions: Book.}}]
"""

Start = Callable[..., AbstractAsyncContextManager[Chat]]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def start(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    desk: Desk,
    tmp_path: Path,
) -> AsyncIterator[Start]:
    """Starts the service, and starts it again, on one database."""
    async with asking_server(desk) as url:
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
async def chat(start: Start) -> AsyncIterator[Chat]:
    async with start() as running:
        yield running


def calling(*tools: str) -> str:
    return f"go <<calls={json.dumps([{'name': f'desk_{one}', 'args': {}} for one in tools])}>>"


def outputs(events: list[pb.TurnEvent]) -> list[dict[str, Any]]:
    return [
        struct.to_json(e.tool_call_finished.output)
        for e in events
        if e.HasField("tool_call_finished")
    ]


async def faults(chat: Chat, decision: pb.Decision, turn: str) -> list[tuple[str, str]]:
    request = pb.ResumeTurnRequest(name=turn, decisions=[decision], request_id=str(uuid4()))
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    return [(v.field, v.description) for v in refused.violations]


async def test_a_question_is_shown_answered_and_given_to_its_server(chat: Chat, desk: Desk) -> None:
    asked = approval_of(await chat.send(calling("look")))

    assert (asked.action_type, asked.summary) == ("question", "desk asks: How many seats?")
    context = struct.to_json(asked.context)
    assert context == {"server": "desk", "tool": "desk_look", "message": "How many seats?"}
    assert struct.to_json(asked.payload) == {"class": "second"}
    assert desk.announced == [{"elicitation": {"form": {}}}]
    assert desk.answers == []  # the attempt did not go on

    events = await chat.resume(asked.turn, edit(asked, {"seats": 2, "until": "2026-12-24"}))

    assert events[-1].WhichOneof("event") == "completed"
    assert desk.answers == ["accept {'seats': 2, 'until': '2026-12-24'}"]
    assert outputs(events) == [{"text": desk.answers[0]}]
    first, again = desk.began
    assert first == again


async def test_what_does_not_fit_is_refused_at_its_field_and_can_be_mended(
    chat: Chat, desk: Desk
) -> None:
    asked = approval_of(await chat.send(calling("look")))
    payload = "decisions[0].edit.payload"

    found = [
        await faults(chat, decision, asked.turn)
        for decision in (
            approve(asked),
            edit(asked, {"class": "first"}),
            edit(asked, {"seats": "two"}),
            edit(asked, {"seats": 2.5}),
            edit(asked, {"seats": 12}),
            edit(asked, {"seats": 2, "until": "soon"}),
            edit(asked, {"seats": 2, "class": "third"}),
            edit(asked, {"seats": 2, "more": True}),
        )
    ]

    assert [[field.removeprefix(payload) for field, _ in one] for one in found] == [
        [".seats"],
        [".seats"],
        [".seats"],
        [".seats"],
        [".seats"],
        [".until"],
        [".class"],
        [""],
    ]
    assert found[0][0][1] == "is required"
    await chat.resume(asked.turn, edit(asked, {"seats": 3}))
    assert desk.answers == ["accept {'seats': 3}"]


async def test_a_rejection_declines_and_the_model_reads_why(chat: Chat, desk: Desk) -> None:
    asked = approval_of(await chat.send(calling("look")))

    events = await chat.resume(asked.turn, reject(asked, "ask my secretary"))

    assert desk.answers == ["decline"]
    told = "desk asked a person something; the person declined: ask my secretary"
    assert outputs(events) == [{"text": "decline", "questions_to_person": told}]


async def test_an_unanswered_question_expires_with_its_turn(start: Start, desk: Desk) -> None:
    clock = ManualClock(START)
    async with start(clock=clock) as chat:
        events = await chat.send(calling("look"))
        asked = approval_of(events)
        clock.advance(timedelta(days=8))
        await chat.service.tick()
        events = await chat.watch(asked.turn, events[-1].sequence)

    assert events[-1].WhichOneof("event") == "cancelled"
    assert outputs(events)[-1] == {
        "status": "rejected",
        "reason": "expired",
        "message": "Nobody answered the question of the tool in time, so the call was given up.",
    }
    assert desk.answers == []


async def test_an_act_that_asks_is_approved_once_and_each_question_by_itself(
    start: Start, desk: Desk
) -> None:
    desk.questions = [("How many seats?", SEATS), ("Really?", {"type": "object", "properties": {}})]
    async with start() as chat:
        act = approval_of(await chat.send(calling("book")))
        assert act.action_type == "tool_call"
    async with start() as chat:
        first = approval_of(await chat.resume(act.turn, approve(act)))
        assert desk.began
        assert first.action_type == "question"
    async with start() as chat:
        second = approval_of(await chat.resume(act.turn, edit(first, {"seats": 1})))
        assert struct.to_json(second.context)["message"] == "Really?"
    async with start() as chat:
        events = await chat.resume(act.turn, approve(second))

    assert events[-1].WhichOneof("event") == "completed"
    assert desk.answers == ["accept {'seats': 1}; accept {}"]
    assert len(set(desk.began)) == 1
    assert len(desk.began) == 3


async def test_a_call_asks_three_questions_at_most(chat: Chat, desk: Desk) -> None:
    desk.questions = [(f"Question {n}?", {"type": "object"}) for n in range(10)]
    events = await chat.send(calling("look"))
    for _ in range(3):
        asked = approval_of(events)
        events = await chat.resume(asked.turn, approve(asked))

    [output] = outputs(events)
    accepted = ["accept {}"] * 3
    refused = ["refused: a call may ask a person 3 questions"] * 7
    assert output["text"] == "; ".join(accepted + refused)
    assert output["questions_to_person"] == (
        "desk asked a person something; it was not put to anybody: "
        "a call may ask a person 3 questions"
    )


async def test_the_same_question_twice_is_two_questions(chat: Chat, desk: Desk) -> None:
    desk.questions *= 2
    first = approval_of(await chat.send(calling("look")))
    second = approval_of(await chat.resume(first.turn, edit(first, {"seats": 1})))
    await chat.resume(first.turn, edit(second, {"seats": 2}))

    assert desk.answers == ["accept {'seats': 1}; accept {'seats': 2}"]


async def test_calls_beside_each_other_get_their_own_answers(chat: Chat, desk: Desk) -> None:
    events = await chat.send(calling("look", "look"))
    asked = [e.approval_requested.approval for e in events if e.HasField("approval_requested")]
    events = await chat.resume(
        asked[0].turn, *(edit(one, {"seats": n}) for n, one in enumerate(asked, 4))
    )

    by_call = {one.tool_call_id: f"accept {{'seats': {n}}}" for n, one in enumerate(asked, 4)}
    finished = [e.tool_call_finished for e in events if e.HasField("tool_call_finished")]
    assert {one.tool_call_id: one.output["text"] for one in finished} == by_call


async def test_a_subagents_question_goes_to_the_person(chat: Chat, desk: Desk) -> None:
    task = {"name": "delegate", "args": {"subagent": "clerk", "task": calling("look")}}
    # a directive inside a directive is escaped
    asked_for = json.dumps([task]).replace("<", "\\u003c").replace(">", "\\u003e")
    asked = approval_of(await chat.send(f"go <<calls={asked_for}>>"))

    assert struct.to_json(asked.context)["subagent"] == "clerk"
    events = await chat.resume(asked.turn, edit(asked, {"seats": 5}))

    assert events[-1].WhichOneof("event") == "completed"
    assert desk.answers == ["accept {'seats': 5}"]


async def test_nobody_is_asked_in_a_task_and_its_model_reads_that(
    chat: Chat, keys: Keys, desk: Desk
) -> None:
    request = agent_pb2.RunTaskRequest(
        request_id=f"{uuid4()}:step:1",
        workspace=WORKSPACE,
        on_behalf_of="users/ada",
        prompt=calling("look"),
        tools=["desk_look"],
    )
    headers = keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace="w"
    )
    events = [event async for event in chat.agent.RunTask(request, metadata=headers)]

    assert not events[-1].result.HasField("error")
    assert desk.announced == [{}]
    assert desk.answers == ["refused: nobody can be asked here: a task runs unattended"]
    assert "nobody can be asked here" in str(events)


HOSTILE: list[tuple[Any, str]] = [
    ({"type": "array"}, "the schema is no object with fields"),
    ({"properties": {"a": {"type": "object", "properties": {}}}}, "a is no plain value"),
    ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "a is no plain value"),
    ({"properties": {"__proto__": {"type": "string"}}}, "a field has a name of other"),
    ({"properties": {f"a{n}": {"type": "string"} for n in range(21)}}, "there are more than 20"),
    ({"properties": {"a": {"type": "string", "enum": ["x\u202e"]}}}, "a has an option that can't"),
    ({"properties": {"a": {"type": "string", "enum": ["x"] * 101}}}, "a has no options, or more"),
    ({"properties": {"a": {"type": "number", "minimum": 2**70}}}, "a number is beyond"),
    ({"properties": {"a": {"type": "string", "format": "regex"}}}, "a has a format that is not"),
    ({"properties": {"a": {"type": "string"}}, "required": ["b"]}, "a field that is required"),
]


async def test_a_schema_that_can_not_be_shown_is_refused_in_words(chat: Chat, desk: Desk) -> None:
    desk.questions = [("?", schema) for schema, _ in HOSTILE]
    desk.addresses = ["https://bank.example.org"]

    events = await chat.send(calling("look"))

    [output] = outputs(events)
    found = output["text"].split("; ")
    expected = [*(said for _, said in HOSTILE), "a question is a form here; no address is opened"]
    assert not [
        (got, want)
        for got, want in zip("; ".join(found).split("refused: ")[1:], expected, strict=True)
        if not got.startswith(want)
    ]


async def test_a_question_for_a_secret_is_shown_with_a_warning_and_hidden_text_is_marked(
    chat: Chat, desk: Desk
) -> None:
    field = {"type": "string", "description": "x\u202e" * 900}
    desk.questions = [("Your pass\u200bword?" + "!" * 5_000, {"properties": {"api_key": field}})]

    asked = approval_of(await chat.send(calling("look")))

    context = struct.to_json(asked.context)
    assert context["message"].startswith("Your pass\ufffdword?")
    assert len(context["message"]) < 2_010
    assert len(context["warnings"]) == 1
    assert "secret" in context["warnings"][0]
    shown = struct.to_json(asked.payload_schema)["properties"]["api_key"]["description"]
    assert "\u202e" not in shown
    assert len(shown) <= 500


async def test_an_answer_is_in_no_log_and_no_checkpoint_and_no_model_reads_it(
    chat: Chat, desk: Desk, demo: DemoServer
) -> None:
    name = {"properties": {"name": {"type": "string"}}}
    desk.questions = [("Name?", name), ("Sure?", {})]
    desk.result = "booked"
    with capture_logs() as logs:
        asked = approval_of(await chat.send(calling("look")))
        sure = approval_of(await chat.resume(asked.turn, edit(asked, {"name": "Zaphod"})))
        kept = await _checkpoints_with(chat, "Zaphod")
        await chat.resume(asked.turn, approve(sure))

    assert desk.answers == ["accept {'name': 'Zaphod'}; accept {}"]
    assert kept == 0
    assert "Zaphod" not in str(logs)
    assert "booked" in str(demo.controls.log())
    assert "Zaphod" not in str(demo.controls.log())


async def _checkpoints_with(chat: Chat, text: str) -> int:
    query = """
        select (select count(*) from chat.checkpoint_writes where position(:text in blob) > 0)
             + (select count(*) from chat.checkpoint_blobs where position(:text in blob) > 0)
    """
    async with chat.engine.connect() as connection:
        return int(await connection.scalar(sa.text(query), {"text": text.encode()}) or 0)
