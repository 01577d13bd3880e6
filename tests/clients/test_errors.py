"""What a server refuses comes to the caller as it was meant."""

from datetime import timedelta

import grpc
import pytest

from rota_client import RotaClient, RotaError, errors
from rota_client.gen.google import rpc
from rota_client.gen.google.protobuf import Any
from tests.clients.peer import Peer
from tests.clients.scripted_chat import Refused


async def test_reason_metadata_violations_and_delay_are_read_from_the_details(
    rota: RotaClient, peer: Peer
) -> None:
    peer.chat.refusals.append(
        Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_REQUEST",
            message="1 field is invalid",
            metadata={"violations": "1"},
            fields={"filter": "is no filter"},
            retry_seconds=7,
        )
    )
    with pytest.raises(errors.InvalidArgument) as refused:
        await rota.list_approvals().take(1)
    error = refused.value
    assert (error.message, error.reason) == ("1 field is invalid", "INVALID_REQUEST")
    assert error.metadata == {"violations": "1"}
    assert [(v.field, v.description) for v in error.violations] == [("filter", "is no filter")]
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, errors.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, errors.AlreadyExists),
        (grpc.StatusCode.FAILED_PRECONDITION, errors.FailedPrecondition),
        (grpc.StatusCode.ABORTED, errors.Aborted),
        (grpc.StatusCode.OUT_OF_RANGE, errors.OutOfRange),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
        (grpc.StatusCode.UNIMPLEMENTED, errors.Unimplemented),
        (grpc.StatusCode.INTERNAL, errors.Internal),
        (grpc.StatusCode.DATA_LOSS, RotaError),
    ],
)
async def test_each_code_has_its_class(
    rota: RotaClient, peer: Peer, code: grpc.StatusCode, kind: type[RotaError]
) -> None:
    peer.chat.refusals.append(Refused(code, "A_REASON"))
    with pytest.raises(RotaError) as refused:
        await rota.get_turn("t/turns/u")
    assert type(refused.value) is kind
    assert refused.value.code.name == code.name
    assert refused.value.reason == "A_REASON"


async def test_a_read_is_repeated_while_the_server_is_away(rota: RotaClient, peer: Peer) -> None:
    peer.chat.refusals.append(Refused(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"))
    assert [one async for one in rota.list_approvals()] == []
    assert len(peer.chat.calls) == 2


def test_details_of_strangers_are_not_taken_for_ours() -> None:
    foreign = rpc.ErrorInfo(reason="THEIRS", domain="example.com")
    status = rpc.Status(
        code=16,
        message="no",
        details=[
            Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=bytes(foreign)),
            Any(type_url="type.googleapis.com/example.Unknown", value=b"\x01"),
        ],
    )
    error = RotaError.of(status)
    assert isinstance(error, errors.Unauthenticated)
    assert error.reason == ""
