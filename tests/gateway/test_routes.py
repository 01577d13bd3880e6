"""Where each call of the contract goes, and which of them are repeated when they fail."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import annotations_pb2

from gateway import routes
from tests.gateway.replicas import PATHS, Calls, Front, Replica, front, serving, until
from tests.support.system.live import INTERNAL, METHODS
from tests.support.system.live import PUBLIC as SERVED

PUBLIC = sorted(SERVED)
SAFE = {n for n in PUBLIC if re.search(r"/(Get|List|Explain)", n)}
ELSEWHERE = [
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/Other",
    "/rota.chat.v2.ChatService/GetThread",
    "/rota.chat.v1.ChatServiceX/GetThread",
]


@pytest.fixture(scope="module")
def chat() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def automation() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def gateway(
    chat: Replica, automation: Replica, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    with serving(chat, automation):
        folder: Path = tmp_path_factory.mktemp("routes")
        with front(folder, [chat.address], [automation.address]) as made:
            yield made


@pytest.fixture
def calls(gateway: Front, chat: Replica, automation: Replica) -> Iterator[Calls]:
    """Once both services are reached; and they do nothing but answer."""
    chat.act = automation.act = lambda method, context: None
    with gateway.calls() as made:
        known = ("ChatService/GetThread", "AutomationService/GetRun")
        until(lambda: {made.code(n) for n in known} == {grpc.StatusCode.OK}, lambda: known)
        for replica in (chat, automation):
            replica.calls.clear()
        yield made


def test_every_public_call_reaches_its_own_service(
    calls: Calls, chat: Replica, automation: Replica
) -> None:
    for name in PUBLIC:
        assert calls.code(name) is grpc.StatusCode.OK, name
    assert set(chat.calls) | set(automation.calls) == set(PUBLIC)
    for replica, cluster in ((chat, "chat"), (automation, "automation")):
        reached = {METHODS[name].containing_service.full_name for name in replica.calls}
        assert reached == set(routes.PUBLIC[cluster])


@pytest.mark.usefixtures("calls")
def test_every_public_call_is_reached_by_json_too(
    gateway: Front, chat: Replica, automation: Replica
) -> None:
    for name in PUBLIC:
        http = METHODS[name].GetOptions().Extensions[annotations_pb2.http]
        verb = http.WhichOneof("pattern")
        path = re.sub(r"\{[\w.]+=([^}]*)\}", r"\1", getattr(http, verb)).replace("*", "x")
        body: dict[str, Any] = {"json": {}} if http.body else {}
        answer = gateway.http(verb.upper(), path, **body)
        # Of a stream that has nothing to say there is no content.
        wanted = 204 if METHODS[name].server_streaming else 200
        assert answer.status_code == wanted, (name, answer.text)
    assert set(chat.calls) | set(automation.calls) == set(PUBLIC)


def test_no_other_call_goes_anywhere(calls: Calls, chat: Replica, automation: Replica) -> None:
    assert INTERNAL
    for path in [*ELSEWHERE, *(path for path, name in PATHS.items() if name in INTERNAL)]:
        assert calls.code("", path=path) is grpc.StatusCode.UNIMPLEMENTED, path
    assert not chat.calls
    assert not automation.calls


def test_only_what_reads_is_tried_again(calls: Calls, chat: Replica, automation: Replica) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    chat.act = automation.act = fail
    for name in PUBLIC:
        assert calls.code(name) is grpc.StatusCode.UNAVAILABLE
    tried = chat.calls + automation.calls
    assert {name for name, times in tried.items() if times > 1} == SAFE
    assert {tried[name] for name in SAFE} == {3}


def test_a_read_that_fails_once_is_answered_all_the_same(
    calls: Calls, gateway: Front, chat: Replica
) -> None:
    def fail_once(method: str, context: grpc.ServicerContext) -> None:
        if chat.calls[method] == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    chat.act = fail_once
    assert calls.code("ChatService/ListThreads") is grpc.StatusCode.OK
    assert gateway.http("GET", "/v1/workspaces/w/threads/t").status_code == 200
    assert calls.code("ChatService/CreateThread") is grpc.StatusCode.UNAVAILABLE


def test_a_refusal_is_not_tried_again(calls: Calls, chat: Replica) -> None:
    def refuse(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thread")

    chat.act = refuse
    assert calls.code("ChatService/GetThread") is grpc.StatusCode.NOT_FOUND
    assert chat.calls["ChatService/GetThread"] == 1
