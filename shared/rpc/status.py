"""Our errors as google.rpc.Status, and back from a call that failed."""

from datetime import timedelta
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared import errors
from shared.rpc.status_limits import MAX_TRAILERS, count_fitting, measure_status, shrink_errors

DOMAIN: Final = "rota.dev"
# Bytes of base64 that a list of violations takes without them.
_LIST: Final = 96
# What gRPC says by itself of a call that got no answer. A server that stops cancels what it has not
# begun.
_LOST: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


def to_status(error: errors.RotaError) -> status_pb2.Status:
    """Returns the status with ErrorInfo, BadRequest and RetryInfo, as the error has them."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[_to_violation(one) for one in error.violations]
            )
        )
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=int(error.code), message=error.message, details=[_packed(d) for d in details]
    )


def to_trailers(error: errors.RotaError) -> status_pb2.Status:
    """Returns the status that a call ends with, which fits into MAX_TRAILERS.

    What is too large has its texts cut and keeps the first violations: metadata
    `more_violations` says how many others there are.
    """
    found = status_pb2.Status()
    for shorter in shrink_errors(error):
        found, is_enough = _keep_fitting(shorter, error)
        if is_enough:
            break
    return found


def _keep_fitting(
    shorter: errors.RotaError, whole: errors.RotaError
) -> tuple[status_pb2.Status, bool]:
    """The status with the violations that fit, and whether that is enough of them."""
    found = to_status(shorter)
    said, count = shorter.violations, len(whole.violations)
    if len(said) == count and measure_status(found) <= MAX_TRAILERS:
        return found, True
    shorter.violations = ()
    shorter.metadata[errors.MORE_VIOLATIONS] = str(whole.more_violations + count)
    room = MAX_TRAILERS - measure_status(to_status(shorter)) - _LIST
    kept = count_fitting([_to_violation(one) for one in said], room)
    shorter.violations = said[:kept]
    if more := whole.more_violations + count - kept:
        shorter.metadata[errors.MORE_VIOLATIONS] = str(more)
    else:
        del shorter.metadata[errors.MORE_VIOLATIONS]
    return to_status(shorter), room >= 0 and bool(kept) == bool(count)


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
            errors.FieldViolation(
                field=v.field, description=v.description, reason=errors.read_field_reason(v.reason)
            )
            for v in bad.field_violations
        ],
        retry_after=after,
    )


def from_call(error: grpc.aio.AioRpcError, *, peer: str) -> errors.RotaError:
    """What a failed call to another service means to the caller of this one."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    if status is not None:
        return from_status(status)
    if error.code() in _LOST:
        return errors.PeerUnavailable(peer)
    return errors.RotaError(f"{peer} failed", code=_code(error.code().value[0]))


def _to_violation(one: errors.FieldViolation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=one.field, description=one.description, reason=one.reason
    )


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _code(number: int) -> errors.Code:
    try:
        return errors.Code(number)
    except ValueError:
        return errors.Code.INTERNAL
