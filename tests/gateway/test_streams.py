"""Streams through the gateway: neither held back nor cut, on any wire; and calls that take long."""

import struct
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import httpx2
import pytest
from google.protobuf.message import Message
from rota.chat.v1 import chat_pb2 as cp

from automation_service.runs import watch
from chat_service.settings import ChatSettings
from gateway.envoy_config import DEFAULTS
from tests.gateway.replicas import Front, Replica, front, serving, until

CALL_SECONDS = 1
IDLE_SECONDS = 6
BEATS = 24
GAP = 0.3
GRPC_PATH = "/rota.chat.v1.ChatService/WatchTurn"
JSON_PATH = "/v1/workspaces/w/threads/t/turns/u:watch"
WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def gateway(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    short = {"ROTA_CALL_SECONDS": str(CALL_SECONDS), "ROTA_IDLE_SECONDS": str(IDLE_SECONDS)}
    with (
        serving(replica),
        front(tmp_path_factory.mktemp("streams"), [replica.address], **short) as made,
    ):
        path = "/v1/workspaces/w/threads/t"
        until(lambda: made.http("GET", path).status_code == 200, lambda: "not reached")
        yield made


def beat(sequence: int) -> Message:
    return cp.TurnEvent(sequence=sequence, heartbeat=cp.Heartbeat())


# A stream on each wire, as an iterator that gives something at each frame.


def by_grpc(gateway: Front) -> Iterator[object]:
    with gateway.calls() as calls:
        yield from calls.begin("ChatService/WatchTurn")


def by_web(gateway: Front) -> Iterator[object]:
    left = b""
    content = struct.pack(">BI", 0, 0)
    url = gateway.url + GRPC_PATH
    with httpx2.stream(
        "POST", url, content=content, headers=WEB | gateway.auth(), timeout=60
    ) as answer:
        for chunk in answer.iter_raw():
            left += chunk
            while len(left) >= 5 and len(left) >= (size := 5 + struct.unpack(">I", left[1:5])[0]):
                if not left[0] & 0x80:
                    yield left[:size]
                left = left[size:]


def by_sse(gateway: Front) -> Iterator[object]:
    url = gateway.url + JSON_PATH
    with httpx2.stream("GET", url, headers=gateway.auth(), timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield from (line for line in answer.iter_lines() if line == ": heartbeat")


WIRES = {"grpc": by_grpc, "grpc-web": by_web, "sse": by_sse}


@pytest.mark.parametrize("wire", WIRES)
def test_a_frame_arrives_before_the_next_is_sent(
    gateway: Front, replica: Replica, wire: str
) -> None:
    arrived = threading.Semaphore(0)

    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        for sequence in range(1, 4):
            yield beat(sequence)
            # A frame that is held back somewhere never arrives, and the stream ends too soon.
            if not arrived.acquire(timeout=50):
                return

    replica.frames = frames
    count = 0
    for _ in WIRES[wire](gateway):
        count += 1
        arrived.release()
    assert count == 3


def test_a_stream_lives_as_long_as_its_heartbeats(gateway: Front, replica: Replica) -> None:
    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        for sequence in range(1, BEATS + 1):
            time.sleep(GAP)
            yield beat(sequence)

    assert max(IDLE_SECONDS, CALL_SECONDS) < BEATS * GAP
    replica.frames = frames
    counts: dict[str, int] = {}

    def count(wire: str, frames: Callable[[Front], Iterator[object]]) -> None:
        counts[wire] = sum(1 for _ in frames(gateway))

    watching = [threading.Thread(target=count, args=item) for item in WIRES.items()]
    for each in watching:
        each.start()
    for each in watching:
        each.join(60)
    assert counts == dict.fromkeys(WIRES, BEATS)


def test_a_stream_that_falls_silent_is_ended(gateway: Front, replica: Replica) -> None:
    ended = threading.Event()

    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        context.add_callback(ended.set)
        yield beat(1)
        ended.wait(60)

    replica.frames = frames
    with gateway.calls() as calls:
        stream = calls.begin("ChatService/WatchTurn")
        assert next(stream)
        with pytest.raises(grpc.RpcError) as cut:
            next(stream)
    assert isinstance(cut.value, grpc.Call)
    # Ended by the gateway, before the deadline of the call.
    assert cut.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    assert ended.wait(60)


def test_our_heartbeats_come_well_before_a_gateway_would_cut() -> None:
    idle = int(DEFAULTS["ROTA_IDLE_SECONDS"])
    chat = ChatSettings.model_fields["heartbeat_seconds"].default
    # One may be lost and the next be late.
    assert 3 * chat < idle
    assert idle > 3 * watch.HEARTBEAT_SECONDS


def test_a_call_that_takes_too_long_is_ended_on_every_wire(
    gateway: Front, replica: Replica
) -> None:
    done = threading.Event()
    replica.act = lambda method, context: done.wait(60)
    try:
        with gateway.calls() as calls:
            late = calls.code("ChatService/GetThread")
        assert late is grpc.StatusCode.DEADLINE_EXCEEDED
        answer = gateway.http("GET", "/v1/workspaces/w/threads/t")
        assert answer.status_code == 504
        assert answer.json()["code"] == 4
        path = "/rota.chat.v1.ChatService/GetThread"
        web = gateway.http("POST", path, content=struct.pack(">BI", 0, 0), headers=WEB)
        assert web.headers["grpc-status"] == "4"
    finally:
        replica.act = lambda method, context: None
        done.set()
