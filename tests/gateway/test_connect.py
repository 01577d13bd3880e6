"""The Connect protocol through the gateway: both codecs, calls and streams, and what is refused."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from rota.chat.v1 import chat_pb2 as cp

from tests.gateway.conftest import Scripted
from tests.gateway.replicas import Front, Replica
from tests.support.system.live import METHODS, PUBLIC

CHAT = "/rota.chat.v1.ChatService"
NAME = "workspaces/w/threads/t/turns/u"


@pytest.fixture
def replica(scripted: Scripted) -> Replica:
    return scripted.replica


@pytest.fixture
def gateway(scripted: Scripted) -> Front:
    return scripted.front


def call(
    gateway: Front, path: str, kind: str, content: bytes = b"", **headers: str
) -> httpx2.Response:
    told = {"content-type": kind, "connect-protocol-version": "1", **headers}
    return gateway.http("POST", path, content=content, headers=told)


def wrapped(message: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(message)) + message


def unwrapped(content: bytes) -> tuple[list[bytes], dict[str, Any]]:
    """The messages of a stream, and what its last envelope says."""
    messages: list[bytes] = []
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        message, content = content[5 : 5 + length], content[5 + length :]
        if flags == 2:
            assert not content
            return messages, json.loads(message)
        assert flags == 0
        messages.append(message)
    raise AssertionError("there is no last envelope")


def reason(error: dict[str, Any]) -> str:
    kind, value = error["details"][0]["type"], error["details"][0]["value"]
    assert kind == "google.rpc.ErrorInfo"
    padded = value + "=" * (-len(value) % 4)
    return str(error_details_pb2.ErrorInfo.FromString(base64.b64decode(padded)).reason)


@pytest.mark.parametrize("codec", ["proto", "json"])
def test_every_public_call_is_answered(gateway: Front, replica: Replica, codec: str) -> None:
    replica.calls.clear()
    for name in sorted(PUBLIC):
        method = METHODS[name]
        path = f"/{method.containing_service.full_name}/{method.name}"
        empty = b"{}" if codec == "json" else b""
        if method.server_streaming:
            kind = f"application/connect+{codec}"
            answer = call(gateway, path, kind, wrapped(empty))
            assert unwrapped(answer.content) == ([], {})
        else:
            kind = f"application/{codec}"
            answer = call(gateway, path, kind, empty)
            assert answer.content == empty
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), name
    assert set(replica.calls) == set(PUBLIC)


def test_a_request_reaches_the_service_whole(gateway: Front, replica: Replica) -> None:
    asked = cp.WatchTurnRequest(name=NAME, after_sequence=7)
    text = json.dumps({"name": NAME, "after_sequence": 7}).encode()
    for kind, content in (("proto", asked.SerializeToString()), ("json", text)):
        replica.requests.clear()
        call(gateway, f"{CHAT}/WatchTurn", f"application/connect+{kind}", wrapped(content))
        assert cp.WatchTurnRequest.FromString(replica.requests["ChatService/WatchTurn"]) == asked
        assert replica.metadata["authorization"].startswith("Bearer ")


def test_a_stream_has_its_frames_and_an_end(gateway: Front, replica: Replica) -> None:
    frames = [cp.TurnEvent(sequence=n, text_delta=cp.TextDelta(text="é")) for n in (1, 2)]
    replica.frames = lambda context: iter(frames)
    answer = call(gateway, f"{CHAT}/WatchTurn", "application/connect+proto", wrapped(b""))
    assert unwrapped(answer.content) == ([frame.SerializeToString() for frame in frames], {})
    answer = call(gateway, f"{CHAT}/WatchTurn", "application/connect+json", wrapped(b"{}"))
    messages, end = unwrapped(answer.content)
    assert [json.loads(one) for one in messages] == [
        {"sequence": n, "text_delta": {"text": "é"}} for n in (1, 2)
    ]
    assert end == {}


def test_a_stream_that_fails_keeps_what_came_before(gateway: Front, replica: Replica) -> None:
    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        yield cp.TurnEvent(sequence=1)
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    replica.frames = frames
    answer = call(gateway, f"{CHAT}/WatchTurn", "application/connect+proto", wrapped(b""))
    messages, end = unwrapped(answer.content)
    assert len(messages) == 1
    assert (end["error"]["code"], reason(end["error"])) == ("unavailable", "SERVICE_UNAVAILABLE")


def test_a_time_limit_is_kept(gateway: Front, replica: Replica) -> None:
    def last(method: str, context: grpc.ServicerContext) -> None:
        assert context.time_remaining() < 60

    replica.act = last
    for limit in ("0", "1"):
        path = f"{CHAT}/GetThread"
        answer = call(gateway, path, "application/proto", b"", **{"connect-timeout-ms": limit})
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert call(gateway, f"{CHAT}/GetThread", "application/proto").status_code == 200


REFUSED: dict[str, tuple[str, str, bytes, dict[str, str], int, str, str]] = {
    "an unknown key": (
        "GetThread", "application/json", b'{"nome":"x"}', {},
        400, "invalid_argument", "INVALID_REQUEST",
    ),
    "no JSON": (
        "GetThread", "application/json", b"{", {}, 400, "invalid_argument", "REQUEST_MALFORMED",
    ),
    "a call as a stream": (
        "GetThread", "application/connect+json", wrapped(b"{}"), {},
        415, "invalid_argument", "REQUEST_MALFORMED",
    ),
    "a stream as a call": (
        "WatchTurn", "application/json", b"{}", {}, 415, "invalid_argument", "REQUEST_MALFORMED",
    ),
    "another kind": (
        "GetThread", "text/plain", b"{}", {}, 415, "invalid_argument", "REQUEST_MALFORMED",
    ),
    "another version": (
        "GetThread", "application/json", b"{}", {"connect-protocol-version": "2"},
        400, "invalid_argument", "INVALID_REQUEST",
    ),
    "a time that is none": (
        "GetThread", "application/json", b"{}", {"connect-timeout-ms": "1s"},
        400, "invalid_argument", "INVALID_REQUEST",
    ),
    "compressed": (
        "GetThread", "application/json", b"{}", {"content-encoding": "gzip"},
        501, "unimplemented", "NOT_SERVED",
    ),
    "no such call": (
        "GetThreads", "application/json", b"{}", {}, 501, "unimplemented", "NOT_SERVED",
    ),
    "too large": (
        "GetThread", "application/proto", b"x" * (2 << 20), {},
        413, "resource_exhausted", "REQUEST_TOO_LARGE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_in_connects_form(gateway: Front, case: str) -> None:
    method, kind, content, headers, status, code, why = REFUSED[case]
    answer = call(gateway, f"{CHAT}/{method}", kind, content, **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert (answer.json()["code"], reason(answer.json())) == (code, why)
    assert ("accept-post" in answer.headers) == (status == 415)


REFUSED_STREAMS: dict[str, tuple[bytes, str]] = {
    "no envelope": (b"{}", "invalid_argument"),
    "half of one": (wrapped(b"{}")[:-1], "invalid_argument"),
    "two of them": (wrapped(b"{}") * 2, "invalid_argument"),
    "an end": (wrapped(b"{}", 2), "invalid_argument"),
    "compressed": (wrapped(b"{}", 1), "unimplemented"),
    "no JSON": (wrapped(b"{"), "invalid_argument"),
}


@pytest.mark.parametrize("case", REFUSED_STREAMS)
def test_a_stream_is_refused_by_its_end(gateway: Front, case: str) -> None:
    content, code = REFUSED_STREAMS[case]
    answer = call(gateway, f"{CHAT}/WatchTurn", "application/connect+json", content)
    messages, end = unwrapped(answer.content)
    assert (messages, answer.status_code, end["error"]["code"]) == ([], 200, code)


def test_what_the_gateway_refuses_by_itself_has_the_same_form(gateway: Front) -> None:
    nobody = {"authorization": "Bearer x"}
    for codec in ("proto", "json"):
        answer = call(gateway, f"{CHAT}/GetThread", f"application/{codec}", b"", **nobody)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")
        assert answer.headers["www-authenticate"] == 'Bearer realm="rota"'
        assert reason(answer.json()) == "UNAUTHENTICATED"
        kind = f"application/connect+{codec}"
        answer = call(gateway, f"{CHAT}/WatchTurn", kind, wrapped(b""), **nobody)
        messages, end = unwrapped(answer.content)
        assert (messages, answer.status_code, answer.headers["content-type"]) == ([], 200, kind)
        assert (end["error"]["code"], reason(end["error"])) == (
            "unauthenticated",
            "UNAUTHENTICATED",
        )
    inner = call(gateway, "/rota.agent.v1.AgentService/ListCapabilities", "application/json", b"{}")
    assert (inner.status_code, inner.json()["code"]) == (501, "unimplemented")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_call_is_a_post(gateway: Front, replica: Replica, method: str) -> None:
    replica.calls.clear()
    answer = gateway.http(method, f"{CHAT}/DeleteThread?connect=v1&encoding=json&message=%7B%7D")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["code"] == "unimplemented"
    assert not replica.calls


def test_an_answer_with_a_secret_is_not_compressed(gateway: Front) -> None:
    path = "/rota.automation.v1.AutomationService/GetWebhook"
    by_connect = call(gateway, path, "application/json", b"{}")
    by_json = gateway.http("GET", "/v1/workspaces/w/webhook")
    for answer in (by_connect, by_json):
        assert answer.headers["cache-control"] == "no-store, no-transform"
