"""Credit for premium models: held before a segment, settled at every end of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.chat_service.own_models import pinned
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.system.chat import SCHEDULE, START, Chat, approval_of, approve, thread_of, until

# a dollar for a million tokens either way: a token costs a micro
PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
PREMIUM = model(-1, "demo-a", premium=True, reserve_tokens=50_000, **PRICE)
FREE = model(-2, "demo-b")
CHEAPER = model(-3, "demo-c", premium=True, reserve_tokens=10_000, **PRICE)
HELD = 100_000
PLENTY = 10_000_000
t = tables.credit_reservations


async def reservations(chat: Chat) -> list[Any]:
    async with chat.engine.connect() as connection:
        return list(await connection.execute(sa.select(t).order_by(t.c.create_time, t.c.segment)))


async def used(chat: Chat, micros: int) -> None:
    """So much of this month's credit is spent."""
    async with chat.engine.begin() as connection:
        row = {"turn_id": uuid4(), "segment": 0, "user_id": "ada", "held_micros": 0}
        times = {"create_time": START - timedelta(seconds=1), "settle_time": START}
        await connection.execute(sa.insert(t).values(**row, **times, used_micros=micros))


async def settled(chat: Chat) -> list[int]:
    rows = await reservations(chat)
    assert all(row.settle_time is not None for row in rows)
    return [row.used_micros for row in rows]


def cost(events: list[pb.TurnEvent]) -> int:
    return sum(e.usage.cost_micros for e in events if e.HasField("usage"))


def asked(demo: DemoServer) -> list[str]:
    return [seen.model for seen in demo.controls.log("chat")]


async def cancelled(chat: Chat, demo: DemoServer) -> list[pb.TurnEvent]:
    demo.controls.hold(after=2, kind="chat")
    call = chat.stream("<<tokens=50>> go on")
    events = [await anext(aiter(call))]
    await demo.controls.until_held()
    request = pb.CancelTurnRequest(name=events[0].started.turn)
    await chat.stub.CancelTurn(request, metadata=chat.metadata)
    return events + [e async for e in call]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("hello", "completed"),
        (SCHEDULE, "suspended"),
        ("<<status=500;retry_after=0>> hello", "failed"),
        ("", "cancelled"),
    ],
)
async def test_every_end_of_a_segment_settles_what_it_used(
    serve: Serving, demo: DemoServer, text: str, ends: str
) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    events = await chat.send(text) if text else await cancelled(chat, demo)
    assert events[-1].WhichOneof("event") == ends
    assert await settled(chat) == [cost(events)]
    assert [row.held_micros for row in await reservations(chat)] == [HELD]


async def test_credit_is_held_while_a_segment_goes_on(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(PREMIUM, credit=HELD + 10)
    demo.controls.hold(kind="chat")
    call = chat.stream("hello", model_config_id=-1)
    await anext(aiter(call))
    refused = await refusal(chat.stream("hello", model_config_id=-1))
    assert (refused.reason, refused.metadata) == ("QUOTA_EXCEEDED", {"user": "ada"})
    assert refused.code.name == "RESOURCE_EXHAUSTED"
    demo.controls.release()
    assert [e async for e in call][-1].HasField("completed")


async def test_of_two_at_once_credit_for_one_pays_one(serve: Serving) -> None:
    models = serve.write(PREMIUM, credit=HELD + 10)
    replicas = [await serve(models_file=models) for _ in range(2)]
    asking = [chat.send("hello", model_config_id=-1) for chat in replicas]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, list)]) == 1
    assert len(await settled(replicas[0])) == 1


async def test_a_denied_message_leaves_nothing_behind(serve: Serving) -> None:
    chat = await serve(PREMIUM, credit=0)
    await refusal(chat.stream("hello", model_config_id=-1))
    assert await reservations(chat) == []
    async with chat.engine.connect() as connection:
        assert (await connection.scalar(sa.select(sa.func.count(tables.turns.c.id)))) == 0
        assert (await connection.scalar(sa.select(sa.func.count(tables.threads.c.id)))) == 0


