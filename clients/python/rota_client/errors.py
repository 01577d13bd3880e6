"""Errors of calls: one class per canonical code."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from grpclib.const import Status as Code
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError

from rota_client.gen.google import rpc

DOMAIN: Final = "rota.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One invalid field."""

    field: str
    description: str
    reason: str = ""


class RotaError(Exception):
    """A call failed. `reason` names a value of rota.errors.v1.ErrorReason; it is empty when
    something other than a Rota service answered."""

    code: Code = Code.UNKNOWN
    _by_code: ClassVar[dict[Code, type["RotaError"]]] = {}

    def __init__(
        self,
        message: str,
        *,
        code: Code | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.code if code is None else code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after

    @property
    def more_violations(self) -> int:
        """How many violations there are beside `violations`, which has the first that fit."""
        more = self.metadata.get("more_violations", "")
        return int(more) if more.isascii() and more.isdigit() else 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in vars(cls):
            RotaError._by_code[cls.code] = cls

    @classmethod
    def of(cls, status: rpc.Status) -> "RotaError":
        """Converts a google.rpc.Status to the class of its code."""
        try:
            code = Code(status.code)
        except ValueError:
            code = Code.UNKNOWN
        said = _Details(status)
        return cls._by_code.get(code, RotaError)(
            status.message or code.name,
            code=code,
            reason=said.info.reason if said.info.domain == DOMAIN else "",
            metadata=said.info.metadata,
            violations=said.violations,
            retry_after=said.retry_after,
        )


class Cancelled(RotaError):
    code = Code.CANCELLED


class InvalidArgument(RotaError):
    code = Code.INVALID_ARGUMENT


class DeadlineExceeded(RotaError):
    code = Code.DEADLINE_EXCEEDED


class NotFound(RotaError):
    code = Code.NOT_FOUND


class AlreadyExists(RotaError):
    code = Code.ALREADY_EXISTS


class PermissionDenied(RotaError):
    code = Code.PERMISSION_DENIED


class ResourceExhausted(RotaError):
    code = Code.RESOURCE_EXHAUSTED


class FailedPrecondition(RotaError):
    code = Code.FAILED_PRECONDITION


class Aborted(RotaError):
    code = Code.ABORTED


class OutOfRange(RotaError):
    code = Code.OUT_OF_RANGE


class Unimplemented(RotaError):
    code = Code.UNIMPLEMENTED


class Internal(RotaError):
    code = Code.INTERNAL


class Unavailable(RotaError):
    """The server is unavailable, or the connection was lost or never made."""

    code = Code.UNAVAILABLE


class Unauthenticated(RotaError):
    code = Code.UNAUTHENTICATED


def from_call(error: GRPCError) -> RotaError:
    """Converts grpclib's error; its details are the whole status, as StatusCodec decodes them."""
    if isinstance(error.details, rpc.Status):
        return RotaError.of(error.details)
    return RotaError.of(rpc.Status(code=error.status.value, message=error.message or ""))


class StatusCodec(StatusDetailsCodecBase):
    """grpc-status-details-bin → our google.rpc.Status, whole."""

    def encode(self, status: Code, message: str | None, details: Any) -> bytes:
        return bytes(rpc.Status(code=status.value, message=message or "", details=details or []))

    def decode(self, status: Code, message: str | None, data: bytes) -> rpc.Status:
        said = rpc.Status.parse(data)
        # the status line is what the call ended with, whatever the details say
        said.code, said.message = status.value, said.message or message or ""
        return said


class _Details:
    def __init__(self, status: rpc.Status) -> None:
        self.info = rpc.ErrorInfo()
        self.violations: list[Violation] = []
        self.retry_after: timedelta | None = None
        for detail in _unpack(status):
            match detail:
                case rpc.ErrorInfo():
                    self.info = detail
                case rpc.BadRequest():
                    self.violations.extend(_violation(v) for v in detail.field_violations)
                case rpc.RetryInfo():
                    self.retry_after = detail.retry_delay


def _unpack(status: rpc.Status) -> Iterator[Any]:
    known: dict[str, Any] = {
        "google.rpc.ErrorInfo": rpc.ErrorInfo,
        "google.rpc.BadRequest": rpc.BadRequest,
        "google.rpc.RetryInfo": rpc.RetryInfo,
    }
    for detail in status.details:
        kind = known.get(detail.type_url.rpartition("/")[2])
        if kind is not None:
            yield kind.parse(detail.value)


def _violation(said: rpc.BadRequestFieldViolation) -> Violation:
    return Violation(field=said.field, description=said.description, reason=said.reason)
