"""Turns over a socket: what is streamed, stored, replayed and refused."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from chat_service.turns.frames.cursor import FrameCursor
from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import DONE, Reply, ends, says, scripted_model
from tests.support.system.chat import Chat, kinds, said, thread_of, told, until

SCHEDULE = "every weekday at 9 in Paris summarise the news"


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


async def test_a_message_is_answered_in_one_segment(chat: Chat) -> None:
    events = await chat.send("hello")
    assert events[0].WhichOneof("event") == "started"
    work = [e for e in events if not e.HasField("thread_updated")]
    assert kinds(work) == ["started", "step", "step", "text_delta", "usage", "completed"]
    assert kinds(events).count("thread_updated") == 1
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert events[-1].completed.message.parts[0].text == said(events)


async def test_the_first_step_says_what_was_asked(chat: Chat) -> None:
    step = (await chat.send("hello"))[1].step
    assert (step.id, step.title, list(step.items)) == (
        "thinking-1",
        "Understanding your request",
        ["Processing: hello"],
    )


async def test_watching_from_any_frame_gives_the_very_frames_after_it(chat: Chat) -> None:
    events = await chat.send(SCHEDULE)
    turn = events[0].started.turn
    for after in range(len(events)):
        seen = await chat.watch(turn, after)
        assert [e.SerializeToString() for e in seen] == [
            e.SerializeToString() for e in events[after:]
        ]
        if after == len(events) - 2:
            break


async def test_watching_a_finished_turn_from_its_last_frame_ends_at_once(chat: Chat) -> None:
    events = await chat.send("hello")
    assert await chat.watch(events[0].started.turn, events[-1].sequence) == []


async def test_watching_beyond_the_last_frame_is_refused(chat: Chat) -> None:
    events = await chat.send("hello")
    request = pb.WatchTurnRequest(name=events[0].started.turn, after_sequence=9_999)
    refused = await refusal(chat.stub.WatchTurn(request, metadata=chat.metadata))
    assert [v.field for v in refused.violations] == ["after_sequence"]


async def test_a_repeated_message_replays_its_own_segment(chat: Chat, demo: DemoServer) -> None:
    request_id = str(uuid4())
    first = await chat.send("hello", request_id=request_id)
    again = await chat.send("hello", request_id=request_id)
    assert [e.SerializeToString() for e in again] == [e.SerializeToString() for e in first]
    assert len(demo.controls.log("chat")) == 1


async def test_a_request_stored_with_turn_at_sequence_replays_its_segment(chat: Chat) -> None:
    request_id = str(uuid4())
    first = await chat.send("hello", request_id=request_id)
    requests = tables.tenants.requests
    turn = first[0].started.turn.rpartition("/")[2]
    async with chat.engine.begin() as connection:
        stored = requests.c.request_id == request_id
        was = await connection.scalar(sa.select(requests.c.resource).where(stored))
        await connection.execute(sa.update(requests).where(stored).values(resource=f"{turn}@0"))
    assert was == FrameCursor(turn=UUID(turn), sequence=0).to_json()
    again = await chat.send("hello", request_id=request_id)
    assert [e.SerializeToString() for e in again] == [e.SerializeToString() for e in first]


async def test_a_request_id_with_another_body_is_refused(chat: Chat) -> None:
    request_id = str(uuid4())
    await chat.send("hello", request_id=request_id)
    refused = await refusal(chat.stream("good morning", request_id=request_id))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_a_thread_has_one_open_turn(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="chat")
    call = chat.stream("hello")
    started = (await anext(aiter(call))).started
    thread = started.turn.partition("/turns/")[0]
    refused = await refusal(chat.stream("and?", name=thread))
    assert (refused.reason, refused.metadata["turn"]) == ("TURN_IN_PROGRESS", started.turn)
    demo.controls.release()
    call.cancel()


async def test_a_message_over_a_pending_approval_is_refused(chat: Chat) -> None:
    events = await chat.send(SCHEDULE)
    thread = events[0].started.turn.partition("/turns/")[0]
    refused = await refusal(chat.stream("hello?", name=thread))
    assert refused.reason == "APPROVALS_UNDECIDED"
    assert refused.metadata["approvals"] == events[-1].suspended.approvals[0].name


async def test_a_client_that_leaves_stops_nothing(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="chat")
    call = chat.stream("hello")
    turn = (await anext(aiter(call))).started.turn
    call.cancel()
    demo.controls.release()
    events = await chat.watch(turn)
    assert events[-1].WhichOneof("event") == "completed"


async def test_all_who_watch_a_turn_see_the_same_frames(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(after=3, kind="chat")
    call = chat.stream("<<tokens=9>> go on")
    turn = (await anext(aiter(call))).started.turn
    before = await chat.watch_for(turn, "text_delta")
    watching = [asyncio.create_task(chat.watch(turn, after)) for after in (0, 0, 1, len(before))]
    demo.controls.release()
    from_start, again, from_first, from_middle = await asyncio.gather(*watching)
    assert from_start[-1].WhichOneof("event") == "completed"
    assert again == from_start
    assert from_first == from_start[1:] == await told(call)
    assert from_middle == from_start[len(before) :]


async def test_one_who_reads_slowly_holds_nobody_up(serve: Serving) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        # More than a connection takes in ahead of its reader.
        long = [says("word " * 10_000) for _ in range(60)]
        return [*(long if "tools" in body else [says("Title")]), ends(), DONE]

    async with scripted_model(answer=answer) as provider:
        chat = await serve(model(-1, "long", base_url=provider.base_url))
        slow = chat.stream("go on")
        first = await anext(aiter(slow))
        events = await chat.watch(first.started.turn)
        assert events[-1].WhichOneof("event") == "completed"
        assert (await chat.turn(first.started.turn)).state == pb.Turn.SUCCEEDED
        assert [first, *await told(slow)] == events


async def test_what_was_said_before_is_given_to_the_model(chat: Chat, demo: DemoServer) -> None:
    first = await chat.send("hello")
    thread = first[0].started.turn.partition("/turns/")[0]
    await chat.send("thanks", name=thread)
    assert demo.controls.log("chat")[-1].roles == ["system", "user", "assistant", "user"]


async def test_of_a_long_thread_a_model_is_given_as_much_as_its_context_holds(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a", context_tokens=20_000), model(-2, "demo-b"))
    long = "0123456789abcdef" * 1_400  # nearly 6,000 tokens
    thread = thread_of(await chat.send(long))
    await chat.send(long, name=thread)
    await chat.send(long, name=thread)
    await chat.send("thanks", name=thread)
    await chat.send("thanks", name=thread, model_config_id=-2)
    short, whole = demo.controls.log("chat")[-2:]
    assert short.roles == ["system", *["user", "assistant"] * 2, "user"]
    assert whole.roles == ["system", *["user", "assistant"] * 4, "user"]


async def test_messages_are_listed_newest_first(chat: Chat) -> None:
    events = await chat.send("hello")
    thread = events[0].started.turn.partition("/turns/")[0]
    found = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread), metadata=chat.metadata
    )
    assert [m.role for m in found.messages] == [pb.Message.AGENT, pb.Message.USER]
    assert found.messages[0] == events[-1].completed.message


async def test_cancelling_stops_the_model_and_ends_the_turn(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve()
    demo.controls.hold(after=2, kind="chat")
    call = chat.stream("<<tokens=50>> go on")
    turn = (await anext(aiter(call))).started.turn
    seen = await demo.controls.until_held()
    cancelled = await chat.stub.CancelTurn(pb.CancelTurnRequest(name=turn), metadata=chat.metadata)
    assert cancelled.state == pb.Turn.CANCELLED
    assert await demo.controls.until_over(seen) == "abandoned"
    assert [e async for e in call][-1].WhichOneof("event") == "cancelled"


async def test_cancelling_a_turn_that_waits_cancels_its_approval(chat: Chat) -> None:
    events = await chat.send(SCHEDULE)
    request = pb.CancelTurnRequest(name=events[0].started.turn)
    cancelled = await chat.stub.CancelTurn(request, metadata=chat.metadata)
    assert cancelled.state == pb.Turn.CANCELLED
    assert cancelled.approvals[0].state == pb.Approval.CANCELLED
    after = await chat.watch(events[0].started.turn, events[-1].sequence)
    assert kinds(after) == ["started", "approval_decided", "tool_call_finished", "cancelled"]


async def test_cancelling_a_finished_turn_is_refused(chat: Chat) -> None:
    events = await chat.send("hello")
    request = pb.CancelTurnRequest(name=events[0].started.turn)
    refused = await refusal(chat.stub.CancelTurn(request, metadata=chat.metadata))
    assert refused.reason == "STATE_CONFLICT"


async def test_a_model_that_keeps_failing_ends_the_turn_with_its_reason(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send("<<status=429;retry_after=0>> hello")
    assert "retrying" in kinds(events)
    status = events[-1].failed.status
    assert status.code == 8
    turn = await chat.turn(events[0].started.turn)
    assert (turn.state, turn.error.code) == (pb.Turn.FAILED, 8)


async def test_a_broken_stream_is_retracted_and_said_again(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send("<<tokens=12;err_after=4;times=1;retry_after=0>> hello")
    retracted = next(e.text_retracted for e in events if e.HasField("text_retracted"))
    assert retracted.from_block == 0
    kept = "".join(
        e.text_delta.text for e in events if e.HasField("text_delta") and e.text_delta.block > 0
    )
    assert events[-1].completed.message.parts[-1].text == kept


async def test_usage_is_counted_by_model(chat: Chat) -> None:
    events = await chat.send("hello")
    usage = next(e.usage for e in events if e.HasField("usage"))
    assert usage.input_tokens > 0
    assert [m.model for m in usage.by_model] == ["demo"]
    assert (await chat.turn(events[0].started.turn)).usage == usage


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"model_config_id": -99}, "model_config_id"),
        ({"request_id": "not a uuid"}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"message": pb.Message()}, "message.parts"),
        ({"message": pb.Message(parts=[pb.Part(text="  ")])}, "message.parts"),
        ({"message": pb.Message(parts=[pb.Part(text="a\0b")])}, "message.parts[0].text"),
        ({"message": pb.Message(parts=[pb.Part()])}, "message.parts[0]"),
        ({"message": pb.Message(parts=[pb.Part(reasoning="hm")])}, "message.parts[0]"),
    ],
)
async def test_an_invalid_message_names_its_field(chat: Chat, fields: dict, field: str) -> None:  # type: ignore[type-arg]
    request = chat.asking("hello")
    for name, value in fields.items():
        if isinstance(value, pb.Message):
            request.message.CopyFrom(value)
        else:
            setattr(request, name, value)
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert refused.code.name == "INVALID_ARGUMENT"
    assert field in [v.field for v in refused.violations]


async def test_a_thread_that_does_not_exist_is_not_found(chat: Chat) -> None:
    refused = await refusal(chat.stream("hello", name=f"{chat.workspace}/threads/{uuid4()}"))
    assert refused.reason == "RESOURCE_NOT_FOUND"


async def test_heartbeats_repeat_the_last_sequence(serve: Serving) -> None:
    chat = await serve(heartbeat_seconds=0.1)
    events = await chat.send(SCHEDULE)
    last = events[-1].sequence
    request = pb.WatchTurnRequest(name=events[0].started.turn, after_sequence=last)
    call = chat.stub.WatchTurn(request, metadata=chat.metadata)
    beat = await anext(aiter(call))
    assert (beat.WhichOneof("event"), beat.sequence) == ("heartbeat", last)
    call.cancel()


async def test_an_open_turn_shows_on_its_thread_until_it_ends(chat: Chat, demo: DemoServer) -> None:
    demo.controls.hold(kind="chat")
    call = chat.stream("hello")
    turn = (await anext(aiter(call))).started.turn
    name = pb.GetThreadRequest(name=turn.partition("/turns/")[0])
    assert (await chat.stub.GetThread(name, metadata=chat.metadata)).open_turn == turn
    demo.controls.release()

    async def closed() -> bool:
        return not (await chat.stub.GetThread(name, metadata=chat.metadata)).open_turn

    await until(closed)


async def test_a_person_has_so_many_streams_open_and_no_more(serve: Serving) -> None:
    chat = await serve(streams_per_person=2, heartbeat_seconds=0.05)
    events = await chat.send(SCHEDULE)
    request = pb.WatchTurnRequest(name=events[0].started.turn, after_sequence=events[-1].sequence)
    calls = [chat.stub.WatchTurn(request, metadata=chat.metadata) for _ in range(2)]
    for call in calls:
        assert (await call.read()).HasField("heartbeat")
    refused = await refusal(chat.stub.WatchTurn(request, metadata=chat.metadata))
    assert (refused.reason, refused.metadata["of"]) == ("TOO_MANY_STREAMS", "person")
    assert refused.retry_after
    late = chat.asking("hello")
    refused = await refusal(chat.stub.SendMessage(late, metadata=chat.metadata))
    assert refused.reason == "TOO_MANY_STREAMS"
    got = await chat.stub.GetTurn(pb.GetTurnRequest(name=request.name), metadata=chat.metadata)
    assert got.state == pb.Turn.AWAITING_APPROVAL
    for call in calls:
        call.cancel()
