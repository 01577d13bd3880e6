"""What a service refuses with: a canonical code, a reason and what the caller needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Final

# The metadata that says how many violations were left out of a list.
MORE_VIOLATIONS: Final = "more_violations"


class Code(IntEnum):
    """Canonical codes, numbered as google.rpc.Code numbers them."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class FieldReason(StrEnum):
    """Why a field is refused: the values of rota.errors.v1.FieldReason, which describes them."""

    REQUIRED = "REQUIRED"
    INVALID = "INVALID"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    DUPLICATE_FIELD = "DUPLICATE_FIELD"
    IMMUTABLE = "IMMUTABLE"
    NOT_CANONICAL = "NOT_CANONICAL"
    INVISIBLE_CHARACTER = "INVISIBLE_CHARACTER"
    PLACEHOLDER = "PLACEHOLDER"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY = "TOO_MANY"
    TOO_MANY_WAITING = "TOO_MANY_WAITING"
    DUPLICATE_ID = "DUPLICATE_ID"
    SHADOWED_NAME = "SHADOWED_NAME"
    UNKNOWN_NAME = "UNKNOWN_NAME"
    UNKNOWN_TRIGGER = "UNKNOWN_TRIGGER"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    UNKNOWN_TOOL = "UNKNOWN_TOOL"
    UNKNOWN_MODEL = "UNKNOWN_MODEL"
    UNPRICED_MODEL = "UNPRICED_MODEL"
    UNKNOWN_DESTINATION = "UNKNOWN_DESTINATION"
    INVALID_TEMPLATE = "INVALID_TEMPLATE"
    INVALID_SCHEMA = "INVALID_SCHEMA"
    INVALID_INPUT = "INVALID_INPUT"
    NEVER_FIRES = "NEVER_FIRES"
    NO_TRIGGER = "NO_TRIGGER"
    NOT_PUBLIC = "NOT_PUBLIC"
    UNREADABLE = "UNREADABLE"
    HAS_RUN = "HAS_RUN"
    SKIPPED_DST = "SKIPPED_DST"
    BACKFILLED = "BACKFILLED"
    TRIGGER_GONE = "TRIGGER_GONE"
    INVALID_INPUTS = "INVALID_INPUTS"


def read_field_reason(text: str) -> FieldReason:
    """Returns the reason that another replica gave; INVALID for one that this one does not know."""
    name = text.upper()
    return FieldReason(name) if name in FieldReason.__members__ else FieldReason.INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One invalid field: `automation.definition.plan[0].config.prompt`.

    `place` is what the message says instead, where the caller did not send the field.
    """

    field: str
    description: str
    reason: FieldReason = FieldReason.INVALID
    place: str = ""


class RotaError(Exception):
    """A refusal or failure that a caller may see.

    `reason` is a name of rota.errors.v1.ErrorReason. The message and the metadata are
    shown to callers, so neither may hold a secret or another party's text.
    """

    code: Code = Code.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: timedelta | None = None,
        code: Code | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.code = self.code if code is None else code
        self.reason = self.reason if reason is None else reason

    @property
    def more_violations(self) -> int:
        """How many violations there are beside those listed: the other service's list was cut."""
        more = self.metadata.get(MORE_VIOLATIONS, "")
        return int(more) if more.isascii() and more.isdigit() else 0


class Unauthenticated(RotaError):
    code, reason = Code.UNAUTHENTICATED, "UNAUTHENTICATED"


class PermissionDenied(RotaError):
    code, reason = Code.PERMISSION_DENIED, "PERMISSION_DENIED"

    def __init__(self, *, role: str, needs: str) -> None:
        super().__init__(
            f"the role {role} does not allow this; it needs {needs}",
            metadata={"role": role, "needs": needs},
        )


class InvalidRequest(RotaError):
    code, reason = Code.INVALID_ARGUMENT, "INVALID_REQUEST"

    def __init__(self, violations: Sequence[FieldViolation], *, more: int = 0) -> None:
        """`more` violations are known by their number only."""
        first, count = violations[0], len(violations) + more
        others = f" (and {count - 1} more)" if count > 1 else ""
        place = first.place or first.field
        super().__init__(
            f"{place}: {first.description}{others}" if place else first.description,
            metadata={"violations": str(count)} | ({MORE_VIOLATIONS: str(more)} if more else {}),
            violations=violations,
        )


