"""Calls to a service that has several addresses."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from shared import errors
from shared.retry import RetryPolicy, exponential
from shared.rpc import client, status
from tests.gateway.replicas import Relay
from tests.support.system.chat import until

NOTHING = "127.0.0.1:1"
RETRY = RetryPolicy(interval=exponential(0.05, 1.0), maximum_total_wait=2.0)


@asynccontextmanager
async def replica(
    name: bytes, act: Callable[[bytes, Any], Awaitable[bytes]] | None = None
) -> AsyncIterator[tuple[str, grpc.aio.Server]]:
    """Yields the address of a server that answers each call with its name, and the server.

    With `act` it does that instead.
    """

    async def answer(request: bytes, context: Any) -> bytes:
        return name

    handler: Any = grpc.unary_unary_rpc_method_handler(act or answer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("S", {"M": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}", server
    await server.stop(None)


async def ask(channel: grpc.aio.Channel) -> bytes:
    """Calls once. Raises PeerUnavailable."""
    try:
        call: Any = channel.unary_unary("/S/M")
        found: bytes = await call(b"", timeout=60)
    except grpc.aio.AioRpcError as error:
        raise status.from_call(error, peer="peer") from error
    return found


async def test_each_replica_is_called_and_one_that_stops_is_left_out() -> None:
    async with (
        replica(b"a") as (first, server),
        replica(b"b") as (second, _),
        client.open_channel(f"{first}, {second}") as channel,
    ):
        seen: set[bytes] = set()

        async def both() -> bool:
            seen.add(await ask(channel))
            return len(seen) == 2

        await until(both)
        await server.stop(None)
        answers = {await RETRY.call(lambda: ask(channel)) for _ in range(10)}
        assert answers == {b"b"}


async def test_an_address_where_nothing_is_costs_one_attempt() -> None:
    attempts = 0

    async def attempt(channel: grpc.aio.Channel) -> bytes:
        nonlocal attempts
        attempts += 1
        return await ask(channel)

    async with (
        replica(b"a") as (there, _),
        client.open_channel(f"{NOTHING},{there}") as channel,
    ):
        answers = {await RETRY.call(lambda: attempt(channel)) for _ in range(10)}
    assert (answers, attempts) == ({b"a"}, 11)


async def test_where_all_are_away_a_call_fails_at_once() -> None:
    async with client.open_channel(f"{NOTHING},127.0.0.1:2") as channel:
        with pytest.raises(errors.PeerUnavailable):
            await ask(channel)


async def test_what_cancels_calls_as_it_stops_is_away() -> None:
    async def cancel(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.CANCELLED)
        raise AssertionError

    async with replica(b"a", cancel) as (there, _), client.open_channel(there) as channel:
        with pytest.raises(errors.PeerUnavailable):
            await ask(channel)


async def test_what_takes_connections_and_says_nothing_is_away_long_before_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with client.open_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(errors.PeerUnavailable) as caught:
                await ask(channel)
    cause: Any = caught.value.__cause__
    assert cause.code() is grpc.StatusCode.UNAVAILABLE


async def test_what_hangs_later_is_away_long_before_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The sooner the first ping, the sooner the test ends.
    options = {**dict(client._OPTIONS), "grpc.keepalive_time_ms": 1_000}
    monkeypatch.setattr(client, "_OPTIONS", tuple(options.items()))
    async with replica(b"a") as (there, _):
        relay = Relay(int(there.rpartition(":")[2]))
        async with client.open_channel(relay.address) as channel:
            assert await ask(channel) == b"a"
            relay.hang()
            with pytest.raises(errors.PeerUnavailable) as caught:
                await ask(channel)
            relay.cut()
    cause: Any = caught.value.__cause__
    assert cause.code() is grpc.StatusCode.UNAVAILABLE
