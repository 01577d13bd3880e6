"""What gRPC's core parses by itself never reaches it malformed, whoever sends it."""

import socket
import struct
from collections import Counter

import grpc
import httpx2
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from h2.connection import H2Connection
from h2.events import StreamEnded, StreamReset

from tests.gateway.conftest import Scripted
from tests.gateway.replicas import Front
from tests.support.calls.wire import web_status

GET = "/rota.chat.v1.ChatService/GetThread"
WEB = "application/grpc-web+proto"
FRAMED = struct.pack(">BI", 0, 0)
MALFORMED = (code_pb2.INVALID_ARGUMENT, "REQUEST_MALFORMED")
UNSERVED = (code_pb2.UNIMPLEMENTED, "NOT_SERVED")
LARGE = "y" * 12_000  # above the 8 KiB that core takes by default

REFUSED = [
    *((("grpc-timeout", value), MALFORMED) for value in ("zz", "", "1", "1s", "-1S", "123456789S")),
    *((("grpc-encoding", value), UNSERVED) for value in ("snappy", "", "gzip,gzip")),
]
# They do not get through, or do no harm.
HARMLESS = [
    *(("grpc-timeout", value) for value in ("1n", "99999999H")),
    *((f"grpc-{name}", "zz") for name in ("status", "retry-pushback-ms", "previous-rpc-attempts")),
    *((name, "!") for name in ("x-a-bin", "grpc-trace-bin", "grpc-tags-bin", "lb-cost-bin")),
    *((name, "!") for name in ("endpoint-load-metrics-bin", "lb-token", "x!y", "x|y")),
    ("grpc-internal-encoding-request", "zz"),
    ("grpc-accept-encoding", "foo,,,"),
    ("te", "gzip"),
    ("x-a", LARGE),
]


def web(
    front: Front, kind: str, *headers: tuple[str, str], body: bytes = FRAMED
) -> httpx2.Response:
    told = {"content-type": kind, **dict(headers)}
    return front.http("POST", GET, "mallory", content=body, headers=told)


def others(front: Front) -> Counter[str]:
    """How the calls of others end, on connections of their own, with what each may send."""
    found: Counter[str] = Counter()
    for number in range(8):
        with front.calls("bob") as calls:
            more = [("x-a-bin", b"abc"), ("grpc-previous-rpc-attempts", "1")]
            call = calls.channel.unary_unary(GET).with_call
            try:
                call(
                    b"",
                    metadata=[*calls.metadata, *more],
                    timeout=60 + number / 10,
                    compression=grpc.Compression.Gzip if number % 2 else None,
                )
                found["OK"] += 1
            except grpc.RpcError as failed:
                found[str(failed)] += 1
    return found


def told(status: status_pb2.Status) -> tuple[int, str]:
    """Code and reason; nothing else is in the details."""
    (detail,) = status.details
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    assert info.domain == "rota.dev"
    return status.code, info.reason


def test_a_malformed_header_of_grpc_is_refused_and_fails_nobody_else(scripted: Scripted) -> None:
    front = scripted.front
    for _ in range(4):
        for header, wanted in REFUSED:
            assert (header, told(web_status(web(front, WEB, header)))) == (header, wanted)
            # With and without the header that browsers send.
            answer = web(front, WEB, header, ("x-grpc-web", "1"))
            assert told(web_status(answer)) == wanted
        web(front, WEB, ("grpc-timeout", "1n"))
    assert others(front) == {"OK": 8}


def test_what_core_would_parse_is_dropped_before_it(scripted: Scripted) -> None:
    front = scripted.front
    for _ in range(4):
        for header in HARMLESS:
            answer = web(front, WEB, header)
            status = answer.headers.get("grpc-status", "0")
            assert status == "0" or header == ("grpc-timeout", "1n"), (header, answer.headers)
    assert others(front) == {"OK": 8}


def test_headers_below_the_gateways_limit_are_taken_by_the_services(scripted: Scripted) -> None:
    with scripted.front.calls() as calls:
        assert calls.code("ChatService/GetThread", ("x-a", LARGE * 2)) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("application/grpc", FRAMED, MALFORMED),  # over HTTP/1.1
        ("application/grpc;a=b", FRAMED, MALFORMED),
        ("application/grpc-foo", FRAMED, UNSERVED),
        ("application/grpc+json", FRAMED, UNSERVED),
        ("application/grpc-web+json", FRAMED, UNSERVED),
        ("application/grpc-web-text", b"!!!!", MALFORMED),
    ],
)
@pytest.mark.parametrize("more", [{}, {"te": "trailers"}, {"x-grpc-web": "1"}])
def test_grpc_that_is_none_has_a_reason(
    scripted: Scripted, kind: str, body: bytes, wanted: tuple[int, str], more: dict[str, str]
) -> None:
    assert told(web_status(web(scripted.front, kind, *more.items(), body=body))) == wanted


def test_an_unknown_transfer_encoding_is_no_reason_to_try_again(scripted: Scripted) -> None:
    front = scripted.front
    host, _, port = front.listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        token = front.auth()["authorization"]
        head = f"POST {GET} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n"
        connection.sendall(f"{head}transfer-encoding: xchunked\r\n\r\n".encode())
        said = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert said.startswith("HTTP/1.1 501 ")
    assert "NOT_SERVED" in said
    assert "retry" not in said.lower()


@pytest.mark.parametrize("name", ["grpc-timeout", "x-a-bin", "grpc-status"])
def test_trailers_of_a_request_reach_nobody(scripted: Scripted, name: str) -> None:
    front = scripted.front
    for _ in range(16):
        with_trailers(front, (name, "zz"))
        web(front, WEB, ("grpc-timeout", "1n"))
    assert others(front) == {"OK": 8}


def with_trailers(front: Front, *trailers: tuple[str, str]) -> None:
    """A call by HTTP/2 whose request ends with trailers, to its end."""
    host, _, port = front.listen.rpartition(":")
    head = {":method": "POST", ":path": GET, ":scheme": "http", ":authority": "rota"}
    head |= {**front.auth("mallory"), "content-type": "application/grpc", "te": "trailers"}
    http = H2Connection()
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        http.initiate_connection()
        http.send_headers(1, list(head.items()))
        http.send_data(1, FRAMED)
        http.send_headers(1, trailers, end_stream=True)
        connection.sendall(http.data_to_send())
        while data := connection.recv(4096):
            events = http.receive_data(data)
            connection.sendall(http.data_to_send())
            if any(isinstance(one, StreamEnded | StreamReset) for one in events):
                return
