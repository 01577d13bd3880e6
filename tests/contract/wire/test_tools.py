"""What an operator has at hand: grpcurl and buf curl, by reflection."""

import base64
import json
import subprocess
from pathlib import Path
from sys import executable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2

from shared.rpc.server.reflection import VERSIONS
from tests.contract.stage import Stage
from tests.support.system.live import (
    AGENT,
    AUTOMATION,
    CHAT,
    INTERNAL,
    METHODS,
    NOTICES,
    PUBLIC,
    Live,
    Tenant,
)

BIN = Path(executable).parent


@pytest.fixture(scope="module")
def who(live: Live) -> Tenant:
    return live.tenant()


def tool(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def grpcurl(who: Tenant, address: str, *arguments: str, data: Any = None) -> Any:
    before = ["-plaintext", "-connect-timeout", "60", "-H", f"authorization: Bearer {who.token()}"]
    if data is not None:
        before += ["-d", json.dumps(data)]
    return tool("grpcurl", *before, address, *arguments)


def test_grpcurl_lists_what_is_served(live: Live, who: Tenant) -> None:
    common = {HEALTH, *VERSIONS}
    everything = {method.containing_service.full_name for method in METHODS.values()}
    of_chat = {CHAT, AGENT}
    for address, served in ((live.chat, of_chat), (live.automation, everything - of_chat)):
        done = grpcurl(who, address, "list")
        assert set(done.stdout.split()) == served | common
    listed = grpcurl(who, live.automation, "list", AUTOMATION).stdout.split()
    assert {f"AutomationService/{name.rpartition('.')[2]}" for name in listed} == {
        name for name in METHODS if name.startswith("AutomationService/")
    }


def test_grpcurl_describes_a_message(live: Live, who: Tenant) -> None:
    done = grpcurl(who, live.chat, "describe", "rota.chat.v1.Decision")
    assert "string payload_digest = 2" in done.stdout


def reflect(address: str, *symbols: str, version: str = VERSIONS[0], token: str = "") -> Any:
    """The services that reflection lists, and the symbols that it finds the file of."""
    ask = reflection_pb2.ServerReflectionRequest
    asked = [ask(list_services=""), *(ask(file_containing_symbol=name) for name in symbols)]
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(
            f"/{version}/ServerReflectionInfo",
            request_serializer=ask.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        listed, *answers = call(iter(asked), metadata=metadata, timeout=60)
    served = {service.name for service in listed.list_services_response.service}
    pairs = zip(symbols, answers, strict=True)
    return served, {name for name, answer in pairs if answer.HasField("file_descriptor_response")}


HEALTH = "grpc.health.v1.Health"
REASONS = "rota.errors.v1.ErrorReason"


def test_grpcurl_describes_the_reasons_of_errors_through_the_gateway(who: Tenant) -> None:
    done = grpcurl(who, who.live.gateway, "describe", REASONS)
    assert "REQUEST_TOO_LARGE = 43" in done.stdout, done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_an_operator_sees_all_that_is_served(live: Live, version: str) -> None:
    internal = METHODS[INTERNAL[0]].input_type.full_name
    symbols = (version, f"{CHAT}.GetThread", REASONS, AGENT, internal)
    served, found = reflect(live.chat, *symbols, f"{CHAT}.Nothing", version=version)
    assert served >= {CHAT, AGENT, HEALTH, *VERSIONS}
    assert found == {*symbols}


def test_the_gateway_reflects_what_is_public_and_no_more(live: Live, who: Tenant) -> None:
    public = {METHODS[name].containing_service.full_name for name in PUBLIC} | {*VERSIONS}
    hidden = [AGENT, NOTICES, HEALTH, *(METHODS[name].input_type.full_name for name in INTERNAL)]
    served, found = reflect(live.gateway, *public, REASONS, *hidden, token=who.token())
    assert (served, found) == (public, {*public, REASONS})
    with pytest.raises(grpc.RpcError) as caught:
        reflect(live.gateway)
    assert "UNAUTHENTICATED" in str(caught.value)


def test_grpcurl_makes_a_call(live: Live, who: Tenant) -> None:
    thread = {"parent": who.name, "thread": {"display_name": "By hand"}}
    done = grpcurl(who, live.chat, f"{CHAT}/CreateThread", data=thread)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["displayName"] == "By hand"


def test_grpcurl_reads_a_stream(live: Live, who: Tenant) -> None:
    turn = Stage(who).said("hello")[0].started.turn
    done = grpcurl(who, live.chat, f"{CHAT}/WatchTurn", data={"name": turn})
    assert done.returncode == 0, done.stderr
    assert '"completed"' in done.stdout


def test_grpcurl_shows_the_details_of_an_error(live: Live, who: Tenant) -> None:
    data = {"parent": who.name, "config": {"cron": "0 9 * *", "timezone": "Europe/Paris"}}
    done = grpcurl(who, live.automation, f"{AUTOMATION}/PreviewSchedule", data=data)
    assert done.returncode != 0
    for said in ("InvalidArgument", "INVALID_REQUEST", "rota.dev", "config.cron"):
        assert said in done.stderr, done.stderr


def test_reflection_and_health_need_no_token(live: Live) -> None:
    for address in (live.chat, live.automation):
        done = tool("grpcurl", "-plaintext", address, "grpc.health.v1.Health/Check")
        assert json.loads(done.stdout) == {"status": "SERVING"}


@pytest.mark.parametrize("protocol", ["grpc", "grpcweb"])
def test_buf_curl_makes_a_call_through_the_gateway_and_shows_errors(
    live: Live, who: Tenant, protocol: str
) -> None:
    proto = Path(__file__).resolve().parents[3] / "gateway" / "rota.binpb"

    def buf(method: str, data: Any) -> "subprocess.CompletedProcess[str]":
        return tool(
            "buf",
            "curl",
            f"--protocol={protocol}",
            "--http2-prior-knowledge",
            f"--schema={proto}",
            f"--header=authorization: Bearer {who.token()}",
            f"--data={json.dumps(data)}",
            f"{live.url}/{method}",
        )

    done = buf(f"{CHAT}/ListThreads", {"parent": who.name, "page_size": 1})
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    done = buf(f"{CHAT}/GetThread", {"name": f"{who.name}/threads/none"})
    assert done.returncode != 0
    said = json.loads(done.stderr)
    assert said["code"] == "not_found"
    (detail,) = said["details"]
    assert detail["type"] == "google.rpc.ErrorInfo"
    packed = detail["value"] + "=" * (-len(detail["value"]) % 4)
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(packed))
    assert info.reason == "RESOURCE_NOT_FOUND"


def test_buf_curl_finds_the_contract_by_reflection(live: Live, who: Tenant) -> None:
    done = tool(
        "buf",
        "curl",
        "--protocol=grpc",
        "--http2-prior-knowledge",
        f"--header=authorization: Bearer {who.token()}",
        f"--data={json.dumps({'parent': who.name})}",
        f"http://{live.automation}/{AUTOMATION}/ListTriggerTypes",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["triggerTypes"][0]["type"] == "schedule"
