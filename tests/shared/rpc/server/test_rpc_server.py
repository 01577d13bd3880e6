"""A server that stops, and callers who leave: what callers are told, and what the log is."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc

from shared.rpc import client
from shared.rpc.server.interceptor import RETRY_AFTER, ServerInterceptor
from shared.rpc.server.rpc_server import RpcServer
from shared.security import caller
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys

SERVICE = "rota.automation.v1.AutomationService"
AUTOMATION = "workspaces/w/automations/a"
LONG = pb.StepUpdated(step=pb.StepResult(step_id="s" * 10_000))


class Servicer(automation_pb2_grpc.AutomationServiceServicer):
    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def GetAutomation(self, request: Any, context: Any) -> pb.Automation:  # noqa: N802
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError

    async def WatchRun(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[pb.RunEvent]:
        flood = request.name.endswith("/flood")
        try:
            yield pb.RunEvent(sequence=1)
            while flood:
                yield pb.RunEvent(sequence=2, step_updated=LONG)
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def server(keys: Keys, servicer: Servicer) -> AsyncIterator[RpcServer]:
    users, services = (
        caller.read_key_set(file) for file in (keys.jwks_file, keys.service_jwks_file)
    )
    verifier = caller.Verifier(users=users, services=services, service="automation_service")
    made = RpcServer(
        listen="127.0.0.1:0",
        interceptor=ServerInterceptor(verifier=verifier, translate=lambda error: None),
        service_names=[SERVICE],
        add=[lambda s: automation_pb2_grpc.add_AutomationServiceServicer_to_server(servicer, s)],
        grace_seconds=0,
    )
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def channel(server: RpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with client.open_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return automation_pb2_grpc.AutomationServiceStub(channel)


def get(stub: Any, keys: Keys) -> Any:
    return stub.GetAutomation(
        pb.GetAutomationRequest(name=AUTOMATION), metadata=keys.user_headers()
    )


def watch(stub: Any, keys: Keys, run: str = "r") -> Any:
    request = pb.WatchRunRequest(name=f"{AUTOMATION}/runs/{run}")
    return stub.WatchRun(request, metadata=keys.user_headers())


async def begin(servicer: Servicer, call: Any) -> Any:
    """The call, once its handler waits."""
    if isinstance(call, grpc.aio.UnaryStreamCall):
        frame: Any = await call.read()
        assert frame.sequence == 1
    await servicer.begun.wait()
    return call


@pytest.mark.parametrize("call", [get, watch])
async def test_what_a_stop_interrupts_is_told_to_come_back(
    server: RpcServer, servicer: Servicer, stub: Any, keys: Keys, call: Callable[..., Any]
) -> None:
    begun = await begin(servicer, call(stub, keys))
    last = begun.read() if isinstance(begun, grpc.aio.UnaryStreamCall) else begun
    refused, _ = await asyncio.gather(refusal(last), server.stop())
    assert (refused.code.name, refused.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    assert refused.retry_after == RETRY_AFTER
    assert servicer.ended.is_set()


async def test_a_drain_says_so_before_calls_are_refused(
    server: RpcServer, channel: grpc.aio.Channel
) -> None:
    server.drain_seconds = 3600
    health: Any = health_pb2_grpc.HealthStub(channel)
    stop = asyncio.create_task(server.stop())
    asked, kinds = health_pb2.HealthCheckRequest(service=SERVICE), health_pb2.HealthCheckResponse
    while (await health.Check(asked)).status != kinds.NOT_SERVING:
        await asyncio.sleep(0)
    stop.cancel()
    server.drain_seconds = 0


async def leave_at_once(servicer: Servicer, stub: Any, keys: Keys) -> None:
    for call in (get(stub, keys), watch(stub, keys)):
        call.cancel()


async def leave_a_call(servicer: Servicer, stub: Any, keys: Keys) -> None:
    (await begin(servicer, get(stub, keys))).cancel()
    await servicer.ended.wait()


async def leave_a_stream(servicer: Servicer, stub: Any, keys: Keys) -> None:
    (await begin(servicer, watch(stub, keys))).cancel()
    await servicer.ended.wait()


async def leave_a_flood(servicer: Servicer, stub: Any, keys: Keys) -> None:
    """While the server writes, and while it is not let."""
    for frames in (1, 50):
        servicer.ended.clear()
        call = watch(stub, keys, "flood")
        for _ in range(frames):
            await call.read()
        call.cancel()
        await servicer.ended.wait()


async def leave_late(servicer: Servicer, stub: Any, keys: Keys) -> None:
    """By a deadline, which the server is told."""
    request, seconds = pb.GetAutomationRequest(name=AUTOMATION), 0.05
    while not servicer.begun.is_set():  # a call may be over before it reaches a busy server
        seconds *= 2
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetAutomation(request, metadata=keys.user_headers(), timeout=seconds)
    await servicer.ended.wait()


@pytest.mark.parametrize(
    "leave",
    [leave_at_once, leave_a_call, leave_a_stream, leave_a_flood, leave_late],
)
async def test_a_caller_who_leaves_leaves_no_traceback(
    server: RpcServer,
    servicer: Servicer,
    stub: Any,
    keys: Keys,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    leave: Callable[..., Any],
) -> None:
    caplog.set_level(logging.WARNING)
    await leave(servicer, stub, keys)
    await server.stop()
    said = [record.getMessage() for record in caplog.records]
    assert said == [], said
    assert "Traceback" not in "".join(capfd.readouterr())
