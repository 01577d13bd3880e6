"""Our errors as google.rpc.Status, and back from a call that failed."""

from datetime import timedelta
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared import errors

DOMAIN: Final = "rota.dev"


def to_status(error: errors.RotaError) -> status_pb2.Status:
    """Returns the status with ErrorInfo, BadRequest and RetryInfo, as the error has them."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=v.field, description=v.description, reason=v.reason
                    )
                    for v in error.violations
                ]
            )
        )
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=int(error.code), message=error.message, details=[_packed(d) for d in details]
    )


def from_status(status: status_pb2.Status) -> errors.RotaError:
    """Returns the error in a status of ours; for a foreign status its code or INTERNAL."""
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    after: timedelta | None = None
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
        if detail.Unpack(retry):
            after = retry.retry_delay.ToTimedelta()
    return errors.RotaError(
        status.message,
        code=_code(status.code),
        reason=info.reason if info.domain == DOMAIN else "INTERNAL",
        metadata=dict(info.metadata),
        violations=[
            errors.FieldViolation(field=v.field, description=v.description, reason=v.reason)
            for v in bad.field_violations
        ],
        retry_after=after,
    )


def from_call(error: grpc.aio.AioRpcError, *, peer: str) -> errors.RotaError:
    """What a failed call to another service means to the caller of this one."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    if status is not None:
        return from_status(status)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return errors.PeerUnavailable(peer)
    return errors.RotaError(f"{peer} failed", code=_code(error.code().value[0]))


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _code(number: int) -> errors.Code:
    try:
        return errors.Code(number)
    except ValueError:
        return errors.Code.INTERNAL