async def test_auto_falls_back_to_a_free_model_when_the_credit_is_spent(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM, FREE, credit=HELD)
    thread = thread_of(await chat.send("hello"))
    events = await chat.send("thanks", name=thread)
    assert asked(demo) == ["demo-a", "demo-b"]
    assert cost(events) == 0
    assert len(await reservations(chat)) == 1


async def test_a_thread_whose_premium_pin_gave_way_stays_with_what_took_its_place(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM, FREE, credit=HELD)
    thread = thread_of(await chat.send("hello"))
    assert await pinned(chat, thread) == -1
    await chat.send("thanks", name=thread)
    assert await pinned(chat, thread) == -2
    serve.clock.set(datetime(2026, 12, 1, tzinfo=UTC))
    await chat.send("hello again", name=thread)
    assert asked(demo) == ["demo-a", "demo-b", "demo-b"]


async def test_a_cheaper_premium_model_that_takes_the_place_of_a_pin_is_held_for(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM, CHEAPER, credit=HELD)
    first = await chat.send("hello")
    second = await chat.send("thanks", name=thread_of(first))
    assert asked(demo) == ["demo-a", "demo-c"]
    assert await pinned(chat, thread_of(first)) == -3
    assert [row.held_micros for row in await reservations(chat)] == [HELD, 20_000]
    assert await settled(chat) == [cost(first), cost(second)]


@pytest.mark.parametrize("dearer", [False, True])
async def test_another_premium_model_in_the_middle_is_held_for_and_settled_with_the_first(
    serve: Serving, demo: DemoServer, dearer: bool
) -> None:
    limited = {**(CHEAPER if dearer else PREMIUM), "id": -1, "model": "demo-limited"}
    other = model(-2, "demo-b", premium=True, reserve_tokens=50_000 if dearer else 10_000, **PRICE)
    chat = await serve(limited, other, credit=HELD)
    events = await chat.send("hello")
    rerouted = [e.model_rerouted for e in events if e.HasField("model_rerouted")]
    assert [each.model_config_id for each in rerouted] == [-2]
    assert events[-1].HasField("completed")
    assert [row.held_micros for row in await reservations(chat)] == [HELD]
    assert await settled(chat) == [cost(events)]
    assert cost(events) > 0


async def test_a_free_model_goes_on_in_the_middle_where_credit_for_another_is_missing(
    serve: Serving, demo: DemoServer
) -> None:
    limited = model(-1, "demo-a-limited", premium=True, reserve_tokens=10_000, **PRICE)
    dear = {**PREMIUM, "id": -2, "model": "demo-dear"}
    chat = await serve(limited, dear, model(-3, "demo-b"), credit=HELD + 10)
    await used(chat, 50_000)
    events = await chat.send("hello")
    rerouted = [e.model_rerouted for e in events if e.HasField("model_rerouted")]
    assert [each.model_config_id for each in rerouted] == [-3]
    assert events[-1].HasField("completed")
    assert asked(demo) == ["demo-a-limited"] * 3 + ["demo-b"]
    assert [row.held_micros for row in await reservations(chat)] == [0, 20_000]
    assert await settled(chat) == [50_000, cost(events)]


