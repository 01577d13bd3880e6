"""The gateway's wires: gRPC, gRPC-Web, JSON and SSE, and what gets through none of them."""

import base64
import json
import struct
from collections.abc import Iterator
from datetime import timedelta

import grpc
import httpx
import jwt
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.automation.v1 import automation_pb2, automation_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from tests.gateway.conftest import FRAMES, Gateway

THREAD = "workspaces/dev/threads/t"
AUTOMATION = "workspaces/dev/automations/a"
CHAT = "/rota.chat.v1.ChatService"


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel


def metadata(gateway: Gateway) -> list[tuple[str, str]]:
    return list(gateway.auth().items())


def message(text: str) -> chat_pb2.SendMessageRequest:
    said = chat_pb2.Message(parts=[chat_pb2.Part(text=text)])
    return chat_pb2.SendMessageRequest(name=THREAD, message=said)


def web(gateway: Gateway, path: str, request: Message, **headers: str) -> httpx.Response:
    body = request.SerializeToString()
    kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    framed = struct.pack(">BI", 0, len(body)) + body
    return httpx.post(gateway.url + path, content=framed, headers={**kind, **headers})


def web_frames(content: bytes) -> tuple[list[bytes], str]:
    """The messages of a gRPC-Web answer, and its trailers."""
    messages, trailers = [], ""
    while content:
        flags, length = struct.unpack(">BI", content[:5])
        frame, content = content[5 : 5 + length], content[5 + length :]
        if flags & 0x80:
            trailers = frame.decode()
        else:
            messages.append(frame)
    return messages, trailers


