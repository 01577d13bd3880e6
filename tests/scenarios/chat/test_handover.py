"""A replica stops in the middle; another one ends what it began."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import grpc
import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from chat_service.runtime.timeouts import Timeouts
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.rpc import status
from tests.chat_service.asking_first import ASK, asking_first
from tests.chat_service.conftest import Serving
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import (
    Chat,
    approval_of,
    approve,
    chat_service,
    kinds,
    thread_of,
    told,
    until,
)

SCHEDULE = "every weekday at 9 in Paris summarise the news"


async def test_a_turn_in_hand_is_ended_by_another_replica(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    demo.controls.hold(after=3, kind="chat")
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as first:
        call = first.stream("<<tokens=9>> go on")
        turn = (await anext(aiter(call))).started.turn
        await demo.controls.until_held()
        before = await first.watch_for(turn, "text_delta")
    demo.controls.release()
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as second:
        events = await second.watch(turn)
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))
        assert events[: len(before)] == before
        assert "text_retracted" in kinds(events)
        assert events[-1].WhichOneof("event") == "completed"
        last = events[-1].completed.message
        kept = "".join(
            e.text_delta.text for e in events if e.HasField("text_delta") and e.text_delta.block > 0
        )
        assert last.parts[-1].text == kept


async def test_an_approval_outlives_the_replica_that_asked(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as first:
        events = await first.send(SCHEDULE)
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as second:
        approval = approval_of(events)
        after = await second.resume(approval.turn, approve(approval))
        assert after[-1].WhichOneof("event") == "completed"
        assert len(automations.saved) == 1
        assert len(demo.controls.log("drafter")) == 1


async def test_watchers_of_another_replica_see_the_same_frames(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    async with (
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as first,
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as second,
    ):
        demo.controls.hold(after=3, kind="chat")
        call = first.stream("<<tokens=9>> go on")
        frames = aiter(call)
        turn = (await anext(frames)).started.turn

        watching = second.stub.WatchTurn(pb.WatchTurnRequest(name=turn), metadata=second.metadata)
        await anext(aiter(watching))
        demo.controls.release()
        here = [e async for e in frames]
        there = [e async for e in watching]
        assert there == here


async def test_another_replica_cancels_a_turn_within_its_owner(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    async with (
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as first,
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as second,
    ):
        demo.controls.hold(kind="chat")
        call = first.stream("hello")
        turn = (await anext(aiter(call))).started.turn
        seen = await demo.controls.until_held()

        cancelled = await second.stub.CancelTurn(
            pb.CancelTurnRequest(name=turn), metadata=second.metadata
        )
        assert cancelled.state == pb.Turn.CANCELLED
        assert await demo.controls.until_over(seen) == "abandoned"


async def test_two_replicas_racing_for_a_thread_open_one_turn(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    async with (
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as first,
        chat_service(chat_databases, keys, demo.base_url, automations=automations) as second,
    ):
        thread = (await first.send("hello"))[0].started.turn.partition("/turns/")[0]
        demo.controls.hold(kind="chat")
        calls = [one.stream("go on", name=thread) for one in (first, second)]
        opened = await asyncio.gather(
            *(anext(aiter(call)) for call in calls), return_exceptions=True
        )
        refused = [one for one in opened if isinstance(one, grpc.aio.AioRpcError)]
        assert len(refused) == 1
        assert status.from_call(refused[0], peer="it").reason == "TURN_IN_PROGRESS"
        demo.controls.release()
        for call in calls:
            call.cancel()


async def test_a_cancel_that_meets_a_pause_cancels_the_turn(
    serve: Serving, demo: DemoServer, timeouts: Timeouts
) -> None:
    never = replace(timeouts, cancel_poll_interval=86_400.0)  # it looks once
    first, second = await serve(timeouts=never), await serve(timeouts=never)
    thread = thread_of(await first.send("hello"))  # by now it has looked
    demo.controls.hold(kind="drafter")
    call = first.stream(SCHEDULE, name=thread)
    frames = aiter(call)
    events = [await anext(frames)]
    turn = events[0].started.turn
    await demo.controls.until_held("drafter")
    cancel = asyncio.ensure_future(
        second.stub.CancelTurn(pb.CancelTurnRequest(name=turn), metadata=second.metadata)
    )

    async def asked_for() -> bool:
        query = sa.select(sa.func.count()).where(tables.turns.c.cancel_requested)
        async with first.engine.connect() as connection:
            return bool(await connection.scalar(query))

    await until(asked_for)
    demo.controls.release()
    answered = await cancel
    assert answered.state == pb.Turn.CANCELLED
    assert [a.state for a in answered.approvals] == [pb.Approval.CANCELLED]
    events += await told(frames)
    assert kinds(events)[-5:] == [
        "approval_requested",
        "approval_decided",
        "tool_call_finished",
        "usage",
        "cancelled",
    ]
    finished = next(e.tool_call_finished for e in events if e.HasField("tool_call_finished"))
    assert (finished.outcome, finished.output["reason"]) == (
        pb.ToolCallFinished.ERROR,
        "cancelled",
    )
    found = await first.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread, page_size=1), metadata=first.metadata
    )
    (called,) = [p.tool_call for p in found.messages[0].parts if p.HasField("tool_call")]
    assert (called.outcome, called.output) == (finished.outcome, finished.output)


async def test_two_replicas_that_resume_at_once_act_once(
    serve: Serving, automations: MemoryAutomations
) -> None:
    first, second = await serve(), await serve()
    approval = approval_of(await first.send(SCHEDULE))
    here, there = await asyncio.gather(
        *(one.resume(approval.turn, approve(approval)) for one in (first, second))
    )
    assert here == there
    assert here[-1].HasField("completed")
    assert automations.creates == 1


@pytest.mark.parametrize("same", [True, False], ids=["the same one", "one each"])
async def test_two_replicas_that_decide_the_last_approvals_at_once_go_on_once(
    serve: Serving, same: bool
) -> None:
    async with asking_first(serve, 2) as asking:
        first, second = asking.chat, await serve(models_file=serve.folder / "models.yaml")
        events = await first.send(ASK)
        one, other = events[-1].suspended.approvals
        if same:
            await decide(first, one)
            one = other
        both = await asyncio.gather(decide(first, one), decide(second, other))
        assert [a.state for a in both] == [pb.Approval.APPROVED] * 2
        after = await second.watch(events[0].started.turn, events[-1].sequence)
        assert kinds(after).count("started") == 1
        assert kinds(after).count("tool_call_finished") == 2
        assert after[-1].HasField("completed")
        assert await first.watch(events[0].started.turn, after[-1].sequence) == []


async def decide(chat: Chat, approval: pb.Approval) -> pb.Approval:
    request = pb.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
    decided: pb.Approval = await chat.stub.DecideApproval(request, metadata=chat.metadata)
    return decided
