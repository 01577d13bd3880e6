"""Connections that bring no request end in seconds; others stay."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from rota.chat.v1 import chat_pb2

from tests.gateway.replicas import Front, Replica, front, serving

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
BEGUN = {
    "nothing": b"",
    "a letter": b"G",
    "half a line": b"GET /healthz HT",
    "half a head": b"GET /healthz HTTP/1.1\r\nhost: rota\r\nx-slow: ",
    "half of HTTP/2's first words": PREFACE[:10],
    "HTTP/2 without a request": PREFACE,
    "half a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00",
}


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def gateway(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("connections")
    brief = {"ROTA_SILENT_SECONDS": "1", "ROTA_UNUSED_SECONDS": "2", "ROTA_CALL_SECONDS": "1"}
    with serving(replica), front(folder, [replica.address], **brief) as made:
        yield made


@contextlib.contextmanager
def connected(gateway: Front, count: int) -> Iterator[list[socket.socket]]:
    host, _, port = gateway.listen.rpartition(":")
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            for _ in range(count)
        ]


def read_to_end(connection: socket.socket) -> bytes:
    """What a connection is sent until it ends. Raises TimeoutError if it does not."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while some := connection.recv(4096):
            found += some
    return found


def test_a_connection_without_a_whole_request_ends(gateway: Front) -> None:
    with connected(gateway, 7 * len(BEGUN)) as connections:
        for number, connection in enumerate(connections):
            connection.sendall(list(BEGUN.values())[number % len(BEGUN)])
        for connection in connections:
            assert b"200 OK" not in read_to_end(connection)


def test_a_connection_is_kept_for_the_next_request(gateway: Front) -> None:
    with connected(gateway, 1) as (connection,):
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: rota\r\n\r\n")
            assert b"200 OK" in connection.recv(4096)
        assert read_to_end(connection) == b""


LATE = {
    ("/v1/workspaces/w/threads", "application/json"): b'"TIMED_OUT"',
    ("/v1/workspaces/w/threads/t:sendMessage", "application/json"): b'"TIMED_OUT"',
    ("/rota.chat.v1.ChatService/GetThread", "application/proto"): b'"deadline_exceeded"',
    ("/rota.chat.v1.ChatService/GetThread", "application/grpc-web"): b"grpc-status: 4",
}


def test_a_body_comes_in_time_and_a_stream_takes_longer(gateway: Front, replica: Replica) -> None:
    told = threading.Event()

    def frames(context: object) -> Iterator[Message]:
        yield chat_pb2.TurnEvent(sequence=1)
        told.wait(60)
        yield chat_pb2.TurnEvent(sequence=2)

    replica.frames = frames
    token = gateway.auth()["authorization"]
    head = f"HTTP/1.1\r\nhost: rota\r\nauthorization: {token}\r\ncontent-length: 100\r\n"
    with gateway.calls() as calls, connected(gateway, len(LATE)) as connections:
        stream = calls.begin("ChatService/WatchTurn")
        next(stream)
        for connection, (path, kind) in zip(connections, LATE, strict=True):
            connection.sendall(f"POST {path} {head}content-type: {kind}\r\n\r\n{{".encode())
        for connection, said in zip(connections, LATE.values(), strict=True):
            assert said in read_to_end(connection)
        told.set()
        assert len(list(stream)) == 1