class TestGrpc:
    def test_each_service_is_reached_at_its_usual_path(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        thread = chat_pb2_grpc.ChatServiceStub(channel).GetThread(
            chat_pb2.GetThreadRequest(name=THREAD), metadata=metadata(gateway)
        )
        automation = automation_pb2_grpc.AutomationServiceStub(channel).GetAutomation(
            automation_pb2.GetAutomationRequest(name=AUTOMATION), metadata=metadata(gateway)
        )
        assert (thread.name, automation.name) == (THREAD, AUTOMATION)

    def test_a_stream_is_read_to_its_end(self, gateway: Gateway, channel: grpc.Channel) -> None:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        frames = list(stub.SendMessage(message("hi"), metadata=metadata(gateway)))
        assert len(frames) == FRAMES

    def test_error_details_come_through(self, gateway: Gateway, channel: grpc.Channel) -> None:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        with pytest.raises(grpc.RpcError) as failed:
            stub.GetThread(
                chat_pb2.GetThreadRequest(name="workspaces/dev/threads/none"),
                metadata=metadata(gateway),
            )
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason(failed.value) == "RESOURCE_NOT_FOUND"

    def test_the_services_see_the_token_and_no_forged_headers(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        forged = [("x-user-id", "root"), ("x-forwarded-for", "10.9.8.7"), ("x-request-id", "mine")]
        chat_pb2_grpc.ChatServiceStub(channel).GetThread(
            chat_pb2.GetThreadRequest(name=THREAD), metadata=[*metadata(gateway), *forged]
        )
        seen = gateway.backends.chat.metadata
        assert seen["authorization"].startswith("Bearer ")
        assert "x-user-id" not in seen
        assert seen["x-forwarded-for"] != "10.9.8.7"
        assert seen["x-request-id"] != "mine"

    def test_a_large_message_passes_only_where_images_go(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        large = "x" * (3 << 20)
        frames = list(stub.SendMessage(message(large), metadata=metadata(gateway)))
        assert len(frames) == FRAMES
        with pytest.raises(grpc.RpcError):
            stub.GetThread(chat_pb2.GetThreadRequest(name=large), metadata=metadata(gateway))


class TestGrpcWeb:
    def test_a_unary_call_is_answered(self, gateway: Gateway) -> None:
        request = chat_pb2.GetThreadRequest(name=THREAD)
        answer = web(gateway, f"{CHAT}/GetThread", request, **gateway.auth())
        (body,), trailers = web_frames(answer.content)
        assert chat_pb2.Thread.FromString(body).name == THREAD
        assert "grpc-status:0" in trailers.replace(" ", "")

    def test_a_stream_ends_with_its_status(self, gateway: Gateway) -> None:
        answer = web(gateway, f"{CHAT}/SendMessage", message("hi"), **gateway.auth())
        bodies, trailers = web_frames(answer.content)
        sequences = [chat_pb2.TurnEvent.FromString(body).sequence for body in bodies]
        assert sequences == list(range(1, FRAMES + 1))
        assert "grpc-status:0" in trailers.replace(" ", "")

    def test_a_preflight_from_a_local_page_is_allowed_and_from_elsewhere_not(
        self, gateway: Gateway
    ) -> None:
        def allowed(origin: str, path: str) -> str:
            headers = {"origin": origin, "access-control-request-method": "POST"}
            answer = httpx.options(gateway.url + path, headers=headers)
            return str(answer.headers.get("access-control-allow-origin", ""))

        for path in (f"{CHAT}/GetThread", "/v1/workspaces/dev/threads"):
            assert allowed("http://localhost:5173", path) == "http://localhost:5173"
            assert allowed("https://evil.example", path) == ""

    def test_a_page_elsewhere_may_read_what_is_answered_and_refused(self, gateway: Gateway) -> None:
        origin = {"origin": "http://localhost:5173"}
        for headers in (gateway.auth(), {}):
            answer = httpx.get(f"{gateway.url}/v1/{THREAD}", headers=origin | headers)
            assert answer.headers["access-control-allow-origin"] == origin["origin"]
            exposed = set(answer.headers["access-control-expose-headers"].split(","))
            assert {"grpc-status", "grpc-status-details-bin", "retry-after"} <= exposed


class TestJson:
    def test_a_resource_is_read_under_v1_with_the_names_of_the_proto(
        self, gateway: Gateway
    ) -> None:
        for name, display_name in ((THREAD, "A thread"), (AUTOMATION, "An automation")):
            answer = httpx.get(f"{gateway.url}/v1/{name}", headers=gateway.auth())
            assert answer.json() == {"name": name, "display_name": display_name}

    def test_a_body_and_a_verb_are_understood(self, gateway: Gateway) -> None:
        made = httpx.post(
            f"{gateway.url}/v1/workspaces/dev/threads",
            json={"display_name": "Mine"},
            headers=gateway.auth(),
        )
        assert made.json() == {"name": THREAD, "display_name": "Mine"}
        paused = httpx.post(
            f"{gateway.url}/v1/{AUTOMATION}:pause", json={"note": "rest"}, headers=gateway.auth()
        )
        assert paused.json()["pause_note"] == "rest"

    def test_a_stream_comes_as_server_sent_events(self, gateway: Gateway) -> None:
        body = {"message": {"parts": [{"text": "hi"}]}}
        url = f"{gateway.url}/v1/{THREAD}:sendMessage"
        events = []
        with httpx.stream("POST", url, json=body, headers=gateway.auth()) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in filter(None, answer.iter_lines()):
                assert line.startswith("data: ")
                events.append(json.loads(line.removeprefix("data: ")))
        assert [event["sequence"] for event in events] == list(range(1, FRAMES + 1))
        assert events[0]["text_delta"]["text"] == "hi"

    def test_an_error_has_its_details(self, gateway: Gateway) -> None:
        answer = httpx.get(f"{gateway.url}/v1/workspaces/dev/threads/none", headers=gateway.auth())
        assert answer.status_code == 404
        assert answer.json() == {
            "code": 5,
            "message": "no such thread",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RESOURCE_NOT_FOUND",
                    "domain": "rota.dev",
                    "metadata": {"resource": "workspaces/dev/threads/none"},
                }
            ],
        }

    def test_a_malformed_body_is_refused_with_what_is_wrong(self, gateway: Gateway) -> None:
        headers = {**gateway.auth(), "content-type": "application/json"}
        url = f"{gateway.url}/v1/workspaces/dev/threads"
        answer = httpx.post(url, content='{"display_name": ', headers=headers)
        assert answer.status_code == 400
        assert answer.json()["code"] == 3
        assert answer.json()["details"][0]["reason"] == "INVALID_REQUEST"
        assert "end of string" in answer.json()["message"]

    def test_a_large_body_passes_only_where_images_go(self, gateway: Gateway) -> None:
        large = {"message": {"parts": [{"text": "x" * (3 << 20)}]}}
        url = f"{gateway.url}/v1/{THREAD}:sendMessage"
        assert httpx.post(url, json=large, headers=gateway.auth()).status_code == 200
        refused = httpx.post(
            f"{gateway.url}/v1/{AUTOMATION}:pause", json=large, headers=gateway.auth()
        )
        assert refused.status_code == 413
        assert refused.json()["code"] == 3
        huge = {"message": {"parts": [{"text": "x" * (9 << 20)}]}}
        assert httpx.post(url, json=huge, headers=gateway.auth()).status_code == 413


class TestAuthentication:
    def test_grpc_without_a_token_is_unauthenticated(self, channel: grpc.Channel) -> None:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        with pytest.raises(grpc.RpcError) as failed:
            stub.GetThread(chat_pb2.GetThreadRequest(name=THREAD))
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason(failed.value) == "UNAUTHENTICATED"

    def test_grpc_web_without_a_token_is_unauthenticated(self, gateway: Gateway) -> None:
        answer = web(gateway, f"{CHAT}/GetThread", chat_pb2.GetThreadRequest(name=THREAD))
        assert answer.status_code == 200
        assert answer.headers["grpc-status"] == "16"

    def test_json_without_a_token_is_401_in_the_words_of_the_contract(
        self, gateway: Gateway
    ) -> None:
        answer = httpx.get(f"{gateway.url}/v1/{THREAD}")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["code"] == 16
        assert answer.json()["details"][0]["reason"] == "UNAUTHENTICATED"

    def test_expired_and_foreign_tokens_are_refused(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        expired = gateway.token(life=timedelta(hours=-1))
        good = {"authorization": f"Bearer {signed(gateway, claims_of(gateway.token()))}"}
        assert httpx.get(f"{gateway.url}/v1/{THREAD}", headers=good).status_code == 200
        head, body, signature = gateway.token().split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims["workspaces"] = {"other": "owner"}
        forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        unsigned = jwt.encode(claims, "", algorithm="none")
        others = [signed(gateway, claims | {"aud": "b"}), signed(gateway, claims | {"iss": "b"})]
        for_ever = signed(gateway, {key: claims[key] for key in claims if key != "exp"})
        strange = [f"{head}.{forged}.{signature}", "nonsense", "x.y.z"]
        for token in (expired, unsigned, for_ever, *others, *strange):
            headers = {"authorization": f"Bearer {token}"}
            answer = httpx.get(f"{gateway.url}/v1/{THREAD}", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["details"][0]["reason"] == "UNAUTHENTICATED"
            request = chat_pb2.GetThreadRequest(name=THREAD)
            by_web = web(gateway, f"{CHAT}/GetThread", request, **headers)
            assert by_web.headers["grpc-status"] == "16"
            with pytest.raises(grpc.RpcError) as failed:
                chat_pb2_grpc.ChatServiceStub(channel).GetThread(
                    request, metadata=list(headers.items())
                )
            assert reason(failed.value) == "UNAUTHENTICATED"

    def test_the_front_page_and_the_health_check_need_none(self, gateway: Gateway) -> None:
        page = httpx.get(f"{gateway.url}/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "Rota" in page.text
        assert httpx.get(f"{gateway.url}/healthz").text == "ok\n"


class TestAgentServiceIsUnreachable:
    PATH = "/rota.agent.v1.AgentService/ListCapabilities"

    def test_by_grpc(self, gateway: Gateway, channel: grpc.Channel) -> None:
        stub = agent_pb2_grpc.AgentServiceStub(channel)
        with pytest.raises(grpc.RpcError) as failed:
            stub.ListCapabilities(agent_pb2.ListCapabilitiesRequest(), metadata=metadata(gateway))
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED

    def test_but_directly_it_serves(self, gateway: Gateway) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{gateway.backends.ports[0]}") as direct:
            stub = agent_pb2_grpc.AgentServiceStub(direct)
            assert stub.ListCapabilities(agent_pb2.ListCapabilitiesRequest()) is not None

    def test_by_grpc_web(self, gateway: Gateway) -> None:
        request = agent_pb2.ListCapabilitiesRequest()
        answer = web(gateway, self.PATH, request, **gateway.auth())
        assert answer.headers["grpc-status"] == "12"

    @pytest.mark.parametrize(
        "path",
        [
            PATH,
            "/v1/rota.agent.v1.AgentService/ListCapabilities",
            "/v1/workspaces/dev/capabilities/-:runTask",
            f"{CHAT}/..{PATH}",
            f"/{PATH}",
            PATH.replace("Service/", "Service%2F"),
            f"{CHAT}/%2E%2E{PATH}",
        ],
    )
    def test_by_json_and_by_crooked_paths(self, gateway: Gateway, path: str) -> None:
        headers = {**gateway.auth(), "content-type": "application/json"}
        assert raw_status(gateway, path, headers) in (400, 404)

    @pytest.mark.parametrize("path", [f"{CHAT}/..{PATH}", f"/{PATH}", f"{CHAT}/%2e%2e{PATH}"])
    def test_by_grpc_web_over_crooked_paths(self, gateway: Gateway, path: str) -> None:
        request = agent_pb2.ListCapabilitiesRequest()
        answer = web(gateway, path, request, **gateway.auth())
        assert answer.headers["grpc-status"] != "0"


class TestAServiceThatIsAway:
    def test_is_unavailable_on_every_wire(self, deserted: Gateway) -> None:
        request = chat_pb2.GetThreadRequest(name=THREAD)
        by_json = httpx.get(f"{deserted.url}/v1/{THREAD}", headers=deserted.auth())
        assert by_json.status_code == 503
        assert by_json.json()["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
        by_web = web(deserted, f"{CHAT}/GetThread", request, **deserted.auth())
        assert by_web.headers["grpc-status"] == "14"
        with grpc.insecure_channel(f"127.0.0.1:{deserted.port}") as channel:
            stub = chat_pb2_grpc.ChatServiceStub(channel)
            with pytest.raises(grpc.RpcError) as failed:
                stub.GetThread(request, metadata=metadata(deserted))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason(failed.value) == "SERVICE_UNAVAILABLE"


def raw_status(gateway: Gateway, path: str, headers: dict[str, str]) -> int:
    """Of a POST whose path is sent as it is written."""
    url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
    return httpx.post(url, content=b"{}", headers=headers).status_code


def claims_of(token: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed(gateway: Gateway, claims: dict[str, object]) -> str:
    pem = gateway.signing.private("users").read_text()
    return jwt.encode(claims, pem, algorithm="ES256", headers={"kid": "users"})


def reason(failed: grpc.RpcError) -> str:
    assert isinstance(failed, grpc.Call)
    status = rpc_status.from_call(failed)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "rota.dev"
    return str(info.reason)
