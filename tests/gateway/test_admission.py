"""What gets through the gateway on none of its wires."""

import base64
import json
import struct
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import httpx2
import jwt
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from gateway.local_replies import REFUSALS
from tests.contract.rows import CODE_OF
from tests.gateway.calls import CHAT, THREAD, metadata, reason, web
from tests.gateway.conftest import Gateway
from tests.support.calls import patient
from tests.support.calls.wire import web_status

SEND = f"/v1/{THREAD}:sendMessage"


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
            told = [
                answer.json()["message"],
                by_web.headers["grpc-message"],
                failed.value.details(),
            ]
            assert [one == "the token has expired" for one in told] == [token == expired] * 3

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
        info, retry = by_json.json()["details"]
        assert (info["reason"], retry["retry_delay"]) == ("SERVICE_UNAVAILABLE", "1s")
        by_web = web(deserted, f"{CHAT}/GetThread", request, **deserted.auth())
        assert by_web.headers["grpc-status"] == "14"
        connect = {**deserted.auth(), "content-type": "application/json"}
        url = f"{deserted.url}{CHAT}/GetThread"
        by_connect = patient.post(url, content=f'{{"name":"{THREAD}"}}', headers=connect)
        assert by_connect.json()["code"] == "unavailable"
        types = [detail["type"] for detail in by_connect.json()["details"]]
        assert types == ["google.rpc.ErrorInfo", "google.rpc.RetryInfo"]
        with grpc.insecure_channel(f"127.0.0.1:{deserted.port}") as channel:
            stub = chat_pb2_grpc.ChatServiceStub(channel)
            with pytest.raises(grpc.RpcError) as failed:
                stub.GetThread(request, metadata=metadata(deserted))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason(failed.value) == "SERVICE_UNAVAILABLE"


class TestWhatIsTooLarge:
    """Has one code and one reason, with the limit, on every wire."""

    CALLS = (
        ("CreateThread", "/v1/workspaces/dev/threads", 1 << 20),
        ("SendMessage", SEND, 8 << 20),
    )

    @pytest.mark.parametrize(("method", "path", "limit"), CALLS)
    def test_on_every_wire(
        self, gateway: Gateway, channel: grpc.Channel, method: str, path: str, limit: int
    ) -> None:
        large = bytes(limit + 1)
        call: Any = channel.stream_stream(f"{CHAT}/{method}")
        with pytest.raises(grpc.RpcError) as failed:
            list(call(iter([large]), metadata=metadata(gateway)))
        kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
        framed = struct.pack(">BI", 0, len(large)) + large
        url = f"{gateway.url}{CHAT}/{method}"
        by_web = patient.post(url, content=framed, headers={**kind, **gateway.auth()})
        headers = {"content-type": "application/json", **gateway.auth()}
        by_json = patient.post(gateway.url + path, content=large, headers=headers)
        assert by_json.status_code == 413
        said = ParseDict(by_json.json(), status_pb2.Status(), ignore_unknown_fields=True)
        by_grpc = rpc_status.from_call(failed.value)  # type: ignore[arg-type]
        statuses = [by_grpc, web_status(by_web), said]
        told = [(one and one.code, info_of(one)) for one in statuses]
        wanted = error_details_pb2.ErrorInfo(
            reason="REQUEST_TOO_LARGE", domain="rota.dev", metadata={"limit_bytes": str(limit)}
        )
        assert told == [(8, wanted)] * 3


class TestTheAccessLog:
    def test_says_who_called_what_and_no_query(
        self, gateway: Gateway, channel: grpc.Channel
    ) -> None:
        request = chat_pb2.GetThreadRequest(name=THREAD)
        chat_pb2_grpc.ChatServiceStub(channel).GetThread(request, metadata=metadata(gateway))
        patient.get(f"{gateway.url}/v1/{THREAD}?$secret=mine", headers=gateway.auth())
        patient.get(f"{gateway.url}/v1/{THREAD}?token=mine")
        wanted: list[dict[str, Any]] = [
            {"method": "POST", "path": f"{CHAT}/GetThread", "subject": "dev", "status": 200},
            {"method": "GET", "path": f"/v1/{THREAD}", "subject": "dev", "status": 400},
            {"method": "GET", "path": f"/v1/{THREAD}", "subject": None, "status": 401},
        ]
        until(lambda: all(any(w.items() <= s.items() for s in lines(gateway)) for w in wanted))
        assert "mine" not in gateway.log.read_text()
        told = [s for s in lines(gateway) if any(w.items() <= s.items() for w in wanted)]
        assert all(line["request_id"] for line in told)


def test_any_status_of_envoy_has_a_reason_of_the_contract() -> None:
    for http in range(400, 600):
        found = next(
            one for one in REFUSALS if one.http == http or (one.or_above and http > one.http)
        )
        assert CODE_OF[found.reason] == found.code


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    said = gateway.log.read_text().splitlines()
    return [json.loads(line) for line in said if line.startswith('{"') and '"subject"' in line]


def until(condition: Callable[[], bool]) -> None:
    """What is logged is written within a second."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def info_of(status: status_pb2.Status | None) -> error_details_pb2.ErrorInfo:
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


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
