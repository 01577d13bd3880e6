"""The other ways in, through the real gateway to the real services: gRPC-Web, JSON and SSE."""

import base64
import json
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import status_pb2
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.rows import reason_of
from tests.contract.stage import Stage, new_id
from tests.support.calls import event_stream
from tests.support.system.live import Live, Tenant


@pytest.fixture
def who(live: Live) -> Tenant:
    return live.tenant()


# gRPC-Web: a byte of flags, four of length, then a message or, with the highest bit, trailers.


def web(who: Tenant, method: str, request: Message) -> tuple[list[bytes], dict[str, str]]:
    body = request.SerializeToString()
    answer = httpx2.post(
        f"{who.live.url}/rota.chat.v1.{method}",
        content=struct.pack(">BI", 0, len(body)) + body,
        headers={
            "authorization": f"Bearer {who.token()}",
            "content-type": "application/grpc-web+proto",
            "x-grpc-web": "1",
        },
        timeout=60,
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    messages, trailers = [], dict(answer.headers)
    for flags, payload in framed(answer.content):
        if flags & 0x80:
            lines = payload.decode().strip().split("\r\n")
            trailers |= dict(line.split(":", 1) for line in lines)
        else:
            messages.append(payload)
    return messages, {key: value.strip() for key, value in trailers.items()}


def framed(content: bytes) -> Iterator[tuple[int, bytes]]:
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        assert len(content) >= 5 + length, "the last frame is cut off"
        yield flags, content[5 : 5 + length]
        content = content[5 + length :]


def test_grpc_web_carries_a_stream_frame_by_frame(who: Tenant) -> None:
    request = Stage(who).saying("hello")
    messages, trailers = web(who, "ChatService/SendMessage", request)
    assert trailers["grpc-status"] == "0"
    frames = [cp.TurnEvent.FromString(message) for message in messages]
    assert frames[-1].HasField("completed")
    again = who.live.raw("ChatService/SendMessage", request, who.metadata())
    assert messages == again


def test_grpc_web_carries_an_error_with_its_details(who: Tenant) -> None:
    missing = cp.GetThreadRequest(name=f"{who.name}/threads/none")
    messages, trailers = web(who, "ChatService/GetThread", missing)
    assert (messages, trailers["grpc-status"]) == ([], "5")
    packed = trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    assert reason_of(status) == "RESOURCE_NOT_FOUND"


# JSON and server-sent events, by curl.


def curl(who: Tenant, *arguments: str) -> tuple[int, str, str]:
    """HTTP status, content type and body."""
    done = subprocess.run(
        [
            "curl",
            "--silent",
            "--show-error",
            "--no-buffer",
            "--max-time",
            "60",
            "--write-out",
            "\n%{http_code} %{content_type}",
            "--header",
            f"authorization: Bearer {who.token()}",
            "--header",
            "content-type: application/json",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, said = done.stdout.rpartition("\n")
    code, _, kind = said.partition(" ")
    return int(code), kind, body


def url(who: Tenant, path: str) -> str:
    return f"{who.live.url}/v1/{path}"


def sse(body: str) -> list[dict[str, Any]]:
    return event_stream.messages(body.splitlines())


def test_curl_talks_approves_and_watches(who: Tenant) -> None:
    said = {
        "message": {"parts": [{"text": "every weekday at 9 in Paris summarise the news"}]},
        "request_id": new_id(),
    }
    asking = url(who, f"{who.name}/threads/-:sendMessage")
    code, kind, body = curl(who, "--data", json.dumps(said), asking)
    assert (code, kind) == (200, "text/event-stream")
    events = sse(body)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    (waiting,) = events[-1]["suspended"]["approvals"]
    assert waiting["payload"]["definition"]["plan"][0]["action"] == "agent_task"

    decision = {
        "decision": {
            "approval": waiting["name"],
            "payload_digest": waiting["payload_digest"],
            "approve": {},
        },
        "request_id": new_id(),
    }
    deciding = url(who, f"{waiting['name']}:decide")
    code, kind, body = curl(who, "--data", json.dumps(decision), deciding)
    assert (code, kind) == (200, "application/json")
    assert json.loads(body)["state"] == "APPROVED"

    after = events[-1]["sequence"]
    watching = url(who, f"{waiting['turn']}:watch?after_sequence={after}")
    code, _, body = curl(who, watching)
    assert code == 200
    rest = sse(body)
    assert rest[0]["sequence"] == after + 1
    assert "completed" in rest[-1]

    code, _, body = curl(who, url(who, f"{who.name}/automations"))
    assert (code, len(json.loads(body)["automations"])) == (200, 1)


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("{w}/threads/none", 404, "RESOURCE_NOT_FOUND"),
        ("{w}/threads?page_size=-1", 400, "INVALID_REQUEST"),
        ("{w}/threads?filter=x", 400, "INVALID_REQUEST"),
        ("workspaces/another/threads", 404, "RESOURCE_NOT_FOUND"),
    ],
)
def test_an_error_is_json_with_its_details(who: Tenant, path: str, code: int, reason: str) -> None:
    found, kind, body = curl(who, url(who, path.format(w=who.name)))
    assert (found, kind) == (code, "application/json")
    said = json.loads(body)
    info = next(d for d in said["details"] if d["@type"].endswith("ErrorInfo"))
    assert (info["reason"], info["domain"]) == (reason, "rota.dev")


@pytest.mark.parametrize(("letter", "count"), [("é", 2000), ("é", 20_000), ("k", 20_000)])
def test_a_large_refusal_passes_the_gateway(who: Tenant, letter: str, count: int) -> None:
    key = letter * count
    config = {"timezone": "UTC", "cron": "0 9 * * *", key: 1}
    path = url(who, f"{who.name}/automations:previewSchedule")
    found, kind, body = curl(who, "--data", json.dumps({"config": config}), path)
    assert (found, kind) == (400, "application/json")
    info, bad = json.loads(body)["details"]
    assert info["reason"] == "INVALID_REQUEST"
    (violation,) = bad["field_violations"]
    # A key that is no word of ASCII stands in brackets.
    before, after = violation["field"].removeprefix("config").strip('.[]"').split("…")
    assert key.startswith(before)
    assert key.endswith(after)


def test_a_long_list_of_violations_passes_the_gateway(who: Tenant) -> None:
    """As gRPC, whose clients refuse large trailers at random, and as JSON."""
    prompt = "Write to {{ inputs." + "customer_name" * 4 + " }}."
    plan = [
        {"step_id": f"s{n}", "action": "agent_task", "config": {"prompt": prompt}}
        for n in range(40)
    ]
    said = {"display_name": "A", "definition": {"name": "A", "plan": plan}}
    request = ap.CreateAutomationRequest(parent=who.name, validate_only=True)
    ParseDict(said, request.automation)
    for _ in range(15):
        status = who.refusal("AutomationService/CreateAutomation", request, who.live.gateway)
        assert reason_of(status) == "INVALID_REQUEST"
    path = url(who, f"{who.name}/automations?validate_only=true")
    found, _, body = curl(who, "--data", json.dumps(said), path)
    assert found == 400
    info, bad = json.loads(body)["details"]
    listed, more = len(bad["field_violations"]), int(info["metadata"]["more_violations"])
    assert listed + more == int(info["metadata"]["violations"]) == 40


def test_a_field_whose_key_is_there_is_emptied(who: Tenant) -> None:
    _, _, made = curl(who, "--data", '{"display_name":"A"}', url(who, f"{who.name}/threads"))
    thread = json.loads(made)
    assert thread["display_name"] == "A"
    written = json.dumps(thread | {"display_name": ""})
    code, _, body = curl(who, "-X", "PATCH", "--data", written, url(who, thread["name"]))
    assert (code, json.loads(body).get("display_name", "")) == (200, "")


def test_an_error_before_the_first_event_is_no_stream(who: Tenant) -> None:
    turn = Stage(who).said("hello")[0].started.turn
    code, kind, body = curl(who, url(who, f"{turn}:watch?after_sequence=999"))
    assert (code, kind) == (400, "application/json")
    assert "after_sequence" in body


def test_json_keeps_the_names_of_the_contract(who: Tenant) -> None:
    stage = Stage(who)
    automation = stage.new_automation()
    _, _, body = curl(who, url(who, automation.name))
    said = json.loads(body)
    assert {"display_name", "create_time"} <= set(said)
    assert said["definition"]["plan"][0]["step_id"] == "s"
