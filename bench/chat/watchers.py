"""The memory of the service per watcher of a waiting turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

import psycopg
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from bench import processes
from bench.chat.environment import Environment
from shared.rpc import client

WATCHERS: Final = 1000
TURNS: Final = 20


async def measure_bytes_per_watcher(on: Environment) -> float:
    """Returns the resident bytes that each of WATCHERS more watchers adds."""
    metadata = [("authorization", f"Bearer {on.token()}")]
    async with client.open_channel(on.service) as channel:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        turns = [await _waiting_turn(on, stub, metadata, t) for t in await on.threads(TURNS)]
        async with _open_watchers(stub, metadata, turns, WATCHERS):
            before = processes.measure_usage(on.service_pid).memory
            async with _open_watchers(stub, metadata, turns, WATCHERS):
                return (processes.measure_usage(on.service_pid).memory - before) / WATCHERS


async def _waiting_turn(
    on: Environment,
    stub: chat_pb2_grpc.ChatServiceStub,
    metadata: list[tuple[str, str]],
    thread: str,
) -> tuple[str, int]:
    """A turn that is made to look as if it waited for a decision, and its last frame."""
    request = pb.SendMessageRequest(
        name=thread,
        request_id=str(uuid4()),
        message=pb.Message(parts=[pb.Part(text="<<tokens=5>>")]),
    )
    events = [event async for event in stub.SendMessage(request, metadata=metadata)]
    turn = events[0].started.turn
    with psycopg.connect(on.databases.superuser, autocommit=True) as connection:
        connection.execute(
            "update chat.turns set state = 'awaiting_approval', end_time = null where id = %s",
            [turn.rpartition("/")[2]],
        )
    return turn, events[-1].sequence


@contextlib.asynccontextmanager
async def _open_watchers(
    stub: chat_pb2_grpc.ChatServiceStub,
    metadata: list[tuple[str, str]],
    turns: list[tuple[str, int]],
    count: int,
) -> AsyncIterator[None]:
    calls = []
    for number in range(count):
        turn, last = turns[number % len(turns)]
        request = pb.WatchTurnRequest(name=turn, after_sequence=last)
        calls.append(stub.WatchTurn(request, metadata=metadata))
    reading = [asyncio.create_task(call.read()) for call in calls]
    try:
        await asyncio.gather(*(call.wait_for_connection() for call in calls))
        await asyncio.sleep(5)
        yield
    finally:
        for one in (*calls, *reading):
            one.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
