"""A thread's title: beside the answer, told when it is there, and never lost."""

from typing import Any

import psycopg
import pytest
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared import resources
from tests.chat_service.conftest import Serving
from tests.support.system.chat import (
    SCHEDULE,
    Chat,
    approval_of,
    approve,
    kinds,
    thread_of,
    until,
)


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


async def title_of(chat: Chat, thread: str) -> str:
    request = pb.GetThreadRequest(name=thread)
    found: pb.Thread = await chat.stub.GetThread(request, metadata=chat.metadata)
    return found.display_name


def titles(events: list[pb.TurnEvent]) -> list[str]:
    found = [e.thread_updated for e in events if e.HasField("thread_updated")]
    return [one.display_name for one in found]


async def titled(chat: Chat, thread: str) -> None:
    async def done() -> bool:
        return bool(await title_of(chat, thread))

    await until(done)


async def test_a_title_is_told_while_the_answer_goes_on(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(after=2, kind="chat")
    call = chat.stream("<<tokens=20>> go on")
    frames = aiter(call)
    events: list[pb.TurnEvent] = []
    while "thread_updated" not in kinds(events):
        events.append(await anext(frames))
    demo.controls.release()
    events += [e async for e in frames]
    assert kinds(events)[-2:] == ["usage", "completed"]
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert titles(events) == [await title_of(chat, thread_of(events))]
    assert await chat.watch(events[0].started.turn) == events


async def test_a_slow_title_holds_no_text_up(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="title")
    call = chat.stream("hello")
    frames = aiter(call)
    events: list[pb.TurnEvent] = []
    while "text_delta" not in kinds(events):
        events.append(await anext(frames))
    assert titles(events) == []
    demo.controls.release()
    events += [e async for e in frames]
    assert len(titles(events)) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_title_that_comes_after_the_end_changes_the_thread_and_counts(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve()
    demo.controls.hold(kind="title")
    events = await chat.send("hello")
    used = next(e.usage for e in events if e.HasField("usage"))
    demo.controls.release()
    await titled(chat, thread_of(events))
    assert titles(await chat.watch(events[0].started.turn)) == []
    turn = await chat.turn(events[0].started.turn)
    assert turn.usage.input_tokens > used.input_tokens
    found = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread_of(events)), metadata=chat.metadata
    )
    assert found.messages[0].usage == turn.usage


async def test_the_usage_of_a_title_is_in_the_frame_when_it_came_in_time(
    chat: Chat, demo: DemoServer
) -> None:
    first = await chat.send("hello")
    second = await chat.send("hello", name=thread_of(first))
    usage = [next(e.usage for e in events if e.HasField("usage")) for events in (first, second)]
    assert len(demo.controls.log("title")) == 1
    assert usage[0].output_tokens > usage[1].output_tokens
    assert (await chat.turn(first[0].started.turn)).usage == usage[0]


@pytest.mark.parametrize("kind", ["chat", "title"])
async def test_a_failed_first_turn_leaves_the_thread_a_title_now_or_next_time(
    serve: Serving, demo: DemoServer, kind: Any
) -> None:
    chat = await serve()
    demo.controls.fail(1, status=400, kind=kind)
    first = await chat.send("hello")
    if kind == "chat":  # the title is found beside the answer that failed
        await titled(chat, thread_of(first))
    second = await chat.send("hello", name=thread_of(first))
    await titled(chat, thread_of(first))
    assert second[-1].HasField("completed")
    assert len(demo.controls.log("title")) == (1 if kind == "chat" else 2)


async def test_a_paused_first_turn_gets_its_title(chat: Chat) -> None:
    events = await chat.send(SCHEDULE)
    assert events[-1].HasField("suspended")
    assert titles(events) == [await title_of(chat, thread_of(events))]


@pytest.mark.usefixtures("impatient")
async def test_a_title_that_comes_while_the_turn_waits_is_counted_with_the_turn(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve()
    demo.controls.hold(kind="title")
    events = await chat.send(SCHEDULE)
    demo.controls.release()
    await titled(chat, thread_of(events))
    approval = approval_of(events)
    after = await chat.resume(approval.turn, approve(approval))
    frames = [e.usage for e in (*events, *after) if e.HasField("usage")]
    turn = await chat.turn(approval.turn)
    assert turn.usage.output_tokens > sum(usage.output_tokens for usage in frames)


async def test_a_cancelled_turn_still_titles_its_thread(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold()
    call = chat.stream("hello")
    started = (await anext(aiter(call))).started
    await demo.controls.until_held("title")
    await chat.stub.CancelTurn(pb.CancelTurnRequest(name=started.turn), metadata=chat.metadata)
    demo.controls.release()
    await titled(chat, started.turn.partition("/turns/")[0])


async def test_a_title_that_a_person_set_meanwhile_stays(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="title")
    call = chat.stream("hello")
    frames = aiter(call)
    thread = (await anext(frames)).started.turn.partition("/turns/")[0]
    await demo.controls.until_held("title")
    await chat.stub.UpdateThread(
        pb.UpdateThreadRequest(thread=pb.Thread(name=thread, display_name="Mine")),
        metadata=chat.metadata,
    )
    demo.controls.release()
    events = [e async for e in frames]
    assert titles(events) == []
    assert await title_of(chat, thread) == "Mine"


async def test_a_message_without_text_waits_for_the_next_turn(chat: Chat, demo: DemoServer) -> None:
    request = pb.SendMessageRequest(
        name=f"{chat.workspace}/threads/-",
        message=pb.Message(parts=[pb.Part(image=pb.Image(data=b"GIF89a" + b"g" * 9))]),
        request_id="018f4a50-0000-7000-8000-000000000001",
    )
    first = [e async for e in chat.stub.SendMessage(request, metadata=chat.metadata)]
    assert demo.controls.log("title") == []
    assert len(titles(await chat.send("hello", name=thread_of(first)))) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_title_whose_finder_died_before_telling_is_told_by_who_takes_over(
    serve: Serving, demo: DemoServer, chat_databases: ServiceDatabases
) -> None:
    async with serve.start() as first:
        demo.controls.hold()
        turn = (await anext(aiter(first.stream("hello")))).started.turn
        await demo.controls.until_held("chat")
    with psycopg.connect(chat_databases.superuser, autocommit=True) as connection:
        connection.execute(
            "update chat.threads set title = 'Found', title_state = 'generated', titled_by = %s",
            [resources.TURN.parse(turn)["turn"]],
        )
    demo.controls.release()
    events = await (await serve()).watch(turn)
    assert events[-1].HasField("completed")
    assert titles(events) == ["Found"]


async def test_a_title_that_was_told_is_not_told_again_by_who_takes_over(
    serve: Serving, demo: DemoServer
) -> None:
    async with serve.start() as first:
        demo.controls.hold(kind="chat")
        turn = (await anext(aiter(first.stream("hello")))).started.turn
        await first.watch_for(turn, "thread_updated")
    demo.controls.release()
    events = await (await serve()).watch(turn)
    assert events[-1].HasField("completed")
    assert len(titles(events)) == 1
