"""How many calls one person may make: a bucket for each subject, refused in the wire's words."""

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import TypeVar

import grpc
import httpx2
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.gateway.replicas import Front, Replica, front, serving, until
from tests.support.calls import patient

PATH = "/v1/workspaces/w/threads/t"
T = TypeVar("T")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    replica = Replica()
    few = {"ROTA_RATE_PER_SECOND": "1", "ROTA_RATE_BURST": "3"}
    with serving(replica), front(tmp_path_factory.mktemp("limits"), [replica.address], **few) as f:
        until(lambda: f.http("GET", PATH, "nobody").status_code == 200, lambda: "not reached")
        yield f


def refused(call: Callable[[], T | None]) -> T:
    """What the call is refused with, at some time soon."""
    for _ in range(200):
        if (found := call()) is not None:
            return found
    raise AssertionError("it was never refused")


def by_json(gateway: Front, user: str, **headers: str) -> httpx2.Response | None:
    answer = gateway.http("GET", PATH, user, headers=headers)
    return None if answer.status_code == 200 else answer


def test_json_is_refused_with_429_and_when_to_come_back(gateway: Front) -> None:
    answer = refused(lambda: by_json(gateway, "ada"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    said = answer.json()
    assert said["code"] == 8
    info, retry = said["details"]
    assert (info["reason"], info["domain"]) == ("RATE_LIMITED", "rota.dev")
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"}


def test_grpc_is_refused_with_resource_exhausted_and_retry_info(gateway: Front) -> None:
    with gateway.calls("bob") as calls:

        def call() -> grpc.RpcError | None:
            found: grpc.RpcError | None = calls.begin("ChatService/GetThread").exception()
            return found

        failed = refused(call)
    assert isinstance(failed, grpc.Call)
    assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(failed)
    assert status is not None
    check(status)


def test_grpc_web_is_refused_with_resource_exhausted_and_retry_info(gateway: Front) -> None:
    kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}

    def call() -> httpx2.Response | None:
        path = "/rota.chat.v1.ChatService/GetThread"
        content = struct.pack(">BI", 0, 0)
        answer = gateway.http("POST", path, "cid", content=content, headers=kind)
        assert answer.status_code == 200
        return answer if answer.headers.get("grpc-status") == "8" else None

    packed = refused(call).headers["grpc-status-details-bin"]
    packed += "=" * (-len(packed) % 4)
    check(status_pb2.Status.FromString(base64.b64decode(packed)))


def check(status: status_pb2.Status) -> None:
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    wanted: tuple[Message, ...] = (info, retry)
    for detail, kind in zip(status.details, wanted, strict=True):
        assert detail.Unpack(kind)
    assert (info.reason, info.domain) == ("RATE_LIMITED", "rota.dev")
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=1)


def test_one_persons_haste_is_not_anothers(gateway: Front) -> None:
    refused(lambda: by_json(gateway, "dan"))
    assert by_json(gateway, "eve") is None


def test_no_header_and_no_second_token_gives_a_fresh_bucket(gateway: Front) -> None:
    fresh = count()

    def call() -> httpx2.Response | None:
        number = next(fresh)
        forged = {"x-forwarded-for": f"10.0.0.{number % 250}", "x-user-id": str(number)}
        # Each call mints a token of its own.
        return by_json(gateway, "fay", **forged)

    assert refused(call).status_code == 429


def test_who_waits_is_served_again(gateway: Front) -> None:
    refused(lambda: by_json(gateway, "gil"))
    until(lambda: by_json(gateway, "gil") is None, lambda: "still refused")


def test_the_page_and_the_health_check_are_not_counted(gateway: Front) -> None:
    for _ in range(20):
        assert patient.get(f"{gateway.url}/healthz").status_code == 200
