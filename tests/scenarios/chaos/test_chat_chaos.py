"""Two replicas of chat_service killed at random while people talk, approve and lose their calls.

`ROTA_CHAOS_TURNS` sets how many people there are, `ROTA_CHAOS_SEED` who is cut off and killed
when, and `ROTA_CHAOS_SECONDS` for how long both replicas open the same threads.
"""

import asyncio
import os
import random
import time
from collections import Counter
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from shared.rpc import status
from tests.scenarios.chaos.story import require_alike
from tests.scenarios.chaos.town import Person, Town, calm, on_the_first, told_alike
from tests.support.system.chat import (
    WORKSPACE,
    approval_of,
    approve,
    asking,
    kinds,
    thread_of,
    told,
    until,
)

PEOPLE: Final = int(os.environ.get("ROTA_CHAOS_TURNS", "12"))
SEED: Final = int(os.environ.get("ROTA_CHAOS_SEED", "11"))
KILLS: Final = max(5, PEOPLE // 6)
SEVERAL: Final = 16
SECONDS: Final = float(os.environ.get("ROTA_CHAOS_SECONDS", "1.5"))
TALK: Final = "tell me about number {} <<tokens=80;delay=0.02>>"
SCHEDULE: Final = "every weekday at 9 in Paris summarise the news of number {}"
FIRST: Final = 2_000  # numbers are of one length, since what is drafted is counted
SAVED: Final = "Summarise the news of number {}"

# Processes start slowly where much else runs.
pytestmark = [pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]


def count(events: list[pb.TurnEvent], kind: str) -> int:
    return sum(event.WhichOneof("event") == kind for event in events)


async def heard(person: Person, kind: str) -> bool:
    return count(person.heard, kind) > 0


async def test_another_replica_finishes_what_one_that_died_was_saying(town: Town) -> None:
    undisturbed = await calm(town, TALK.format(1000))
    town.demo.controls.hold(after=20, kind="chat")
    person, listening = await on_the_first(town, TALK.format(1000))
    await town.demo.controls.until_held("chat")
    # What was sent is not yet what was told.
    await until(lambda: heard(person, "text_delta"))
    await town.chats[0].kill()
    town.demo.controls.release()
    await listening
    assert count(person.heard, "text_retracted") == 1
    await check(town, [undisturbed, person])
    require_alike(person.heard, undisturbed.heard)


async def test_another_replica_finishes_the_tool_that_one_that_died_was_in(town: Town) -> None:
    undisturbed = await calm(town, SCHEDULE.format(1001))
    town.demo.controls.hold(kind="drafter")
    person, listening = await on_the_first(town, SCHEDULE.format(1002))
    await town.demo.controls.until_held("drafter")
    await town.chats[0].kill()
    town.demo.controls.release()
    await listening
    assert person.heard[-1].WhichOneof("event") == "suspended"
    decision = approve(approval_of(person.heard))
    # The first replica is dead, so the second is the one to ask.
    resume = pb.ResumeTurnRequest(name=person.turn, decisions=[decision], request_id=str(uuid4()))
    call = town.stubs[1].ResumeTurn(resume, metadata=town.metadata)
    person.heard += [event async for event in call if event.WhichOneof("event") != "heartbeat"]
    await check(town, [person])
    require_alike(person.heard, undisturbed.heard)
    assert (await town.saved()).count(SAVED.format(1002)) == 1


async def test_each_message_of_a_group_whose_replica_dies_opens_one_turn(town: Town) -> None:
    def asked(text: str, name: str) -> pb.SendMessageRequest:
        return asking(text, name=name, model_config_id=-2)

    new = [asked("hello", f"{WORKSPACE}/threads/-") for _ in range(5)]
    opened = [await told(town.stubs[0].SendMessage(one, metadata=town.metadata)) for one in new]
    requests = [asked("again", thread_of(events)) for events in opened]
    held = await asyncpg.connect(town.databases.superuser)
    try:
        await held.execute("begin; lock table chat.turn_events in share mode")
        calls = [town.stubs[0].SendMessage(one, metadata=town.metadata) for one in requests]
        reading = [asyncio.create_task(told(call)) for call in calls]

        async def wait() -> bool:
            found = await town.rows("select count(*) as n from pg_locks where not granted")
            return bool(found[0]["n"])

        await until(wait)
        await town.chats[0].kill()
        await asyncio.wait(reading)
    finally:
        await held.close()

    for request in requests:
        again = await told(
            town.stubs[1].SendMessage(request, metadata=town.metadata, wait_for_ready=True)
        )
        assert kinds(again)[-1] == "completed"
    for request in requests:
        thread = UUID(request.name.rpartition("/")[2])
        (count,) = await town.rows("select count(*) as n from turns where thread_id = $1", thread)
        assert count["n"] == 2


async def test_both_replicas_open_the_same_threads_in_opposite_order(town: Town) -> None:
    async def open_at(stub: chat_pb2_grpc.ChatServiceStub, name: str) -> str:
        """Returns how the turn ended, or why there is none."""
        call = stub.SendMessage(
            asking("again", name=name, model_config_id=-2), metadata=town.metadata
        )
        try:
            return kinds(await told(call))[-1]
        except grpc.aio.AioRpcError as error:
            return status.from_call(error, peer="chat_service").reason

    async def deadlocks() -> int:
        (row,) = await town.rows("select sum(deadlocks)::int as n from pg_stat_database")
        return int(row["n"])

    several = [
        thread_of(await told(town.stubs[0].SendMessage(one, metadata=town.metadata)))
        for one in [asking("hello", model_config_id=-2) for _ in range(SEVERAL)]
    ]
    before, ends = await deadlocks(), Counter[str]()
    until_then, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < until_then:
        async with asyncio.timeout(60):
            ended = await asyncio.gather(
                *(open_at(town.stubs[0], name) for name in several),
                *(open_at(town.stubs[1], name) for name in reversed(several)),
            )
        for here, there in zip(ended[:SEVERAL], reversed(ended[SEVERAL:]), strict=True):
            assert "completed" in (here, there)
        ends.update(ended)
        rounds += 1
    print(f"{rounds} rounds of {SEVERAL} threads: {dict(ends)}")
    assert ends.keys() <= {"completed", "TURN_IN_PROGRESS"}
    assert await deadlocks() == before
    ids = [UUID(name.rpartition("/")[2]) for name in several]
    (stored,) = await town.rows("select count(*) as n from turns where thread_id = any($1)", ids)
    assert stored["n"] == ends["completed"] + SEVERAL


async def test_nothing_is_lost_or_done_twice_whoever_is_killed(town: Town) -> None:
    plain = {asked: await calm(town, asked.format(FIRST)) for asked in (TALK, SCHEDULE)}
    chance = random.Random(SEED)
    people = {
        number: Person(
            town=town,
            dice=random.Random(SEED * 1000 + number),
            text=(TALK, SCHEDULE)[number % 2].format(number),
            cut=True,
        )
        for number in range(FIRST + 1, FIRST + 1 + PEOPLE)
    }
    talking = asyncio.gather(*(late(one, chance.uniform(0, 8)) for one in people.values()))
    await kill_at_random(town, chance)
    await talking
    await check(town, list(people.values()))
    names = await town.saved()
    for number, person in people.items():
        asked = (TALK, SCHEDULE)[number % 2]
        require_alike(person.heard, plain[asked].heard)
        assert names.count(SAVED.format(number)) == number % 2
    assert len(names) == len(set(names))


async def late(person: Person, seconds: float) -> None:
    await asyncio.sleep(seconds)  # the pace, not a wait for anything
    await person.talk()


async def kill_at_random(town: Town, chance: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        victim = chance.choice(town.chats)
        await victim.kill()
        await victim.start()


async def check(town: Town, people: list[Person]) -> None:
    """All turns ended well, told alike by both replicas, and were paid for."""
    for person in people:
        assert [e.sequence for e in person.heard] == list(range(1, len(person.heard) + 1))
        assert person.heard[-1].WhichOneof("event") == "completed"
        assert count(person.heard, "approval_requested") == count(person.heard, "approval_decided")
        assert count(person.heard, "approval_requested") <= 1
        assert count(person.heard, "thread_updated") <= 1
        await told_alike(person)
    states = await town.rows("select distinct state::text from turns")
    assert [row["state"] for row in states] == ["succeeded"]
    used = await town.settled()
    paid = "select id, jsonb_array_length(segments) as n from turns where model_config_id = -1"
    segments = await town.rows(paid)
    for row in segments:
        assert [used[row["id"], n] > 0 for n in range(row["n"])] == [True] * row["n"]