class RequestMalformed(RotaError):
    code, reason = Code.INVALID_ARGUMENT, "REQUEST_MALFORMED"


class RequestTooLarge(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(
            f"the request has {size} bytes; the limit is {limit}",
            metadata={"limit_bytes": str(limit)},
        )


def invalid(
    field: str, description: str, reason: FieldReason = FieldReason.INVALID
) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field=field, description=description, reason=reason)])


class ResourceNotFound(RotaError):
    code, reason = Code.NOT_FOUND, "RESOURCE_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not exist", metadata={"resource": name})


class ResourceExists(RotaError):
    """`is_removed`: what had the name is gone, and the name is given to no other."""

    code, reason = Code.ALREADY_EXISTS, "RESOURCE_EXISTS"

    def __init__(self, name: str, *, is_removed: bool = False) -> None:
        said = "exists already"
        if is_removed:
            said = "was removed, and its name is never used again; choose another id"
        super().__init__(f"{name} {said}", metadata={"resource": name})


class RequestIdReused(RotaError):
    code, reason = Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "the request_id was used before with another body",
            metadata={"request_id": request_id},
        )


class EtagMismatch(RotaError):
    code, reason = Code.ABORTED, "ETAG_MISMATCH"

    def __init__(self, name: str, etag: str) -> None:
        super().__init__(
            f"{name} has changed since; read it again",
            metadata={"resource": name, "etag": etag},
        )


class StateConflict(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "STATE_CONFLICT"

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"{name} is {state}, which does not allow this",
            metadata={"resource": name, "state": state},
        )


