"""Calls that failed as refusals, and refusals as the JSON of an error."""

from http import HTTPStatus
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.http.messages import message_writer
from gateway.http.refusal import TOO_LARGE, Refusal, refuse
from gateway.local_replies import REFUSALS

# What an answer says that has no message or no reason of its own, and when to ask again: what the
# gateway itself answers, for the codes that it has.
_DEFAULTS: Final = {
    code_pb2.CANCELLED: ("CANCELLED", "the call was cancelled", 0),
    code_pb2.RESOURCE_EXHAUSTED: (TOO_LARGE, "the request or its answer is too large", 0),
    code_pb2.UNIMPLEMENTED: ("NOT_SERVED", "the service serves no such method", 0),
} | {
    one.code: (one.reason, one.message, one.retry_seconds)
    for one in REFUSALS
    if one.code in (code_pb2.UNAUTHENTICATED, code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED)
}
_OTHER: Final = ("INTERNAL", "the service failed", 0)


def from_call(error: grpc.aio.AioRpcError) -> Refusal:
    """Returns the service's own status; what gRPC says by itself gets a reason and our words."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    if status is None or not status.details:
        code: int = error.code().value[0]
        reason, message, retry_seconds = _DEFAULTS.get(code, _OTHER)
        return _with_retry(refuse(code, reason, message), retry_seconds)
    is_large = reason_of(status) == TOO_LARGE
    return Refusal(
        _with_message(status),
        http=HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_large else None,
        headers=_retry_after(status),
    )


def to_json(refusal: Refusal) -> dict[str, Any]:
    """Returns `code`, `message` and `details`, as every error of the gateway has them."""
    status = refusal.status
    found: dict[str, Any] = {"code": status.code, "message": status.message}
    pool = descriptor_pool.Default()
    details = []
    for one in status.details:
        try:
            details.append(message_writer.to_json(one, pool))
        except (TypeError, ValueError):
            continue  # of a kind that nobody here knows
    return found | ({"details": details} if details else {})


def _with_retry(refusal: Refusal, seconds: int) -> Refusal:
    """Adds when to ask again, if that is known."""
    if seconds:
        retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))
        refusal.status.details.add().Pack(retry)
        refusal.headers.update(_retry_after(refusal.status))
    return refusal


def _with_message(status: status_pb2.Status) -> status_pb2.Status:
    if not status.message:
        status.message = _DEFAULTS.get(status.code, _OTHER)[1]
    return status


def reason_of(status: status_pb2.Status) -> str:
    """Returns the reason of a status; empty for none."""
    info = error_details_pb2.ErrorInfo()
    return next((str(info.reason) for detail in status.details if detail.Unpack(info)), "")


def _retry_after(status: status_pb2.Status) -> dict[str, str]:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            return {"retry-after": str(max(1, retry.retry_delay.seconds))}
    return {}
