"""What the door refuses with, as google.rpc.Status and as HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.local_replies import DOMAIN

# More are counted and not listed.
MOST_VIOLATIONS: Final = 50
CLIENT_CLOSED: Final = 499
TOO_LARGE: Final = "REQUEST_TOO_LARGE"
MALFORMED: Final = "REQUEST_MALFORMED"
HTTP_STATUS: Final[Mapping[int, int]] = {
    code_pb2.OK: HTTPStatus.OK,
    code_pb2.CANCELLED: CLIENT_CLOSED,
    code_pb2.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
    code_pb2.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    code_pb2.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    code_pb2.NOT_FOUND: HTTPStatus.NOT_FOUND,
    code_pb2.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    code_pb2.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    code_pb2.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    code_pb2.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    code_pb2.ABORTED: HTTPStatus.CONFLICT,
    code_pb2.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    code_pb2.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    code_pb2.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    code_pb2.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    code_pb2.DATA_LOSS: HTTPStatus.INTERNAL_SERVER_ERROR,
    code_pb2.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One invalid field, by its path in the request: `automation.definition.plan[0].when`."""

    field: str
    description: str
    reason: str


class Refusal(Exception):
    """An answer that is no success. `http` is the HTTP status, where it is not the code's own."""

    def __init__(
        self,
        status: status_pb2.Status,
        *,
        http: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status.message)
        self.status = status
        self.http = http or HTTP_STATUS.get(status.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        self.headers = dict(headers or {})


def refuse(
    code: int,
    reason: str,
    message: str,
    *,
    metadata: Mapping[str, str] | None = None,
    http: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """Returns a refusal with ErrorInfo."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    return Refusal(_status(code, message, info), http=http, headers=headers)


def refuse_fields(violations: Sequence[Violation], reason: str = "INVALID_REQUEST") -> Refusal:
    """Returns INVALID_ARGUMENT that names the fields, or the first MOST_VIOLATIONS of them."""
    first, count = violations[0], len(violations)
    others = f" (and {count - 1} more)" if count > 1 else ""
    message = f"{first.field}: {first.description}" if first.field else first.description
    metadata = {"violations": str(count)}
    if count > MOST_VIOLATIONS:
        metadata["more_violations"] = str(count - MOST_VIOLATIONS)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    bad = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=one.field, description=one.description, reason=one.reason
            )
            for one in violations[:MOST_VIOLATIONS]
        ]
    )
    return Refusal(_status(code_pb2.INVALID_ARGUMENT, message + others, info, bad))


def _status(code: int, message: str, *details: Message) -> status_pb2.Status:
    return status_pb2.Status(code=code, message=message, details=[_pack(one) for one in details])


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def refuse_malformed(message: str) -> Refusal:
    """Returns the refusal of a request that can't be read as a whole."""
    return refuse_fields(
        [Violation(field="", description=message, reason="INVALID")], reason=MALFORMED
    )
