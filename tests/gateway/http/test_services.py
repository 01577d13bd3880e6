"""Channels to the services: which replica gets a call."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway.envoy_config import DESCRIPTORS
from gateway.http import services
from gateway.http.bindings import contract
from gateway.http.services import Service
from tests.gateway.replicas import Relay, Replica, serving

CONTRACT = contract.read(DESCRIPTORS.read_bytes())
GET_THREAD = "/rota.chat.v1.ChatService/GetThread"
CREATE_THREAD = "/rota.chat.v1.ChatService/CreateThread"
Replicas = tuple[Replica, Replica]
MANY = 30
# One channel for both addresses, and one for each.
HOSTS = ("127.0.0.1", "localhost")


@pytest.fixture
def replicas() -> Iterator[Replicas]:
    both = Replica(), Replica()
    with serving(*both):
        yield both


@pytest.fixture(params=HOSTS)
async def chat(replicas: Replicas, request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    async with connected(request.param, *(replica.port for replica in replicas)) as made:
        yield made


@asynccontextmanager
async def connected(host: str, *ports: int) -> AsyncIterator[Service]:
    addresses = [(host, str(port)) for port in ports]
    made = services.connect(CONTRACT, {"chat": addresses, "automation": addresses}, None)["chat"]
    made.open()
    yield made
    await made.close()


async def ask(chat: Service, path: str = CREATE_THREAD) -> grpc.StatusCode:
    try:
        await chat.call(path, b"", timeout=60)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def until_used(chat: Service, *replicas: Replica) -> None:
    """Until each of them gets one of a few calls."""
    async with asyncio.timeout(120):
        while True:
            for replica in replicas:
                replica.calls.clear()
            for _ in range(8):
                await ask(chat)
            if all(replica.calls for replica in replicas):
                return
            await asyncio.sleep(0.02)


async def until_begun(replica: Replica) -> None:
    async with asyncio.timeout(120):
        while not replica.calls:
            await asyncio.sleep(0.02)


async def test_every_address_gets_calls_and_one_that_has_gone_none(
    chat: Service, replicas: Replicas
) -> None:
    await until_used(chat, *replicas)
    replicas[1].server.stop(None).wait(60)
    async with asyncio.timeout(120):
        while [await ask(chat) for _ in range(8)] != [grpc.StatusCode.OK] * 8:
            await asyncio.sleep(0.02)


async def test_one_that_says_it_does_not_serve_gets_no_calls(
    chat: Service, replicas: Replicas
) -> None:
    await until_used(chat, *replicas)
    replicas[1].well(False)
    async with asyncio.timeout(120):
        while True:
            replicas[1].calls.clear()
            codes = [await ask(chat) for _ in range(8)]
            if codes == [grpc.StatusCode.OK] * 8 and not replicas[1].calls:
                break
            await asyncio.sleep(0.02)
    replicas[1].well(True)
    await until_used(chat, *replicas)


async def test_only_what_reads_is_asked_again(chat: Service, replicas: Replicas) -> None:
    await until_used(chat, *replicas)
    for replica in replicas:
        replica.calls.clear()
        replica.act = lambda method, context: context.abort(grpc.StatusCode.UNAVAILABLE, "no")
    assert await ask(chat, GET_THREAD) is grpc.StatusCode.UNAVAILABLE
    assert await ask(chat, CREATE_THREAD) is grpc.StatusCode.UNAVAILABLE
    tried = replicas[0].calls + replicas[1].calls
    assert tried == {"ChatService/GetThread": 3, "ChatService/CreateThread": 1}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_replica_that_goes_with_calls_under_way_costs_no_read(
    replicas: Replicas, host: str
) -> None:
    relay, has_gone = Relay(replicas[1].port), threading.Event()
    async with connected(host, replicas[0].port, relay.port) as chat:
        await until_used(chat, *replicas)
        replicas[1].act = lambda method, context: has_gone.wait(60)
        replicas[1].calls.clear()
        begun = [asyncio.create_task(ask(chat, GET_THREAD)) for _ in range(MANY)]
        await until_begun(replicas[1])
        relay.cut()
        codes = await asyncio.gather(*begun)
    has_gone.set()
    assert Counter(codes) == {grpc.StatusCode.OK: MANY}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_replica_that_hangs_with_calls_under_way_costs_no_read(
    replicas: Replicas, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The sooner the first ping, the sooner the test ends.
    options = {**dict(services._OPTIONS), "grpc.keepalive_time_ms": 1_000}
    monkeypatch.setattr(services, "_OPTIONS", tuple(options.items()))
    relay = Relay(replicas[1].port)
    async with connected(host, replicas[0].port, relay.port) as chat:
        await until_used(chat, *replicas)
        relay.hang()
        codes = await asyncio.gather(*(ask(chat, GET_THREAD) for _ in range(MANY)))
        relay.cut()
    assert Counter(codes) == {grpc.StatusCode.OK: MANY}
