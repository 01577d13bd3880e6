"""A replica stops in the middle; another one ends what it began."""

import asyncio

import grpc
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres_roles import ServiceDatabases
from shared.rpc import status
from tests.support.agent_ports import MemoryAutomations
from tests.support.chat import approval_of, approve, chat_service, kinds
from tests.support.tokens import Keys

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
