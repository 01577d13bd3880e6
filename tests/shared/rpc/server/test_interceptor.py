"""What every call passes before its handler."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc

from shared import errors
from shared.rpc import client
from shared.rpc.messages import wire
from shared.rpc.messages.request_check import check_request
from shared.rpc.server import interceptor
from shared.rpc.server.interceptor import ServerInterceptor
from shared.rpc.server.rpc_server import RpcServer
from shared.rpc.server.stream_limits import RETRY_AFTER, StreamLimits
from shared.security import caller
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys, new_key

METHOD = "/rota.automation.v1.AutomationService/"
SERVICE = "rota.automation.v1.AutomationService"


class Servicer(automation_pb2_grpc.AutomationServiceServicer):
    async def GetAutomation(self, request: Any, context: Any) -> pb.Automation:  # noqa: N802
        who = caller.current()
        match request.name.rpartition("/")[2]:
            case "broken":
                raise ZeroDivisionError("secret of the driver")
            case "away":
                raise ConnectionRefusedError
            case "busy":
                raise errors.ServiceUnavailable("try again")
        return pb.Automation(name=request.name, creator=f"{who.service}:{who.user}")

    async def WatchRun(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[pb.RunEvent]:
        yield pb.RunEvent(sequence=1)
        if request.name.endswith("/open"):
            await asyncio.Event().wait()
        raise errors.StreamTruncated(7)


@pytest.fixture
async def stub(keys: Keys) -> AsyncIterator[Any]:
    def translate(error: BaseException) -> errors.RotaError | None:
        away = isinstance(error, ConnectionRefusedError)
        return errors.ServiceUnavailable("the database is away") if away else None

    guard = ServerInterceptor(
        verifier=caller.Verifier(
            users=caller.read_key_set(keys.jwks_file),
            services=caller.read_key_set(keys.service_jwks_file),
            service="automation_service",
        ),
        translate=translate,
        limits={f"{METHOD}CreateAutomation": 100},
        stream_limits=StreamLimits(per_person=2, per_workspace=3),
    )
    server = RpcServer(
        listen="127.0.0.1:0",
        interceptor=guard,
        service_names=[SERVICE],
        add=[lambda s: automation_pb2_grpc.add_AutomationServiceServicer_to_server(Servicer(), s)],
        grace_seconds=0,
    )
    await server.start()
    async with client.open_channel(f"127.0.0.1:{server.port}") as channel:
        yield automation_pb2_grpc.AutomationServiceStub(channel)
    await server.stop()


def get(stub: Any, headers: list[tuple[str, str]], automation: str = "a") -> Any:
    name = f"workspaces/w/automations/{automation}"
    return stub.GetAutomation(pb.GetAutomationRequest(name=name), metadata=headers)


async def test_a_persons_token_names_the_caller(stub: Any, keys: Keys) -> None:
    assert (await get(stub, keys.user_headers("ada"))).creator == ":ada"


async def test_a_service_acts_for_the_user_its_token_names(stub: Any, keys: Keys) -> None:
    headers = keys.service_headers(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    assert (await get(stub, headers)).creator == "chat_service:ada"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer nonsense", "Basic YWRhOmFkYQ==", "Bearer a.b.c"],
)
async def test_no_usable_token_is_unauthenticated(stub: Any, header: str) -> None:
    refused = await refusal(get(stub, [("authorization", header)]))
    assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_an_expired_token_is_unauthenticated(stub: Any, keys: Keys) -> None:

    headers = keys.user_headers(expires_in=timedelta(hours=-1))
    assert "expired" in (await refusal(get(stub, headers))).message


@pytest.mark.parametrize("claims", [{"aud": "other"}, {"iss": "other"}, {"sub": "a/b"}])
async def test_a_token_meant_for_something_else_is_unauthenticated(
    stub: Any, keys: Keys, claims: dict[str, str]
) -> None:
    refused = await refusal(get(stub, keys.user_headers(**claims)))
    assert refused.reason == "UNAUTHENTICATED"


async def test_a_token_of_another_key_is_unauthenticated(stub: Any, keys: Keys) -> None:
    refused = await refusal(get(stub, keys.user_headers(key=new_key())))
    assert refused.reason == "UNAUTHENTICATED"


async def test_a_service_token_for_another_service_is_unauthenticated(
    stub: Any, keys: Keys
) -> None:
    headers = keys.service_headers("chat_service", audience="chat_service")
    assert (await refusal(get(stub, headers))).reason == "UNAUTHENTICATED"


async def test_a_service_that_the_table_does_not_name_is_refused(stub: Any, keys: Keys) -> None:
    headers = keys.service_headers(
        "automation_service", audience="automation_service", user="ada", workspace="w"
    )
    refused = await refusal(get(stub, headers))
    assert (refused.code.name, refused.metadata) == (
        "PERMISSION_DENIED",
        {"service": "automation_service"},
    )


async def test_a_rule_of_the_contract_names_its_field(stub: Any, keys: Keys) -> None:
    request = pb.GetAutomationRequest(name="automations/a")
    refused = await refusal(stub.GetAutomation(request, metadata=keys.user_headers()))
    assert [v.field for v in refused.violations] == ["name"]


async def test_what_is_not_served_says_so(stub: Any, keys: Keys) -> None:
    request = pb.GetRunRequest(name="workspaces/w/automations/a/runs/r")
    refused = await refusal(stub.GetRun(request, metadata=keys.user_headers()))
    assert (refused.code.name, refused.reason) == ("UNIMPLEMENTED", "NOT_SERVED")


async def test_a_fault_tells_its_id_and_no_more(stub: Any, keys: Keys) -> None:
    refused = await refusal(get(stub, keys.user_headers(), "broken"))
    assert refused.reason == "INTERNAL"
    assert "secret" not in refused.message
    assert refused.metadata["error_id"] in refused.message


async def test_a_fault_that_is_known_is_translated(stub: Any, keys: Keys) -> None:
    refused = await refusal(get(stub, keys.user_headers(), "away"))
    assert refused.reason == "SERVICE_UNAVAILABLE"


async def test_a_stream_that_fails_carries_its_reason(stub: Any, keys: Keys) -> None:
    request = pb.WatchRunRequest(name="workspaces/w/automations/a/runs/r")
    refused = await refusal(stub.WatchRun(request, metadata=keys.user_headers()))
    assert (refused.reason, refused.metadata) == ("STREAM_TRUNCATED", {"floor": "7"})


async def test_a_request_that_is_too_large_is_refused(stub: Any, keys: Keys) -> None:
    request = pb.CreateAutomationRequest(parent="workspaces/w")
    request.automation.description = "x" * 200
    refused = await refusal(stub.CreateAutomation(request, metadata=keys.user_headers()))
    assert refused.code.name == "RESOURCE_EXHAUSTED"


async def test_a_small_message_of_many_fields_is_refused_before_it_is_parsed(
    stub: Any, keys: Keys
) -> None:
    request = pb.UpdateAutomationRequest()
    request.automation.name = "workspaces/w/automations/a"
    for _ in range(wire.MAX_FIELDS):
        request.automation.definition.plan.add()
    call = stub.UpdateAutomation(
        request, metadata=keys.user_headers(), compression=grpc.Compression.Gzip
    )
    [found] = (await refusal(call)).violations
    assert found.field == "automation.definition.plan"
    assert str(wire.MAX_FIELDS) in found.description


async def test_unknown_fields_are_refused_wherever_they_are() -> None:
    inner = pb.Automation.FromString(b"\xba\x3e\x01x")
    request = pb.CreateAutomationRequest(parent="workspaces/w", automation=inner)
    with pytest.raises(errors.InvalidRequest) as caught:
        check_request(request)
    assert caught.value.violations[0].field == "automation.#999"


async def test_a_nul_is_refused_wherever_it_is() -> None:
    request = pb.CreateAutomationRequest(parent="workspaces/w")
    request.automation.display_name = "a\0"
    request.automation.definition.metadata["k"] = "b\0"
    with pytest.raises(errors.InvalidRequest) as caught:
        check_request(request)
    assert [v.field for v in caught.value.violations] == [
        "automation.display_name",
        "automation.definition.metadata.k",
    ]


async def open_stream(stub: Any, headers: list[tuple[str, str]], workspace: str = "w") -> Any:
    name = f"workspaces/{workspace}/automations/a/runs/open"
    call = stub.WatchRun(pb.WatchRunRequest(name=name), metadata=headers)
    assert (await call.read()).sequence == 1
    return call


async def test_a_person_and_a_workspace_have_so_many_streams_and_no_more(
    stub: Any, keys: Keys
) -> None:
    ada, eve = keys.user_headers("ada"), keys.user_headers("eve")
    held = [await open_stream(stub, ada) for _ in range(2)]
    refused = await refusal(open_stream(stub, ada))
    assert (refused.code.name, refused.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
    assert refused.metadata == {"of": "person", "limit": "2"}
    assert refused.retry_after == RETRY_AFTER
    of_both = keys.user_headers("ada", workspaces={"w": "owner", "v": "viewer"})
    assert (await refusal(open_stream(stub, of_both, "v"))).metadata["of"] == "person"

    held.append(await open_stream(stub, eve))
    refused = await refusal(open_stream(stub, eve))
    assert refused.metadata == {"of": "workspace", "limit": "3"}
    # A stranger's streams take nothing of the share of a workspace.
    await open_stream(stub, keys.user_headers("eve", workspaces={"v": "viewer"}), "v")

    for call in held[:2]:
        call.cancel()
    await until_open(stub, ada)


async def until_open(stub: Any, headers: list[tuple[str, str]]) -> None:
    for _ in range(200):
        try:
            await open_stream(stub, headers)
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.01)
        else:
            return
    raise AssertionError("a stream that was closed still counts")


async def test_the_streams_of_services_are_not_counted(stub: Any, keys: Keys) -> None:
    headers = keys.service_headers(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    for _ in range(5):
        await open_stream(stub, headers)


async def test_a_stream_that_ends_or_fails_counts_no_more(stub: Any, keys: Keys) -> None:
    for _ in range(5):
        name = "workspaces/w/automations/a/runs/r"
        call = stub.WatchRun(pb.WatchRunRequest(name=name), metadata=keys.user_headers())
        assert (await refusal(call)).reason == "STREAM_TRUNCATED"


async def test_a_large_request_waits_for_a_turn_of_its_workspace(
    stub: Any, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[bool, str]] = []
    headers = keys.user_headers()

    async def take(cost: int, *, by: str) -> None:
        taken.append((cost > 0, by))

    monkeypatch.setattr(interceptor, "take_turn", take)
    await get(stub, headers)
    assert taken == []
    long = "a" * interceptor.LARGE_REQUEST
    await refusal(get(stub, headers, long))
    watched = pb.WatchRunRequest(name=f"workspaces/w/automations/a/runs/{long}")
    await refusal(stub.WatchRun(watched, metadata=headers).read())
    assert taken == [(True, "workspaces/w")] * 2
