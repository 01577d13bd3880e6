"""What is looked at first: the token, the size, the bytes, the membership, then the message."""

import struct
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import grpc
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status

from shared.rpc.server.callers import ROLES, find_method
from tests.contract.errors.test_errors import with_unknown_field
from tests.contract.rows import reason_of
from tests.contract.stage import Stage
from tests.contract.table import READS
from tests.support.calls import patient
from tests.support.calls.wire import web_status
from tests.support.system.live import METHODS, PUBLIC, Metadata, Tenant

Bytes = Callable[[str, Any], bytes]
LARGE: Final = (1 << 20) + 1
LARGEST: Final = (8 << 20) + 1

# One of each kind: a read, a write, a stream that reads, one that writes, an owner's.
SAMPLE: Final = (
    "ChatService/GetThread",
    "ChatService/UpdateThread",
    "ChatService/WatchTurn",
    "ChatService/SendMessage",
    "AutomationService/CreateAutomation",
    "AutomationService/GetWebhook",
)


def path_of(method: str) -> str:
    found = METHODS[method]
    return f"/{found.containing_service.full_name}/{found.name}"


def large_for(method: str) -> Bytes:
    """Gives one byte more than a call takes."""
    size = LARGEST if method.endswith("/SendMessage") else LARGE
    return lambda method, request: bytes(size)


def role_of(method: str) -> str:
    return find_method(path_of(method)).role


def misnamed(method: str, request: Any) -> Any:
    """The same with a name that no call takes, in the same workspace."""
    *way, last = find_method(path_of(method)).field.split(".")
    copy = type(request)()
    copy.CopyFrom(request)
    holder = reduce(getattr, way, copy)
    setattr(holder, last, getattr(holder, last) + "/x\0")
    return copy


SAID: Final[dict[str, Bytes]] = {
    "garbage": lambda method, request: b"\x0f\xff\xff",
    "text that is no UTF-8": lambda method, request: b"\x0a\x01\xff",
    "an unknown field": lambda method, request: with_unknown_field(request).SerializeToString(),
    "an invalid name": lambda method, request: misnamed(method, request).SerializeToString(),
}
UNREADABLE: Final = {"garbage", "text that is no UTF-8"}


@pytest.fixture(scope="module")
def stranger(stage: Stage) -> Tenant:
    return stage.live.tenant("mallory")


@pytest.fixture(scope="module")
def callers(stage: Stage, stranger: Tenant) -> dict[str, Metadata]:
    return {
        "nobody": [],
        "a liar": [("authorization", "Bearer x.y.z")],
        "a stranger": stranger.metadata(),
        "a viewer": stage.who.metadata(role="viewer"),
        "an owner": stage.who.metadata(),
    }


def wanted(method: str, who: str, said: str) -> str:
    if who in ("nobody", "a liar"):
        return "UNAUTHENTICATED"
    if said == "too much":
        return "REQUEST_TOO_LARGE"
    if said in UNREADABLE:
        return "REQUEST_MALFORMED"
    if who == "a stranger":
        return "RESOURCE_NOT_FOUND"
    if who == "a viewer" and role_of(method) != "viewer":
        return "PERMISSION_DENIED"
    return "INVALID_REQUEST"


def straight(stage: Stage, method: str, raw: bytes, metadata: Metadata) -> status_pb2.Status:
    channel: Any = stage.live.channel(stage.live.address(method))
    streams = METHODS[method].server_streaming
    call = (channel.unary_stream if streams else channel.unary_unary)(path_of(method))
    with pytest.raises(grpc.RpcError) as caught:
        answer = call(raw, metadata=metadata, timeout=60)
        assert not list(answer)
    found = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert found is not None, caught.value
    return found


def by_web(stage: Stage, method: str, raw: bytes, metadata: Metadata) -> status_pb2.Status:
    kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    framed = struct.pack(">BI", 0, len(raw)) + raw
    url = stage.live.url + path_of(method)
    return web_status(patient.post(url, content=framed, headers={**kind, **dict(metadata)}))


