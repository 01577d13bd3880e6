"""Two replicas of chat_service killed at random while people talk, approve and lose their calls.

`ROTA_CHAOS_TURNS` sets how many people there are, `ROTA_CHAOS_SEED` who is cut off and killed
when. What a model says costs credit here, so that every end of a segment has to settle some.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import grpc
import pytest
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import automation_pb2_grpc
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres_roles import ServiceDatabases
from shared.rpc import client
from tests.support.chat import START, WORKSPACE, approval_of, approve, asking, told, until
from tests.support.models import model, models_file
from tests.support.pair import migrated
from tests.support.ports import free_port
from tests.support.postgres import SuiteServer
from tests.support.processes import FileClock, Process, processes
from tests.support.tokens import Keys

PEOPLE: Final = int(os.environ.get("ROTA_CHAOS_TURNS", "12"))
SEED: Final = int(os.environ.get("ROTA_CHAOS_SEED", "11"))
KILLS: Final = max(5, PEOPLE // 6)
TALK: Final = "tell me about number {} <<tokens=80;delay=0.02>>"
SCHEDULE: Final = "every weekday at 9 in Paris summarise the news of number {}"
TERMINAL: Final = ("completed", "suspended", "failed", "cancelled")
PREMIUM: Final = model(
    -1, "demo-a", premium=True, input_price=1_000_000, output_price=1_000_000, reserve_tokens=2_000
)

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Two replicas of chat_service, one automation_service, and the way to them."""

    chats: tuple[Process, Process]
    stubs: tuple[chat_pb2_grpc.ChatServiceStub, chat_pb2_grpc.ChatServiceStub]
    automations: automation_pb2_grpc.AutomationServiceStub
    metadata: list[tuple[str, str]]
    demo: DemoServer
    databases: ServiceDatabases

    async def saved(self) -> list[str]:
        listed = await self.automations.ListAutomations(
            ap.ListAutomationsRequest(parent=WORKSPACE, page_size=200), metadata=self.metadata
        )
        return sorted(each.display_name for each in listed.automations)

    async def rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.databases.chat)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def settled(self) -> dict[tuple[Any, int], int]:
        """Credit used, by turn and segment, once nothing is held any more."""
        query = "select * from credit_reservations"

        async def all_settled() -> bool:
            return all(row["settle_time"] for row in await self.rows(query))

        await until(all_settled, seconds=240)
        return {(r["turn_id"], r["segment"]): r["used_micros"] for r in await self.rows(query)}


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody whose calls break off at random, and who asks the next replica for the rest."""

    town: Town
    dice: random.Random
    text: str
    cut: bool = True
    turn: str = ""
    heard: list[pb.TurnEvent] = field(default_factory=list)

    async def talk(self) -> None:
        await self.hear(asking(self.text, model_config_id=-1))
        while self.heard[-1].WhichOneof("event") == "suspended":
            decision = approve(approval_of(self.heard))
            await self.hear(
                pb.ResumeTurnRequest(name=self.turn, decisions=[decision], request_id=str(uuid4()))
            )

    async def hear(self, request: pb.SendMessageRequest | pb.ResumeTurnRequest) -> None:
        """Reads one segment to its terminal frame."""
        before = len(self.heard)
        async with asyncio.timeout(240):
            while not self._over(before):
                stub = self.dice.choice(self.town.stubs)
                if len(self.heard) > before:
                    last = self.heard[-1].sequence
                    watch = pb.WatchTurnRequest(name=self.turn, after_sequence=last)
                    await self._read(stub.WatchTurn(watch, metadata=self.town.metadata))
                elif isinstance(request, pb.ResumeTurnRequest):
                    await self._read(stub.ResumeTurn(request, metadata=self.town.metadata))
                else:
                    await self._read(stub.SendMessage(request, metadata=self.town.metadata))

    async def _read(self, call: Any) -> None:
        left = self.dice.randint(1, 12) if self.cut else 10**9
        try:
            async for event in call:
                if event.WhichOneof("event") == "heartbeat":
                    continue
                self.heard.append(event)
                self.turn = self.turn or event.started.turn
                left -= 1
                if not left:
                    break
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.05)
        finally:
            call.cancel()

    def _over(self, before: int) -> bool:
        return len(self.heard) > before and self.heard[-1].WhichOneof("event") in TERMINAL


def held(events: list[pb.TurnEvent]) -> str:
    """The text that holds when all is said; of every message, in order."""
    blocks: dict[tuple[str, int], str] = {}
    for event in events:
        if event.HasField("text_delta"):
            key = (event.text_delta.message, event.text_delta.block)
            blocks[key] = blocks.get(key, "") + event.text_delta.text
        elif event.HasField("text_retracted"):
            gone = event.text_retracted
            for key in [k for k in blocks if k[0] == gone.message and k[1] >= gone.from_block]:
                del blocks[key]
    return "".join(text for text in blocks.values())


def count(events: list[pb.TurnEvent], kind: str) -> int:
    return sum(event.WhichOneof("event") == kind for event in events)


async def heard(person: Person, kind: str) -> bool:
    return count(person.heard, kind) > 0


@pytest.fixture
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
async def town(both_databases: ServiceDatabases, tmp_path: Path) -> AsyncIterator[Town]:
    keys = Keys(folder=tmp_path)
    clock = FileClock(tmp_path / "now")
    clock.set(START)
    ports = free_port(), free_port()
    models = models_file(tmp_path, PREMIUM, credit=10**9)
    async with contextlib.AsyncExitStack() as stack:
        demo = await stack.enter_async_context(demo_server())
        running = await stack.enter_async_context(
            processes(
                both_databases, keys, demo.base_url, clock, ports, {"ROTA_MODELS": str(models)}
            )
        )
        other = running.chat.another(free_port(), keys.folder / "other.log")
        stack.push_async_callback(other.kill)
        await other.start()
        chats = (running.chat, other)
        first, second, automation = [
            await stack.enter_async_context(client.channel(f"127.0.0.1:{port}"))
            for port in (running.chat.port, other.port, ports[1])
        ]
        yield Town(
            chats=chats,
            stubs=(chat_pb2_grpc.ChatServiceStub(first), chat_pb2_grpc.ChatServiceStub(second)),
            automations=automation_pb2_grpc.AutomationServiceStub(automation),
            metadata=keys.user_headers(),
            demo=demo,
            databases=both_databases,
        )


async def on_the_first(town: Town, text: str) -> tuple[Person, asyncio.Task[None]]:
    """Somebody who has been heard by the first replica, and now listens at the second."""
    person = Person(town=town, dice=random.Random(SEED), text=text, cut=False)
    request = asking(text, model_config_id=-1)
    call = town.stubs[0].SendMessage(request, metadata=town.metadata)
    event = await anext(aiter(call))
    person.heard, person.turn = [event], event.started.turn
    call.cancel()
    return person, asyncio.create_task(from_the_second(person))


async def from_the_second(person: Person) -> None:
    watch = pb.WatchTurnRequest(name=person.turn, after_sequence=person.heard[-1].sequence)
    async with asyncio.timeout(240):
        call = person.town.stubs[1].WatchTurn(watch, metadata=person.town.metadata)
        async for event in call:
            if event.WhichOneof("event") != "heartbeat":
                person.heard.append(event)


async def calm(town: Town, text: str) -> Person:
    """The same said when nothing is killed and nobody is cut off."""
    person = Person(town=town, dice=random.Random(SEED), text=text, cut=False)
    await person.talk()
    return person


async def test_another_replica_finishes_what_one_that_died_was_saying(town: Town) -> None:
    undisturbed = await calm(town, TALK.format(0))
    town.demo.controls.hold(after=20, kind="chat")
    person, listening = await on_the_first(town, TALK.format(0))
    await town.demo.controls.until_held("chat")
    # What was sent is not yet what was told.
    await until(lambda: heard(person, "text_delta"))
    await town.chats[0].kill()
    town.demo.controls.release()
    await listening
    assert count(person.heard, "text_retracted") == 1
    await check(town, [undisturbed, person], {TALK: held(undisturbed.heard)})
    assert await town.saved() == []


async def test_another_replica_finishes_the_tool_that_one_that_died_was_in(town: Town) -> None:
    text = SCHEDULE.format(1)
    town.demo.controls.hold(kind="drafter")
    person, listening = await on_the_first(town, text)
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
    await check(town, [person], {})
    assert len(await town.saved()) == 1


async def test_another_replica_saves_what_was_decided_at_one_that_died(town: Town) -> None:
    person = Person(town=town, dice=random.Random(SEED), text=SCHEDULE.format(1), cut=False)
    await person.hear(asking(person.text, model_config_id=-1))
    approval = approval_of(person.heard)
    # The save comes between the decision and the model's next word.
    town.demo.controls.hold(kind="chat")
    decide = pb.DecideApprovalRequest(
        name=approval.name, decision=approve(approval), request_id=str(uuid4())
    )
    await town.stubs[0].DecideApproval(decide, metadata=town.metadata)
    await town.chats[0].kill()
    town.demo.controls.release()
    await from_the_second(person)
    await check(town, [person], {})
    assert len(await town.saved()) == 1


async def test_nothing_is_lost_or_done_twice_whoever_is_killed(town: Town) -> None:
    plain = {text: held((await calm(town, text.format(0))).heard) for text in (TALK, SCHEDULE)}
    chance = random.Random(SEED)
    people = [
        Person(
            town=town,
            dice=random.Random(SEED * 1000 + number),
            text=(TALK, SCHEDULE)[number % 2].format(number),
        )
        for number in range(1, PEOPLE + 1)
    ]
    talking = asyncio.gather(*(late(person, chance.uniform(0, 8)) for person in people))
    await kill_at_random(town, chance)
    await talking
    await check(town, people, plain)
    names = await town.saved()
    assert len(names) == len(set(names)) == 1 + PEOPLE // 2


async def late(person: Person, seconds: float) -> None:
    await asyncio.sleep(seconds)  # the pace, not a wait for anything
    await person.talk()


async def kill_at_random(town: Town, chance: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        victim = chance.choice(town.chats)
        await victim.kill()
        await victim.start()


async def check(town: Town, people: list[Person], plain: dict[str, str]) -> None:
    """All turns ended well, told alike by both replicas, and were paid for."""
    for person in people:
        assert [e.sequence for e in person.heard] == list(range(1, len(person.heard) + 1))
        assert person.heard[-1].WhichOneof("event") == "completed"
        assert count(person.heard, "approval_requested") == count(person.heard, "approval_decided")
        assert count(person.heard, "approval_requested") <= 1
    await told_alike(town, people)
    said_as_when_calm(people, plain)
    states = await town.rows("select distinct state::text from turns")
    assert [row["state"] for row in states] == ["succeeded"]
    used = await town.settled()
    segments = await town.rows("select id, jsonb_array_length(segments) as n from turns")
    for row in segments:
        assert [used[row["id"], n] > 0 for n in range(row["n"])] == [True] * row["n"]


async def told_alike(town: Town, people: list[Person]) -> None:
    for person in people:
        for chat, stub in zip(town.chats, town.stubs, strict=True):
            if not chat.alive:
                continue
            again: list[pb.TurnEvent] = []
            while len(again) < len(person.heard):
                watch = pb.WatchTurnRequest(name=person.turn, after_sequence=len(again))
                call = stub.WatchTurn(watch, metadata=town.metadata, wait_for_ready=True)
                again += await told(call)
            assert again == person.heard


def said_as_when_calm(people: list[Person], plain: dict[str, str]) -> None:
    """`plain`: by what was asked, what is answered about number 0."""
    for person in people:
        number = person.text.partition("number ")[2].partition(" ")[0]
        for asked, answered in plain.items():
            if person.text == asked.format(number):
                assert held(person.heard).replace(f"number {number}", "number 0") == answered
