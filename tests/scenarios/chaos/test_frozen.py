"""A replica of chat_service that stands still in the middle of a turn, and then goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres.roles import ServiceDatabases
from shared.rpc import client
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock, Process, processes
from tests.support.system.chat import START, asking, kinds, thread_of, told, until
from tests.support.system.pair import migrated

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """Two replicas of chat_service: the one that will freeze, and the other."""

    frozen: Process
    stubs: tuple[chat_pb2_grpc.ChatServiceStub, chat_pb2_grpc.ChatServiceStub]
    metadata: list[tuple[str, str]]
    demo: DemoServer
    databases: ServiceDatabases

    async def frames(self, turn: str) -> list[pb.TurnEvent]:
        """What is stored, in order."""
        query = "select frame from chat.turn_events where turn_id = $1 order by sequence"
        connection = await asyncpg.connect(self.databases.chat)
        try:
            rows = await connection.fetch(query, turn.rpartition("/")[2])
        finally:
            await connection.close()
        return [pb.TurnEvent.FromString(row["frame"]) for row in rows]

    async def watched(self, replica: int, turn: str) -> list[pb.TurnEvent]:
        watch = pb.WatchTurnRequest(name=turn)
        async with asyncio.timeout(240):
            stub = self.stubs[replica]
            return await told(stub.WatchTurn(watch, metadata=self.metadata, wait_for_ready=True))


@pytest.fixture
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
async def two(both_databases: ServiceDatabases, tmp_path: Path) -> AsyncIterator[Two]:
    keys = Keys(folder=tmp_path)
    clock = FileClock(tmp_path / "now")
    clock.set(START)
    ports = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        demo = await stack.enter_async_context(demo_server())
        running = await stack.enter_async_context(
            processes(both_databases, keys, demo.base_url, clock, ports)
        )
        other = running.chat.another(free_port(), keys.folder / "other.log")
        stack.push_async_callback(other.kill)
        await other.start()
        first, second = [
            await stack.enter_async_context(client.open_channel(f"127.0.0.1:{port}"))
            for port in (running.chat.port, other.port)
        ]
        yield Two(
            frozen=running.chat,
            stubs=(chat_pb2_grpc.ChatServiceStub(first), chat_pb2_grpc.ChatServiceStub(second)),
            metadata=keys.user_headers(),
            demo=demo,
            databases=both_databases,
        )


async def test_an_owner_that_comes_back_after_its_turn_was_taken_over_adds_nothing(
    two: Two,
) -> None:
    # The turn has no title to find, so that its owner is in the model's answer only.
    hello = two.stubs[0].SendMessage(asking("hello"), metadata=two.metadata)
    thread = thread_of(await told(hello))
    two.demo.controls.hold(after=3, kind="chat")
    request = asking("<<tokens=9>> go on", name=thread)
    call = two.stubs[0].SendMessage(request, metadata=two.metadata)
    turn = (await anext(aiter(call))).started.turn
    async for event in call:
        if event.HasField("text_delta"):
            break
    before = await two.frames(turn)

    two.frozen.freeze()
    two.demo.controls.release()  # the frozen one will find the rest of the answer
    ended = await two.watched(1, turn)
    assert kinds(ended)[-1] == "completed"
    assert kinds(ended).count("text_retracted") == 1
    assert ended[: len(before)] == before

    two.frozen.thaw()

    async def noticed() -> bool:
        return "turn_lost" in two.frozen.log.read_text()

    await until(noticed, seconds=240)
    assert await two.frames(turn) == ended
    assert [event.sequence for event in ended] == list(range(1, len(ended) + 1))
    assert await two.watched(0, turn) == ended
    call.cancel()