async def test_credit_comes_back_with_the_month(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(PREMIUM, FREE, credit=HELD)
    await chat.send("hello")
    await chat.send("hello")
    serve.clock.set(datetime(2026, 12, 1, tzinfo=UTC))
    await chat.send("hello")
    assert asked(demo) == ["demo-a", "demo-b", "demo-a"]


async def test_the_reserve_is_never_more_than_a_months_credit(serve: Serving) -> None:
    chat = await serve(PREMIUM, credit=500)
    await chat.send("hello", model_config_id=-1)
    assert [row.held_micros for row in await reservations(chat)] == [500]


async def test_without_a_limit_use_is_written_down_all_the_same(serve: Serving) -> None:
    chat = await serve(PREMIUM)
    events = await chat.send("hello")
    assert await settled(chat) == [cost(events)]
    assert cost(events) > 0


async def test_a_free_model_holds_nothing(serve: Serving) -> None:
    chat = await serve(FREE, credit=0)
    await chat.send("hello")
    assert await reservations(chat) == []


async def test_a_repeated_message_is_charged_once(serve: Serving) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    request_id = str(uuid4())
    events = await chat.send("hello", request_id=request_id)
    await chat.send("hello", request_id=request_id)
    assert await settled(chat) == [cost(events)]


async def test_a_resumed_segment_reserves_anew(serve: Serving) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    first = await chat.send(SCHEDULE)
    approval = approval_of(first)
    second = await chat.resume(approval.turn, approve(approval))
    assert await settled(chat) == [cost(first), cost(second)]
    assert [row.segment for row in await reservations(chat)] == [0, 1]
    turn = await chat.turn(approval.turn)
    assert turn.usage.cost_micros == cost(first) + cost(second)


async def test_a_resume_without_credit_is_refused_and_decides_nothing(serve: Serving) -> None:
    chat = await serve(PREMIUM, credit=HELD)
    approval = approval_of(await chat.send(SCHEDULE, model_config_id=-1))
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[approve(approval)], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    assert refused.reason == "QUOTA_EXCEEDED"
    turn = await chat.turn(approval.turn)
    assert (turn.state, turn.approvals[0].state) == (
        pb.Turn.AWAITING_APPROVAL,
        pb.Approval.PENDING,
    )


async def test_a_resume_without_credit_goes_on_with_a_free_model_when_auto(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM, FREE, credit=HELD)
    approval = approval_of(await chat.send(SCHEDULE))
    after = await chat.resume(approval.turn, approve(approval))
    rerouted = next(e.model_rerouted for e in after if e.HasField("model_rerouted"))
    assert (rerouted.previous_model_config_id, rerouted.model_config_id) == (-1, -2)
    assert after[-1].HasField("completed")
    assert asked(demo)[-1] == "demo-b"
    assert (await chat.turn(approval.turn)).model_config_id == -2


async def test_a_turn_that_another_replica_ends_is_settled_once(
    serve: Serving, demo: DemoServer
) -> None:
    demo.controls.hold(after=3, kind="chat")
    models = serve.write(PREMIUM, credit=PLENTY)
    async with serve.start(models_file=models) as first:
        call = first.stream("<<tokens=9>> go on")
        turn = (await anext(aiter(call))).started.turn
        await demo.controls.until_held()
    demo.controls.release()
    second = await serve(models_file=models)
    events = await second.watch(turn)
    assert await settled(second) == [cost(events)]


async def test_what_is_held_for_a_turn_that_is_gone_is_settled_by_the_sweeper(
    serve: Serving,
) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    now = serve.clock.now()
    async with chat.engine.begin() as connection:
        await connection.execute(
            sa.insert(t).values(
                turn_id=uuid4(), segment=0, user_id="ada", held_micros=7, used_micros=3,
                create_time=now,
            )
        )  # fmt: skip
    await chat.service.tick()
    assert await settled(chat) == [3]


async def test_the_sweeper_leaves_a_running_segment_alone(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    demo.controls.hold(kind="chat")
    call = chat.stream("hello")
    await anext(aiter(call))
    serve.clock.advance(timedelta(hours=1))
    await chat.service.tick()
    assert [row.settle_time for row in await reservations(chat)] == [None]
    demo.controls.release()
    assert [e async for e in call][-1].HasField("completed")


@pytest.mark.usefixtures("impatient")
async def test_a_title_that_comes_late_is_charged_too(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    demo.controls.hold(kind="title")
    demo.controls.fail(1, status=400, kind="chat")
    events = await chat.send("hello")
    assert await settled(chat) == [0]
    demo.controls.release()

    async def charged() -> bool:
        return (await settled(chat))[0] > 0

    await until(charged)
    turn = await chat.turn(events[0].started.turn)
    assert [turn.usage.cost_micros] == await settled(chat)


@pytest.mark.usefixtures("impatient")
async def test_a_title_is_charged_though_its_thread_was_deleted_meanwhile(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM, credit=PLENTY)
    demo.controls.hold(kind="title")
    events = await chat.send("hello")
    request = pb.DeleteThreadRequest(name=thread_of(events))
    await chat.stub.DeleteThread(request, metadata=chat.metadata)
    assert await settled(chat) == [cost(events)]
    demo.controls.release()

    async def charged() -> bool:
        return (await settled(chat))[0] > cost(events)

    await until(charged)
