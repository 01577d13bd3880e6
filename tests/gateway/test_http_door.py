"""JSON through the gateway: as strict as gRPC, and HTTP as it is known."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from gateway.envoy_config import DESCRIPTORS
from gateway.http.bindings import contract
from tests.gateway.http.places import Place, places
from tests.gateway.replicas import Front, Replica, front, serving, until
from tests.support.calls import event_stream

CONTRACT = contract.read(DESCRIPTORS.read_bytes())
PLACES = list(places(CONTRACT))
THREAD = "/v1/workspaces/w/threads/t"
TURN = f"{THREAD}/turns/u"
AUTOMATIONS = "/v1/workspaces/w/automations"
AUTOMATION = f"{AUTOMATIONS}/a"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def gateway(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("door")
    with serving(replica), front(folder, [replica.address]) as made:
        until(lambda: made.http("GET", THREAD).status_code == 200, lambda: "not reached")
        yield made


@pytest.fixture
def client(gateway: Front, replica: Replica) -> Iterator[httpx2.Client]:
    """Of a service that does nothing but answer, and counts from nought."""
    replica.act, replica.frames = lambda method, context: None, lambda context: iter(())
    replica.answers.clear()
    replica.calls.clear()
    with httpx2.Client(base_url=gateway.url, headers=gateway.auth(), timeout=60) as made:
        yield made


def violations(answer: httpx2.Response) -> list[tuple[str, str]]:
    """The field and reason of each, of an answer that is INVALID_ARGUMENT."""
    said = answer.json()
    assert (answer.status_code, said["code"]) == (400, 3), said
    info, bad = said["details"]
    assert (info["reason"], info["domain"]) == ("INVALID_REQUEST", "rota.dev")
    assert said["message"]
    return [(one["field"], one["reason"]) for one in bad["field_violations"]]


def send(client: httpx2.Client, place: Place, members: str) -> httpx2.Response:
    body = place.body(members)
    return client.request(place.binding.method, place.url(), content=body, headers=JSON)


def test_there_are_objects_at_every_depth() -> None:
    assert len(PLACES) > 60
    assert max(place.path.count(".") for place in PLACES) >= 3
    assert {place.binding.call.name for place in PLACES} == {
        one.call.name for one in CONTRACT.bindings if one.body
    }


def test_an_unknown_key_is_refused_in_every_object(client: httpx2.Client, replica: Replica) -> None:
    for place in PLACES:
        path = f"{place.path}.no_such_field" if place.path else "no_such_field"
        found = violations(send(client, place, '"no_such_field":null'))
        assert found == [(path, "UNKNOWN_FIELD")], place
    assert not replica.calls


def test_a_doubled_key_is_refused_in_every_object(client: httpx2.Client, replica: Replica) -> None:
    for place in (one for one in PLACES if one.kind.fields):
        name = place.kind.fields[0].name
        path = f"{place.path}.{name}" if place.path else name
        found = violations(send(client, place, f'"{name}":null,"{name}":null'))
        assert found == [(path, "DUPLICATE_FIELD")], place
    assert not replica.calls


REFUSED: dict[str, tuple[str, str, Any, list[tuple[str, str]]]] = {
    "a switch of the query in the body": (
        "POST",
        AUTOMATIONS,
        {"display_name": "x", "validate_only": True},
        [("automation.validate_only", "UNKNOWN_FIELD")],
    ),
    "misspelt fields": (
        "POST",
        AUTOMATIONS,
        {"budget_cap": 1, "definition": {"plan": [{"wehn": "x"}], "concurency": 1}},
        [
            ("automation.budget_cap", "UNKNOWN_FIELD"),
            ("automation.definition.plan[0].wehn", "UNKNOWN_FIELD"),
            ("automation.definition.concurency", "UNKNOWN_FIELD"),
        ],
    ),
    "a switch without a value": (
        "POST",
        f"{AUTOMATIONS}?validate_only",
        {"display_name": "x"},
        [("validate_only", "INVALID")],
    ),
    "a parameter over the path": (
        "DELETE",
        f"{AUTOMATION}?name=workspaces/w/automations/victim",
        None,
        [("name", "DUPLICATE_FIELD")],
    ),
    "a state in a change": (
        "PATCH",
        AUTOMATION,
        {"state": "PAUSED"},
        [("automation.state", "IMMUTABLE")],
    ),
    "a body wrapped as for gRPC": (
        "PATCH",
        AUTOMATION,
        {"automation": {"display_name": "x"}, "update_mask": "display_name"},
        [("automation.automation", "UNKNOWN_FIELD"), ("automation.update_mask", "UNKNOWN_FIELD")],
    ),
    "wrong kinds": (
        "POST",
        f"{AUTOMATION}:pause",
        {"note": 1, "resume_time": "tomorrow"},
        [("note", "INVALID"), ("resume_time", "INVALID")],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_is_dropped_or_overridden(
    client: httpx2.Client, replica: Replica, case: str
) -> None:
    method, path, body, found = REFUSED[case]
    more = {} if body is None else {"json": body}
    assert violations(client.request(method, path, **more)) == found
    assert not replica.calls


def test_who_changes_a_state_is_told_how(client: httpx2.Client) -> None:
    said = client.patch(AUTOMATION, json={"state": "PAUSED"}).json()["message"]
    assert f"a POST to {AUTOMATION} with a verb may change it" in said
    assert ":pause" in said
    assert ":resume" in said
    wrapped = client.patch(AUTOMATION, json={"automation": {"display_name": "x"}})
    assert "without automation" in wrapped.json()["message"]


@pytest.mark.parametrize("path", ["/v1/workspaces/%ff/threads", f"{THREAD}/messages?filter=%ff"])
def test_what_is_no_utf8_is_malformed(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.json()["details"][0]["reason"] == "REQUEST_MALFORMED"


def test_a_deep_body_is_refused_before_it_is_sent(client: httpx2.Client, replica: Replica) -> None:
    def deep(levels: int) -> str:
        return '{"config":' + '{"a":' * levels + "1" + "}" * levels + "}"

    def sent(levels: int) -> httpx2.Response:
        path = f"{AUTOMATIONS}:previewSchedule"
        return client.post(path, content=deep(levels), headers=JSON)

    # What passes is what the service's own parser takes.
    levels = next(n for n in range(20, 60) if sent(n).status_code != 200)
    assert sent(levels).json()["details"][1]["field_violations"][0]["reason"] == "NOT_CANONICAL"
    ap.PreviewScheduleRequest.FromString(replica.requests["AutomationService/PreviewSchedule"])
    assert levels > 30


def test_a_verb_may_be_escaped(client: httpx2.Client, replica: Replica) -> None:
    assert client.post(f"{AUTOMATION}%3Aresume", json={}).status_code == 200
    assert replica.calls == {"AutomationService/ResumeAutomation": 1}


def test_another_method_is_405_with_those_there_are(client: httpx2.Client) -> None:
    for path, allowed in (
        (AUTOMATION, "DELETE, GET, HEAD, OPTIONS, PATCH"),
        (f"{AUTOMATION}:pause", "OPTIONS, POST"),
    ):
        answer = client.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json()["details"][0]["reason"] == "NOT_SERVED"
        asked = client.options(path)
        assert (asked.status_code, asked.headers["allow"], asked.text) == (204, allowed, "")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"])
def test_a_path_that_is_none_is_404_and_not_found(client: httpx2.Client, method: str) -> None:
    answer = client.request(method, f"{AUTOMATION}:nothing")
    assert answer.status_code == 404
    if method != "HEAD":
        assert answer.json()["code"] == 5


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/foo", "/v2/workspaces/w/threads/t", "/v1", "/x/y"]
)
def test_every_path_that_is_none_is_answered_alike(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    (info,) = answer.json()["details"]
    assert (answer.status_code, info["reason"]) == (404, "RESOURCE_NOT_FOUND")
    assert info["metadata"] == {"resource": path}


@pytest.mark.parametrize(
    ("line", "header", "said"),
    [
        (f"FOO {THREAD}", "", "its method is unknown"),
        ("GET /v1/w%2Fx", "", "the path has an escaped slash"),
        ("GET /v1/w%00x", "", "an escaped zero byte"),
        (f"GET {THREAD}", "x_y: 1\r\n", "the name of a header has an underscore"),
        (f"GET {THREAD}", "x: a\0b\r\n", "a header has characters"),
    ],
)
def test_what_envoy_refuses_is_told_why(gateway: Front, line: str, header: str, said: str) -> None:
    host, _, port = gateway.listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        (token,) = gateway.auth().values()
        head = f"{line} HTTP/1.1\r\nhost: rota\r\nauthorization: {token}\r\n{header}"
        connection.sendall(f"{head}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())
    assert (answer.status, error["code"]) == (400, 3)
    assert error["details"][0]["reason"] == "REQUEST_MALFORMED"
    assert said in error["message"]


@pytest.mark.parametrize("path", ["/v1/%0A/threads", "/%0A", "/v1/workspaces/w%0D/threads/t%0A:x"])
def test_a_path_with_a_line_break_is_answered_like_any_other(
    client: httpx2.Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["details"][0]["domain"] == "rota.dev"


def test_head_answers_as_get_without_a_body(client: httpx2.Client, replica: Replica) -> None:
    replica.answers["ChatService/GetThread"] = cp.Thread(name="x", etag="e1")
    got, asked = client.get(THREAD), client.head(THREAD)
    assert got.headers["etag"] == asked.headers["etag"] == '"e1"'
    assert (asked.status_code, asked.content) == (200, b"")


@pytest.mark.parametrize(
    ("code", "frames", "status"),
    [
        (None, [1, 2], 200),
        (None, [], 204),
        (grpc.StatusCode.NOT_FOUND, [], 404),
        (grpc.StatusCode.INVALID_ARGUMENT, [], 400),
    ],
)
def test_head_of_a_stream_answers_as_get(
    client: httpx2.Client,
    replica: Replica,
    code: grpc.StatusCode | None,
    frames: list[int],
    status: int,
) -> None:
    def told(context: grpc.ServicerContext) -> Iterator[Message]:
        if code is not None:
            context.abort(code, "no such turn")
        for sequence in frames:
            yield cp.TurnEvent(sequence=sequence, text_delta=cp.TextDelta(text="a"))

    replica.frames = told
    got, asked = client.get(f"{TURN}:watch"), client.head(f"{TURN}:watch")
    assert (got.status_code, asked.status_code, asked.content) == (status, status, b"")
    assert got.headers.get("content-type") == asked.headers.get("content-type")


@pytest.mark.parametrize(
    ("request_id", "last", "status", "ids"),
    [
        ("6f1c6f0a-0f7e-4a34-9d6a-3f3a3a3f3a3f", 1, 200, [2, 3]),
        ("6f1c6f0a-0f7e-4a34-9d6a-3f3a3a3f3a3f", 3, 204, []),
        ("6f1c6f0a-0f7e-4a34-9d6a-3f3a3a3f3a3f", 4, 400, []),
        ("", 2, 200, [1, 2, 3]),
    ],
)
def test_a_message_goes_on_only_where_it_is_said_again(
    client: httpx2.Client,
    replica: Replica,
    request_id: str,
    last: int,
    status: int,
    ids: list[int],
) -> None:
    replica.frames = lambda context: (
        cp.TurnEvent(sequence=sequence, text_delta=cp.TextDelta(text="a")) for sequence in (1, 2, 3)
    )
    body = {"message": {"parts": [{"text": "x"}]}} | (
        {"request_id": request_id} if request_id else {}
    )
    answer = client.post(f"{THREAD}:sendMessage", json=body, headers={"last-event-id": str(last)})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert violations(answer) == [("Last-Event-ID", "INVALID")]
    else:
        told = event_stream.messages(answer.text.splitlines())
        assert [one["sequence"] for one in told] == ids


def test_what_is_still_held_is_not_sent_again(client: httpx2.Client, replica: Replica) -> None:
    replica.answers["ChatService/GetThread"] = cp.Thread(name="x", etag="e1")
    for tag, status in (
        ('"e1"', 304),
        ('W/"e1"', 304),
        ('"e0", "e1"', 304),
        ('"e2"', 200),
        ("*", 304),
    ):
        assert client.get(THREAD, headers={"if-none-match": tag}).status_code == status


def test_a_stale_etag_is_412_where_the_header_said_it(
    client: httpx2.Client, replica: Replica
) -> None:
    def act(method: str, context: grpc.ServicerContext) -> None:
        info, packed = error_details_pb2.ErrorInfo(reason="ETAG_MISMATCH"), any_pb2.Any()
        packed.Pack(info)
        status = status_pb2.Status(code=10, message="stale", details=[packed])
        context.abort_with_status(rpc_status.to_status(status))

    replica.act = act
    by_body = client.patch(THREAD, json={"display_name": "x", "etag": "e1"})
    by_header = client.patch(THREAD, json={"display_name": "x"}, headers={"if-match": '"e1"'})
    assert (by_body.status_code, by_header.status_code) == (409, 412)
    assert by_body.json() == by_header.json()


def test_if_match_is_the_etag_of_a_call(client: httpx2.Client, replica: Replica) -> None:
    for tag in ('"e1"', 'W/"e1"'):
        assert client.delete(AUTOMATION, headers={"if-match": tag}).status_code == 200
        request = replica.requests["AutomationService/DeleteAutomation"]
        assert ap.DeleteAutomationRequest.FromString(request).etag == "e1"
    client.patch(THREAD, json={"display_name": "x"}, headers={"if-match": '"e1"'})
    changed = cp.UpdateThreadRequest.FromString(replica.requests["ChatService/UpdateThread"])
    assert changed.thread.etag == "e1"
    answer = client.delete(AUTOMATION, headers={"if-match": "e1"})
    assert violations(answer) == [("If-Match", "INVALID")]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, 501),
        (grpc.StatusCode.UNKNOWN, 500),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.ABORTED, 409),
    ],
)
def test_an_error_without_words_or_reason_gets_both(
    client: httpx2.Client, replica: Replica, code: grpc.StatusCode, status: int
) -> None:
    replica.act = lambda method, context: context.abort(code, "")
    answer = client.post(f"{AUTOMATION}:resume", json={})
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code.value[0])
    assert said["message"]
    assert said["details"][0]["reason"]


def test_a_stream_that_fails_after_its_first_frame_says_why(
    client: httpx2.Client, replica: Replica
) -> None:
    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        yield cp.TurnEvent(sequence=1, text_delta=cp.TextDelta(text="a"))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the replica stops")

    replica.frames = frames
    first, last = event_stream.events(client.get(f"{TURN}:watch").text.splitlines())
    assert (first.kind, first.data["sequence"]) == ("message", 1)
    assert last.kind == "status"
    assert (last.data["code"], last.data["details"][0]["reason"]) == (14, "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize("path", [THREAD, f"{TURN}:watch"])
def test_a_call_ends_when_its_caller_leaves(
    client: httpx2.Client, gateway: Front, replica: Replica, path: str
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def act(method: str, context: grpc.ServicerContext) -> None:
        context.add_callback(ended.set)
        begun.set()
        ended.wait(60)

    replica.act = act
    calling = threading.Thread(target=leave, args=(gateway, path, begun))
    calling.start()
    assert ended.wait(25)
    calling.join(60)


def leave(gateway: Front, path: str, begun: threading.Event) -> None:
    """Asks, and closes the connection when the service has the call."""
    host, _, port = gateway.listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        (authorization,) = gateway.auth().values()
        head = f"GET {path} HTTP/1.1\r\nhost: rota\r\nauthorization: {authorization}\r\n\r\n"
        connection.sendall(head.encode())
        begun.wait(60)