@pytest.mark.parametrize("method", PUBLIC)
def test_a_fault_is_told_in_the_order_of_the_guard(
    stage: Stage, callers: dict[str, Metadata], known: Callable[[str], Any], method: str
) -> None:
    request = known(method)
    for said, who in (
        ("garbage", "nobody"),
        ("garbage", "a stranger"),
        ("an unknown field", "a stranger"),
        ("an invalid name", "a viewer"),
    ):
        raw = SAID[said](method, request)
        status = straight(stage, method, raw, callers[who])
        assert reason_of(status) == wanted(method, who, said), (who, said, status)


@pytest.mark.parametrize("method", SAMPLE)
@pytest.mark.parametrize("door", [straight, by_web], ids=["straight", "web"])
def test_every_door_tells_the_same_first(
    stage: Stage, callers: dict[str, Metadata], known: Callable[[str], Any], method: str, door: Any
) -> None:
    request = known(method)
    for said, change in {**SAID, "too much": large_for(method)}.items():
        raw = change(method, request)
        for who, metadata in callers.items():
            if said == "too much" and who == "a viewer":
                continue
            status = door(stage, method, raw, metadata)
            assert reason_of(status) == wanted(method, who, said), (who, said, status)


def test_the_table_of_roles_is_what_the_calls_take() -> None:
    assert {m for m in PUBLIC if role_of(m) == "viewer"} == READS
    assert {path for paths in ROLES.values() for path in paths} <= {path_of(m) for m in PUBLIC}
    assert all(find_method(path_of(method)).field for method in PUBLIC)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("door", [straight, by_web], ids=["straight", "web"])
def test_the_scheme_of_a_token_is_read_in_any_case(stage: Stage, scheme: str, door: Any) -> None:
    metadata = [("authorization", f"{scheme} {stage.who.token()}")]
    status = door(stage, "ChatService/GetThread", b"\x0f", metadata)
    assert reason_of(status) == "REQUEST_MALFORMED"


@pytest.mark.parametrize("scheme", ["Basic", "Token", "BearerBearer"])
@pytest.mark.parametrize("door", [straight, by_web], ids=["straight", "web"])
def test_a_token_under_another_scheme_is_none(stage: Stage, scheme: str, door: Any) -> None:
    metadata = [("authorization", f"{scheme} {stage.who.token()}")]
    status = door(stage, "ChatService/GetThread", b"", metadata)
    assert reason_of(status) == "UNAUTHENTICATED"


@pytest.mark.parametrize("method", ["ChatService/GetThread", "ChatService/WatchTurn"])
def test_a_call_without_a_message_is_malformed(stage: Stage, method: str) -> None:
    call: Any = stage.live.channel(stage.live.chat).stream_stream(path_of(method))
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([]), metadata=stage.who.metadata(), timeout=60))
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    assert reason_of(status) == "REQUEST_MALFORMED"


@pytest.mark.parametrize(
    "path", ["/rota.chat.v1.ChatService/RunNow", "/rota.chat.v2.ChatService/GetThread", "/x/y"]
)
def test_what_does_not_exist_is_not_served_and_only_to_callers(stage: Stage, path: str) -> None:
    call: Any = stage.live.channel(stage.live.chat).unary_unary(path)
    for metadata, reason in ((stage.who.metadata(), "NOT_SERVED"), ([], "UNAUTHENTICATED")):
        with pytest.raises(grpc.RpcError) as caught:
            call(b"anything", metadata=metadata, timeout=60)
        status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
        assert status is not None
        assert reason_of(status) == reason


@pytest.mark.parametrize(
    ("call", "raw", "reason"),
    [
        ("grpc.health.v1.Health/Check", b"\x0f", "REQUEST_MALFORMED"),
        ("grpc.health.v1.Health/Check", b"\x0a\x01x", "RESOURCE_NOT_FOUND"),
        ("grpc.health.v1.Health/Watch", b"\x0f", "REQUEST_MALFORMED"),
        ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"\x0f", "REQUEST_MALFORMED"),
    ],
)
def test_health_and_reflection_refuse_as_every_call(
    stage: Stage, call: str, raw: bytes, reason: str
) -> None:
    channel: Any = stage.live.channel(stage.live.chat)
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.stream_stream(f"/{call}")(iter([raw]), timeout=60))
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    assert reason_of(status) == reason
