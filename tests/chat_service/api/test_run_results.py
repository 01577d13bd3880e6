"""Results of runs in threads: once, beside whatever else the thread does, where allowed."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2 as pb
from rota.chat.v1 import chat_pb2

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from shared.db import database
from tests.chat_service.api.test_tasks import shared_headers, task_of
from tests.chat_service.replica import waits_for_a_lock
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import (
    SCHEDULE,
    START,
    Chat,
    approval_of,
    kinds,
    reject,
    thread_of,
    told,
)

__all__ = ["shared_headers"]

Headers = list[tuple[str, str]]


def run_in(workspace: str) -> str:
    return f"{workspace}/automations/news/runs/r1"


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@pytest.fixture
def headers(shared_headers: Headers) -> Headers:
    return shared_headers


def result(thread: str, **fields: Any) -> pb.AddResultRequest:
    workspace = thread.partition("/threads/")[0]
    fields.setdefault("delivery", f"{run_in(workspace)}/deliveries/{uuid4()}")
    fields.setdefault("body", "# News\n\nNothing *new*.")
    return pb.AddResultRequest(
        workspace=workspace,
        thread=thread,
        automation_display_name="Morning news",
        subject="News of Monday",
        format=chat_pb2.RunResult.MARKDOWN,
        **fields,
    )


async def new_thread(chat: Chat) -> str:
    request = chat_pb2.CreateThreadRequest(parent=chat.workspace)
    made: chat_pb2.Thread = await chat.stub.CreateThread(request, metadata=chat.metadata)
    return made.name


async def add(chat: Chat, headers: Headers, request: pb.AddResultRequest) -> str:
    answer: pb.AddResultResponse = await chat.agent.AddResult(request, metadata=headers)
    return answer.message


async def messages_of(chat: Chat, thread: str) -> list[chat_pb2.Message]:
    """Oldest first."""
    request = chat_pb2.ListMessagesRequest(parent=thread)
    found = await chat.stub.ListMessages(request, metadata=chat.metadata)
    return [*reversed(found.messages)]


async def turns_of(chat: Chat, thread: str) -> list[chat_pb2.Turn]:
    """Oldest first."""
    request = chat_pb2.ListTurnsRequest(parent=thread)
    found = await chat.stub.ListTurns(request, metadata=chat.metadata)
    return [*reversed(found.turns)]


def shape(messages: list[chat_pb2.Message]) -> list[str]:
    """Of each message who says it, or `RESULT`."""
    return [
        "RESULT" if m.parts[0].HasField("run_result") else chat_pb2.Message.Role.Name(m.role)
        for m in messages
    ]


async def test_a_result_is_a_finished_turn_of_one_message(chat: Chat, headers: Headers) -> None:
    thread = await new_thread(chat)
    request = result(thread)
    name = await add(chat, headers, request)
    (message,) = await messages_of(chat, thread)
    assert (message.name, message.role) == (name, chat_pb2.Message.AGENT)
    (part,) = message.parts
    assert part.run_result == chat_pb2.RunResult(
        automation=f"{chat.workspace}/automations/news",
        automation_display_name="Morning news",
        run=run_in(chat.workspace),
        delivery=request.delivery,
        subject="News of Monday",
        body="# News\n\nNothing *new*.",
        format=chat_pb2.RunResult.MARKDOWN,
    )
    (turn,) = await turns_of(chat, thread)
    assert (turn.name, turn.state) == (message.turn, chat_pb2.Turn.SUCCEEDED)
    assert (turn.model_config_id, turn.HasField("usage")) == (0, False)
    assert turn.end_time == turn.create_time


async def test_the_turn_of_a_result_is_watched_as_any_other(chat: Chat, headers: Headers) -> None:
    thread = await new_thread(chat)
    await add(chat, headers, result(thread))
    (message,) = await messages_of(chat, thread)
    started, completed = await chat.watch(message.turn)
    assert (started.sequence, completed.sequence) == (1, 2)
    assert started.started.agent_message == message.name
    assert not started.started.user_message
    assert completed.completed.message == message
    assert await chat.watch(message.turn, after=2) == []


async def test_a_delivery_is_added_once_however_often_it_is_asked_for(
    chat: Chat, headers: Headers
) -> None:
    thread = await new_thread(chat)
    request = result(thread)
    names = await asyncio.gather(*(add(chat, headers, request) for _ in range(12)))
    request.body = "Said otherwise by now."
    names.append(await add(chat, headers, request))
    assert len(set(names)) == 1
    (message,) = await messages_of(chat, thread)
    assert message.parts[0].run_result.body == "# News\n\nNothing *new*."


async def test_two_threads_have_a_delivery_each(chat: Chat, headers: Headers) -> None:
    threads = [await new_thread(chat) for _ in range(2)]
    delivery = f"{run_in(chat.workspace)}/deliveries/{uuid4()}"
    for thread in threads:
        await add(chat, headers, result(thread, delivery=delivery))
        assert shape(await messages_of(chat, thread)) == ["RESULT"]


@pytest.mark.parametrize("table", ["turns", "messages", "turn_events"])
async def test_a_call_whose_connection_is_killed_leaves_nothing_and_is_made_good(
    chat: Chat, headers: Headers, table: str
) -> None:
    """It is killed as it inserts into the table."""
    thread = await new_thread(chat)
    request = result(thread)
    async with database.transaction(chat.engine) as connection:
        await connection.execute(sa.text(f"lock table {table} in exclusive mode"))
        call = asyncio.create_task(refusal(chat.agent.AddResult(request, metadata=headers)))
        await waits_for_a_lock(chat.engine)
        kill = sa.text(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        await connection.execute(kill)
        assert (await call).code.name == "UNAVAILABLE"
    assert await messages_of(chat, thread) == []
    await add(chat, headers, request)
    assert shape(await messages_of(chat, thread)) == ["RESULT"]


async def test_a_result_comes_while_the_agent_works(
    chat: Chat, headers: Headers, demo: DemoServer
) -> None:
    demo.controls.hold()
    thread = await new_thread(chat)
    call = chat.stream("hello", name=thread)
    await anext(aiter(call))
    await demo.controls.until_held("chat")
    await add(chat, headers, result(thread))
    open_turn, delivered = await turns_of(chat, thread)
    assert (open_turn.state, delivered.state) == (
        chat_pb2.Turn.RUNNING,
        chat_pb2.Turn.SUCCEEDED,
    )
    demo.controls.release()
    assert kinds(await told(call))[-1] == "completed"
    assert shape(await messages_of(chat, thread)) == ["USER", "AGENT", "RESULT"]


async def test_a_result_comes_while_an_approval_waits(chat: Chat, headers: Headers) -> None:
    events = await chat.send(SCHEDULE)
    thread, approval = thread_of(events), approval_of(events)
    await add(chat, headers, result(thread))
    assert kinds(await chat.resume(approval.turn, reject(approval, "no")))[-1] == "completed"
    found = await messages_of(chat, thread)
    assert shape(found) == ["USER", "AGENT", "RESULT", "AGENT"]
    assert found[1].turn == found[3].turn == approval.turn
    assert kinds(await chat.send("thanks", name=thread))[-1] == "completed"


async def test_messages_and_results_at_the_same_moment_hinder_each_other_in_nothing(
    chat: Chat, headers: Headers
) -> None:
    threads = [await new_thread(chat) for _ in range(4)]
    sent = [chat.send("hello", name=thread) for thread in threads]
    added = [add(chat, headers, result(thread)) for thread in threads for _ in range(3)]
    told, _ = await asyncio.gather(asyncio.gather(*sent), asyncio.gather(*added))
    assert {kinds(events)[-1] for events in told} == {"completed"}
    for thread in threads:
        assert sorted(shape(await messages_of(chat, thread))) == [
            "AGENT",
            *["RESULT"] * 3,
            "USER",
        ]


async def test_a_thread_is_deleted_meanwhile(chat: Chat, headers: Headers) -> None:
    for _ in range(4):
        thread = await new_thread(chat)
        delete = chat_pb2.DeleteThreadRequest(name=thread)
        calls = [chat.agent.AddResult(result(thread), metadata=headers) for _ in range(3)]
        calls.insert(2, chat.stub.DeleteThread(delete, metadata=chat.metadata))
        ends = await asyncio.gather(*calls, return_exceptions=True)
        codes = {end.code() for end in ends if isinstance(end, grpc.aio.AioRpcError)}
        assert codes <= {grpc.StatusCode.NOT_FOUND}
        refused = await refusal(chat.agent.AddResult(result(thread), metadata=headers))
        assert (refused.reason, refused.metadata) == ("RESOURCE_NOT_FOUND", {"resource": thread})
    async with chat.engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(tables.turns)
        mine = tables.turns.c.workspace_id == chat.workspace_id
        assert await connection.scalar(count.where(mine)) == 0


async def test_the_thread_of_a_task_is_no_chat(chat: Chat, headers: Headers) -> None:
    events = [e async for e in chat.agent.RunTask(task_of(chat), metadata=headers)]
    thread = f"{chat.workspace}/threads/{events[-1].result.session_id}"
    refused = await refusal(chat.agent.AddResult(result(thread), metadata=headers))
    assert refused.reason == "RESOURCE_NOT_FOUND"


async def test_whoever_lost_access_delivers_nothing(
    chat: Chat, headers: Headers, keys: Keys
) -> None:
    thread = await new_thread(chat)
    members = tables.tenants.memberships
    mine = (members.c.workspace_id == chat.workspace_id) & (members.c.user_id == "ada")
    async with database.transaction(chat.engine) as connection:
        await connection.execute(sa.update(members).where(mine).values(role="viewer"))
    refused = await refusal(chat.agent.AddResult(result(thread), metadata=headers))
    assert (refused.reason, refused.metadata["role"]) == ("PERMISSION_DENIED", "viewer")
    async with database.transaction(chat.engine) as connection:
        await connection.execute(sa.update(members).where(mine).values(revoked_time=START))
    refused = await refusal(chat.agent.AddResult(result(thread), metadata=headers))
    assert refused.metadata == {"resource": chat.workspace}
    eve = keys.user_headers("eve", workspaces={chat.workspace_id: "owner"})
    found = await chat.stub.ListMessages(chat_pb2.ListMessagesRequest(parent=thread), metadata=eve)
    assert not found.messages


async def test_closed_threads_are_told(chat: Chat, headers: Headers) -> None:
    thread = await new_thread(chat)
    events = [e async for e in chat.agent.RunTask(task_of(chat), metadata=headers)]
    closed = [
        f"{chat.workspace}/threads/{events[-1].result.session_id}",
        f"{chat.workspace}/threads/{uuid4()}",
        thread.replace(chat.workspace, "workspaces/another"),
        f"{chat.workspace}/threads/-",
    ]
    request = pb.CheckThreadsRequest(
        workspace=chat.workspace, threads=[closed[0], thread, *closed[1:]]
    )
    answer = await chat.agent.CheckThreads(request, metadata=headers)
    assert list(answer.closed) == closed


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"delivery": f"workspaces/other/automations/a/runs/r/deliveries/{uuid4()}"}, "delivery"),
        ({"delivery": f"{{run}}/deliveries/{'-' * 36}"}, "delivery"),
        ({"delivery": "{run}"}, "delivery"),
        ({"body": "é" * (129 << 10)}, "body"),
    ],
)
async def test_what_is_no_result_is_refused(
    chat: Chat, headers: Headers, fields: dict[str, Any], field: str
) -> None:
    request = result(await new_thread(chat), **fields)
    request.delivery = request.delivery.format(run=run_in(chat.workspace))
    refused = await refusal(chat.agent.AddResult(request, metadata=headers))
    assert [v.field for v in refused.violations] == [field]