class TurnInProgress(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "TURN_IN_PROGRESS"

    def __init__(self, turn: str) -> None:
        super().__init__(f"{turn} is in progress", metadata={"turn": turn})


class ApprovalsUndecided(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "APPROVALS_UNDECIDED"

    def __init__(self, turn: str, approvals: Sequence[str]) -> None:
        super().__init__(
            f"{turn} waits for a decision on {', '.join(approvals)}",
            metadata={"turn": turn, "approvals": ",".join(approvals)},
        )


class ApprovalDecided(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "APPROVAL_DECIDED"

    def __init__(self, approval: str, state: str) -> None:
        super().__init__(
            f"{approval} was decided before: {state}",
            metadata={"approval": approval, "state": state},
        )


class ApprovalExpired(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "APPROVAL_EXPIRED"

    def __init__(self, approval: str) -> None:
        super().__init__(f"{approval} has expired", metadata={"approval": approval})


class DigestMismatch(RotaError):
    code, reason = Code.ABORTED, "DIGEST_MISMATCH"

    def __init__(self, approval: str) -> None:
        super().__init__(
            f"the digest is not that of {approval}; read it again",
            metadata={"approval": approval},
        )


class UpdateDigestMismatch(RotaError):
    code, reason = Code.ABORTED, "DIGEST_MISMATCH"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the update of {name} would not save what you were shown; preview it again",
            metadata={"resource": name},
        )


class TooManyStreams(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"

    def __init__(self, *, of: str, limit: int, retry_after: timedelta) -> None:
        super().__init__(
            f"the {of} has {limit} streams open, which is the limit; close one",
            metadata={"of": of, "limit": str(limit)},
            retry_after=retry_after,
        )


class StreamTruncated(RotaError):
    code, reason = Code.OUT_OF_RANGE, "STREAM_TRUNCATED"

    def __init__(self, floor: int) -> None:
        super().__init__(f"frames up to {floor} are no longer kept", metadata={"floor": str(floor)})


class ModelRateLimited(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "MODEL_RATE_LIMITED"


class RateLimited(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "RATE_LIMITED"


class ModelUnavailable(RotaError):
    code, reason = Code.UNAVAILABLE, "MODEL_UNAVAILABLE"


class ModelGone(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "MODEL_GONE"


class CapabilityGone(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "CAPABILITY_GONE"


class ModelTextOnly(RotaError):
    code, reason = Code.INVALID_ARGUMENT, "MODEL_TEXT_ONLY"

    def __init__(self, config_id: int) -> None:
        super().__init__(
            f"the model {config_id} reads text only, and the message has images",
            metadata={"model_config": str(config_id)},
        )


class QuotaExceeded(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"

    def __init__(self, user: str) -> None:
        super().__init__("the credit for this month is spent", metadata={"user": user})


class NoEligibleModel(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "NO_ELIGIBLE_MODEL"


class BudgetExceeded(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED"


class BudgetUnenforceable(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "BUDGET_UNENFORCEABLE"

    def __init__(self, model: str) -> None:
        """`model` is empty when none that may be chosen has a price."""
        what = f"the model {model} has no price" if model else "no model that fits has a price"
        super().__init__(f"{what}, so a budget can't be kept", metadata={"model": model})


class CreatorAccessLost(RotaError):
    code, reason = Code.PERMISSION_DENIED, "CREATOR_ACCESS_LOST"


class OutputTooLarge(RotaError):
    code, reason = Code.OUT_OF_RANGE, "OUTPUT_TOO_LARGE"


class ApprovalNotGranted(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "APPROVAL_NOT_GRANTED"


class TimedOut(RotaError):
    code, reason = Code.DEADLINE_EXCEEDED, "TIMED_OUT"


class StartExpired(RotaError):
    code, reason = Code.DEADLINE_EXCEEDED, "START_EXPIRED"

    def __init__(self, *, slot_time: str, window_seconds: int) -> None:
        super().__init__(
            "the automation was paused for longer than the catch-up window of the run's slot",
            metadata={"slot_time": slot_time, "catchup_window_seconds": str(window_seconds)},
        )


class SlotMismatch(RotaError):
    code, reason = Code.ABORTED, "SLOT_MISMATCH"

    def __init__(self, name: str, *, asked: str, slot_time: str) -> None:
        super().__init__(
            f"the next slot of {name} is that of {slot_time}, not {asked}; read it again",
            metadata={"resource": name, "slot_time": slot_time},
        )


class NoSlotLeft(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "NO_SLOT_LEFT"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no slot left that would fire", metadata={"resource": name})


class SlotNotSkipped(RotaError):
    code, reason = Code.FAILED_PRECONDITION, "SLOT_NOT_SKIPPED"

    def __init__(self, name: str, *, slot_time: str) -> None:
        super().__init__(
            f"the slot {slot_time} of {name} is not skipped, or its time has come",
            metadata={"resource": name, "slot_time": slot_time},
        )


class TooManySkips(RotaError):
    code, reason = Code.RESOURCE_EXHAUSTED, "TOO_MANY_SKIPS"

    def __init__(self, name: str, *, limit: int) -> None:
        super().__init__(
            f"{limit} slots of {name} are skipped, which is the limit",
            metadata={"resource": name, "limit": str(limit)},
        )


class TemplateFailed(RotaError):
    code, reason = Code.INVALID_ARGUMENT, "TEMPLATE_FAILED"


class ServiceUnavailable(RotaError):
    code, reason = Code.UNAVAILABLE, "SERVICE_UNAVAILABLE"


class PeerUnavailable(RotaError):
    code, reason = Code.UNAVAILABLE, "PEER_UNAVAILABLE"

    def __init__(self, peer: str) -> None:
        super().__init__(f"{peer} can't be reached; try again", metadata={"peer": peer})


class NotServed(RotaError):
    code, reason = Code.UNIMPLEMENTED, "NOT_SERVED"

    def __init__(self, method: str) -> None:
        super().__init__(f"{method} is not served by this version", metadata={"method": method})


class EncryptionUnavailable(RotaError):
    """A secret can't be kept, or one that is kept can't be read again."""

    code, reason = Code.FAILED_PRECONDITION, "ENCRYPTION_UNAVAILABLE"

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"the service has no key for secrets; its operator sets one in {setting}",
            metadata={"setting": setting},
        )


class Cancelled(RotaError):
    code, reason = Code.CANCELLED, "CANCELLED"


class RunReplaced(Cancelled):
    reason = "RUN_REPLACED"

    def __init__(self, *, trigger: str, slot_time: str, run: str) -> None:
        super().__init__(
            f"the slot {slot_time} of the trigger {trigger} replaced the run; concurrency is "
            "cancel_running",
            metadata={"trigger": trigger, "slot_time": slot_time, "run": run},
        )


class Internal(RotaError):
    def __init__(self, error_id: str) -> None:
        super().__init__(
            f"an internal error; the log has it as {error_id}", metadata={"error_id": error_id}
        )
