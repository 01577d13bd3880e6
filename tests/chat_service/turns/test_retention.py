"""What is kept, for how long, and what is said when it is gone."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import model_cooldowns, tables, turns
from chat_service.turns.retention import TurnRetention
from devstack.demo_model import DemoServer
from shared.db.tenancy import Tenancy
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import SCHEDULE, WORKSPACE, Chat, approval_of, approve, thread_of

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def count(chat: Chat, table: str) -> int:
    async with chat.engine.connect() as connection:
        return int(await connection.scalar(sa.text(f"select count(*) from chat.{table}")) or 0)


def watching(chat: Chat, turn: str, after: int) -> Any:
    request = pb.WatchTurnRequest(name=turn, after_sequence=after)
    return chat.stub.WatchTurn(request, metadata=chat.metadata)


def task(chat: Chat, keys: Keys) -> Any:
    """Always the same one."""
    headers = keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace="w"
    )
    request = agent_pb2.RunTaskRequest(
        workspace=WORKSPACE, on_behalf_of="users/ada", prompt="say hello", request_id="r:s:1"
    )
    return chat.agent.RunTask(request, metadata=headers)


async def test_frames_of_a_finished_turn_are_kept_a_day(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send("hello")
    serve.clock.advance(DAY)
    await chat.service.tick()
    assert await chat.watch(events[0].started.turn) == events
    serve.clock.advance(SECOND)
    await chat.service.tick()
    assert await count(chat, "turn_events") == 0


async def test_watching_below_the_floor_says_where_it_is(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send("hello")
    turn, last = events[0].started.turn, events[-1].sequence
    serve.clock.advance(DAY + SECOND)
    await chat.service.tick()
    for after in (0, last - 1):
        refused = await refusal(watching(chat, turn, after))
        assert (refused.reason, refused.code.name) == ("STREAM_TRUNCATED", "OUT_OF_RANGE")
        assert refused.metadata == {"floor": str(last)}
    assert await chat.watch(turn, last) == []


async def test_messages_and_turns_outlive_their_frames(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send("hello")
    before = await chat.turn(events[0].started.turn)
    serve.clock.advance(DAY + SECOND)
    await chat.service.tick()
    assert await chat.turn(events[0].started.turn) == before
    assert (await chat.send("and?", name=thread_of(events)))[-1].HasField("completed")


async def test_a_repeat_of_a_forgotten_segment_says_so_and_does_nothing_again(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve()
    request_id = str(uuid4())
    await chat.send("hello", request_id=request_id)
    serve.clock.advance(DAY + SECOND)
    await chat.service.tick()
    refused = await refusal(chat.stream("hello", request_id=request_id))
    assert refused.reason == "STREAM_TRUNCATED"
    assert len(demo.controls.log("chat")) == 1


async def test_how_long_frames_are_kept_can_be_set(serve: Serving) -> None:
    chat = await serve(frames_kept_hours=1.0)
    await chat.send("hello")
    serve.clock.advance(timedelta(hours=1) + SECOND)
    await chat.service.tick()
    assert await count(chat, "turn_events") == 0


async def test_frames_of_a_turn_that_waits_are_never_dropped(serve: Serving) -> None:
    chat = await serve()
    events = await chat.send(SCHEDULE)
    serve.clock.advance(timedelta(days=5))
    await chat.service.tick()
    approval = approval_of(events)
    after = await chat.resume(approval.turn, approve(approval))
    assert await chat.watch(approval.turn) == events
    assert await chat.watch(approval.turn, events[-1].sequence) == after


async def test_many_turns_are_dropped_in_batches(serve: Serving) -> None:
    async def keep_checkpoints(turn: UUID) -> None:
        """Deletes nothing."""

    chat = await serve()
    for _ in range(5):
        await chat.send("hello")
    serve.clock.advance(DAY + SECOND)
    retention = TurnRetention(
        db=chat.engine,
        clock=serve.clock,
        tenancy=Tenancy(tables.tenants),
        delete_checkpoints=keep_checkpoints,
        frames_kept=DAY,
        batch_size=2,
    )
    await retention.sweep()
    assert await count(chat, "turn_events") == 0


async def test_requests_are_remembered_thirty_days(serve: Serving) -> None:
    chat = await serve()
    await chat.send("hello")
    serve.clock.advance(timedelta(days=30))
    await chat.service.tick()
    assert await count(chat, "requests") == 1
    serve.clock.advance(SECOND)
    await chat.service.tick()
    assert await count(chat, "requests") == 0


async def test_a_task_without_frames_is_answered_from_what_is_stored(
    serve: Serving, keys: Keys, demo: DemoServer
) -> None:
    chat = await serve()
    first = [e async for e in task(chat, keys)]
    serve.clock.advance(DAY + SECOND)
    await chat.service.tick()
    again = [e async for e in task(chat, keys)]
    assert [e.WhichOneof("event") for e in again] == ["result"]
    assert again[-1].result == first[-1].result
    assert len(demo.controls.log("task")) == 1


async def test_what_a_task_said_goes_with_its_request_id_and_a_chat_stays(
    serve: Serving, keys: Keys, demo: DemoServer
) -> None:
    chat = await serve()
    first = [e async for e in task(chat, keys)]
    await chat.send("hello")
    serve.clock.advance(30 * DAY)
    await chat.service.tick()
    again = [e async for e in task(chat, keys)]
    assert again[-1].result == first[-1].result
    serve.clock.advance(SECOND)
    await chat.service.tick()
    assert [await count(chat, table) for table in ("threads", "turns", "messages")] == [1, 1, 2]
    anew = [e async for e in task(chat, keys)]
    assert anew[-1].result.session_id != first[-1].result.session_id
    assert len(demo.controls.log("task")) == 2


async def test_a_task_that_runs_is_never_dropped(
    serve: Serving, keys: Keys, demo: DemoServer
) -> None:
    chat = await serve()
    demo.controls.hold()
    call = task(chat, keys)
    await anext(aiter(call))
    serve.clock.advance(31 * DAY)
    await chat.service.tick()
    demo.controls.release()
    assert [e async for e in call][-1].result.text


async def test_leftover_checkpoints_are_forgotten_and_those_in_use_kept(serve: Serving) -> None:
    chat = await serve()
    waiting = await chat.send(SCHEDULE)
    ended = await chat.send("hello")
    async with chat.engine.begin() as connection:
        for turn in (UUID(ended[0].started.turn.rpartition("/")[2]), uuid4()):
            await connection.execute(
                sa.text(
                    "insert into chat.checkpoints (thread_id, checkpoint_id, checkpoint)"
                    " values (:turn, '1', '{}')"
                ),
                {"turn": str(turn)},
            )
    await chat.service.tick()
    async with chat.engine.connect() as connection:
        left = set(
            await connection.scalars(sa.text("select distinct thread_id from chat.checkpoints"))
        )
    assert left == {waiting[0].started.turn.rpartition("/")[2]}


async def test_cooldowns_that_are_over_leave_no_row(serve: Serving) -> None:
    chat = await serve()
    async with chat.engine.begin() as connection:
        await model_cooldowns.extend(connection, -1, serve.clock.now() + timedelta(seconds=600))
    assert await count(chat, tables.model_cooldowns.name) == 1
    serve.clock.advance(timedelta(seconds=601))
    await chat.service.tick()
    assert await count(chat, tables.model_cooldowns.name) == 0


async def test_what_can_not_be_dropped_keeps_nothing_else_from_being_dropped(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await serve()
    await chat.send("hello")
    serve.clock.advance(31 * DAY)

    async def fails(*_: Any, **__: Any) -> int:
        raise RuntimeError("no")

    monkeypatch.setattr(turns, "delete_old_frames", fails)
    with pytest.raises(ExceptionGroup):
        await chat.service.tick()
    assert await count(chat, "turn_events") > 0
    assert await count(chat, "requests") == 0
