"""What gets through the gateway on none of its wires."""

import base64
import json
from datetime import timedelta

import grpc
import httpx2
import jwt
import pytest
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from tests.gateway.calls import CHAT, THREAD, metadata, reason, web
from tests.gateway.conftest import Gateway
from tests.support import patient


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
        answer = patient.get(f"{gateway.url}/v1/{THREAD}")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["code"] == 16
        assert answer.json()["details"][0]["reason"] == "UNAUTHENTICATED"

    def test_expired_and_foreign_tokens_are_refused(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        expired = gateway.token(life=timedelta(hours=-1))
        good = {"authorization": f"Bearer {signed(gateway, claims_of(gateway.token()))}"}
        assert patient.get(f"{gateway.url}/v1/{THREAD}", headers=good).status_code == 200
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
            answer = patient.get(f"{gateway.url}/v1/{THREAD}", headers=headers)
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
        page = patient.get(f"{gateway.url}/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "Rota" in page.text
        assert patient.get(f"{gateway.url}/healthz").text == "ok\n"


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
        assert raw_status(gateway, path, headers) in (400, 404, 501)

    @pytest.mark.parametrize("path", [f"{CHAT}/..{PATH}", f"/{PATH}", f"{CHAT}/%2e%2e{PATH}"])
    def test_by_grpc_web_over_crooked_paths(self, gateway: Gateway, path: str) -> None:
        request = agent_pb2.ListCapabilitiesRequest()
        answer = web(gateway, path, request, **gateway.auth())
        assert answer.headers["grpc-status"] != "0"


class TestAServiceThatIsAway:
    def test_is_unavailable_on_every_wire(self, deserted: Gateway) -> None:
        request = chat_pb2.GetThreadRequest(name=THREAD)
        by_json = patient.get(f"{deserted.url}/v1/{THREAD}", headers=deserted.auth())
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
    url = httpx2.URL(gateway.url).copy_with(raw_path=path.encode())
    return patient.post(url, content=b"{}", headers=headers).status_code


def claims_of(token: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed(gateway: Gateway, claims: dict[str, object]) -> str:
    pem = gateway.signing.private("users").read_text()
    return jwt.encode(claims, pem, algorithm="ES256", headers={"kid": "users"})
