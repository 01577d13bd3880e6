"""The gateway's wires: gRPC, gRPC-Web, JSON and SSE."""

import grpc
import pytest
from rota.automation.v1 import automation_pb2, automation_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from tests.gateway.calls import (
    AUTOMATION,
    CHAT,
    THREAD,
    message,
    metadata,
    reason,
    web,
    web_frames,
)
from tests.gateway.conftest import FRAMES, Gateway
from tests.support.calls import event_stream, patient


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
            answer = patient.options(gateway.url + path, headers=headers)
            return str(answer.headers.get("access-control-allow-origin", ""))

        for path in (f"{CHAT}/GetThread", "/v1/workspaces/dev/threads"):
            assert allowed("http://localhost:5173", path) == "http://localhost:5173"
            assert allowed("https://evil.example", path) == ""

    def test_a_page_elsewhere_may_read_what_is_answered_and_refused(self, gateway: Gateway) -> None:
        origin = {"origin": "http://localhost:5173"}
        for headers in (gateway.auth(), {}):
            answer = patient.get(f"{gateway.url}/v1/{THREAD}", headers=origin | headers)
            assert answer.headers["access-control-allow-origin"] == origin["origin"]
            exposed = set(answer.headers["access-control-expose-headers"].split(","))
            assert {"grpc-status", "grpc-status-details-bin", "retry-after"} <= exposed


class TestJson:
    def test_a_resource_is_read_under_v1_with_the_names_of_the_proto(
        self, gateway: Gateway
    ) -> None:
        for name, display_name in ((THREAD, "A thread"), (AUTOMATION, "An automation")):
            answer = patient.get(f"{gateway.url}/v1/{name}", headers=gateway.auth())
            assert answer.json() == {"name": name, "display_name": display_name}

    def test_a_body_and_a_verb_are_understood(self, gateway: Gateway) -> None:
        made = patient.post(
            f"{gateway.url}/v1/workspaces/dev/threads",
            json={"display_name": "Mine"},
            headers=gateway.auth(),
        )
        assert made.json() == {"name": THREAD, "display_name": "Mine"}
        paused = patient.post(
            f"{gateway.url}/v1/{AUTOMATION}:pause", json={"note": "rest"}, headers=gateway.auth()
        )
        assert paused.json()["pause_note"] == "rest"

    def test_a_stream_comes_as_server_sent_events(self, gateway: Gateway) -> None:
        body = {"message": {"parts": [{"text": "hi"}]}}
        url = f"{gateway.url}/v1/{THREAD}:sendMessage"
        with patient.stream("POST", url, json=body, headers=gateway.auth()) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = event_stream.messages(answer.iter_lines())
        assert [event["sequence"] for event in events] == list(range(1, FRAMES + 1))
        assert events[0]["text_delta"]["text"] == "hi"

    def test_an_error_has_its_details(self, gateway: Gateway) -> None:
        answer = patient.get(
            f"{gateway.url}/v1/workspaces/dev/threads/none", headers=gateway.auth()
        )
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
        answer = patient.post(url, content='{"display_name": ', headers=headers)
        assert answer.status_code == 400
        assert answer.json()["code"] == 3
        assert answer.json()["details"][0]["reason"] == "REQUEST_MALFORMED"
        assert "not JSON at line 1, column 18" in answer.json()["message"]

    def test_a_large_body_passes_only_where_images_go(self, gateway: Gateway) -> None:
        large = {"message": {"parts": [{"text": "x" * (3 << 20)}]}}
        url = f"{gateway.url}/v1/{THREAD}:sendMessage"
        assert patient.post(url, json=large, headers=gateway.auth()).status_code == 200
        refused = patient.post(
            f"{gateway.url}/v1/{AUTOMATION}:pause", json=large, headers=gateway.auth()
        )
        assert refused.status_code == 413
        assert refused.json()["code"] == 8
        assert refused.json()["details"][0]["reason"] == "REQUEST_TOO_LARGE"
        huge = {"message": {"parts": [{"text": "x" * (9 << 20)}]}}
        assert patient.post(url, json=huge, headers=gateway.auth()).status_code == 413
