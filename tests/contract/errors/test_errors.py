"""What every refusal has in common, over every call: shape, identity, roles, unknown fields."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from tests.contract.rows import fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.credentials.tokens import new_key
from tests.support.system.live import METHODS, Live, Metadata

# The one call whose request may be empty.
TAKES_NOTHING = {"AgentService/ListCapabilities"}


def bearer(token: str) -> Metadata:
    return [("authorization", f"Bearer {token}")]


def bad_identities(live: Live) -> dict[str, Metadata]:
    """Every way a caller can fail to say who they are."""
    keys, service = live.keys, live.keys.service_token
    return {
        "no token": [],
        "no bearer": [("authorization", "Basic YTpi")],
        "no JWT": bearer("x.y.z"),
        "expired": bearer(keys.user_token(expires_in=timedelta(minutes=-5))),
        "another audience": bearer(keys.user_token(aud="elsewhere")),
        "another issuer": bearer(keys.user_token(iss="elsewhere")),
        "another key": bearer(keys.user_token(key=new_key())),
        "an unknown role": bearer(keys.user_token(workspaces={"w": "king"})),
        "a service's for another service": bearer(
            service("automation_service", audience="billing", user="ada", workspace="w")
        ),
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_caller_without_identity_is_refused_and_learns_nothing(
    live: Live, stage: Stage, method: str
) -> None:
    request = stage.empty(method)
    answers = {
        who: live.refusal(method, request, metadata)
        for who, metadata in bad_identities(live).items()
    }
    assert {reason_of(status) for status in answers.values()} == {"UNAUTHENTICATED"}
    # What is wrong with a token is the business of who made it.
    signed_badly = {answers[who].SerializeToString() for who in ("another key", "no JWT")}
    assert len(signed_badly) == 1


def test_a_service_acts_at_public_calls_for_its_user_and_nobody_else(stage: Stage) -> None:
    identify = stage.live.keys.service_headers
    row = first_answer("AutomationService/GetAutomation")
    request = row.make(stage)
    to = {"audience": "automation_service"}
    hers = identify("chat_service", **to, user="ada", workspace=stage.who.id)
    assert stage.live.call(row.method, request, hers).name == request.name
    for behalf in (
        {},
        {"user": "ada", "workspace": "elsewhere"},
        {"user": "nobody", "workspace": stage.who.id, "role": ""},
    ):
        other = identify("chat_service", **to, **behalf)
        assert reason_of(stage.live.refusal(row.method, request, other)) == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("method", METHODS)
def test_a_field_that_the_contract_does_not_have_is_refused(
    stage: Stage, known: Callable[[str], Any], method: str
) -> None:
    request = with_unknown_field(known(method))
    status = stage.who.refusal(method, request)
    assert (reason_of(status), fields_of(status)) == ("INVALID_REQUEST", ["#1000"])


@pytest.mark.parametrize("method", sorted(set(METHODS) - TAKES_NOTHING))
def test_an_empty_request_is_refused_with_the_fields_it_lacks(stage: Stage, method: str) -> None:
    status = stage.who.refusal(method, stage.empty(method))
    assert reason_of(status) == "INVALID_REQUEST"
    asked = METHODS[method].input_type
    names = {field.name for field in asked.fields} | {one.name for one in asked.oneofs}
    assert {path.partition(".")[0] for path in fields_of(status)} <= names


def test_an_unknown_field_inside_is_refused_with_its_path(stage: Stage) -> None:
    request = first_answer("AutomationService/CreateAutomation").make(stage)
    step = request.automation.definition.plan[0]
    step.MergeFromString(with_unknown_field(step).SerializeToString())
    status = stage.who.refusal("AutomationService/CreateAutomation", request)
    assert fields_of(status) == ["automation.definition.plan[0].#1000"]


def test_a_call_that_does_not_exist_is_unimplemented(stage: Stage) -> None:
    with grpc.insecure_channel(stage.live.chat) as channel:
        call: Any = channel.unary_unary("/rota.chat.v1.ChatService/RunNow")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=stage.who.metadata(), timeout=60)
    assert "UNIMPLEMENTED" in str(caught.value)


def with_unknown_field(request: Any) -> Any:
    """The same with field 1000, a number, which no message of ours has."""
    return type(request).FromString(request.SerializeToString() + b"\xc0\x3e\x01")


def test_the_shape_check_refuses_what_has_no_reason() -> None:
    with pytest.raises(AssertionError, match="one ErrorInfo"):
        reason_of(status_pb2.Status(code=5, message="gone"))
