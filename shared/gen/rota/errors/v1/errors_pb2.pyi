from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    UNAUTHENTICATED: _ClassVar[ErrorReason]
    PERMISSION_DENIED: _ClassVar[ErrorReason]
    INVALID_REQUEST: _ClassVar[ErrorReason]
    RESOURCE_NOT_FOUND: _ClassVar[ErrorReason]
    RESOURCE_EXISTS: _ClassVar[ErrorReason]
    REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ETAG_MISMATCH: _ClassVar[ErrorReason]
    STATE_CONFLICT: _ClassVar[ErrorReason]
    TURN_IN_PROGRESS: _ClassVar[ErrorReason]
    APPROVALS_UNDECIDED: _ClassVar[ErrorReason]
    APPROVAL_DECIDED: _ClassVar[ErrorReason]
    APPROVAL_EXPIRED: _ClassVar[ErrorReason]
    DIGEST_MISMATCH: _ClassVar[ErrorReason]
    STREAM_TRUNCATED: _ClassVar[ErrorReason]
    MODEL_RATE_LIMITED: _ClassVar[ErrorReason]
    MODEL_UNAVAILABLE: _ClassVar[ErrorReason]
    MODEL_GONE: _ClassVar[ErrorReason]
    CAPABILITY_GONE: _ClassVar[ErrorReason]
    MODEL_TEXT_ONLY: _ClassVar[ErrorReason]
    QUOTA_EXCEEDED: _ClassVar[ErrorReason]
    NO_ELIGIBLE_MODEL: _ClassVar[ErrorReason]
    BUDGET_EXCEEDED: _ClassVar[ErrorReason]
    CREATOR_ACCESS_LOST: _ClassVar[ErrorReason]
    OUTPUT_TOO_LARGE: _ClassVar[ErrorReason]
    APPROVAL_NOT_GRANTED: _ClassVar[ErrorReason]
    TIMED_OUT: _ClassVar[ErrorReason]
    TEMPLATE_FAILED: _ClassVar[ErrorReason]
    SERVICE_UNAVAILABLE: _ClassVar[ErrorReason]
    NOT_SERVED: _ClassVar[ErrorReason]
    INTERNAL: _ClassVar[ErrorReason]
    PEER_UNAVAILABLE: _ClassVar[ErrorReason]
    CANCELLED: _ClassVar[ErrorReason]
    ENCRYPTION_UNAVAILABLE: _ClassVar[ErrorReason]
    RATE_LIMITED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
UNAUTHENTICATED: ErrorReason
PERMISSION_DENIED: ErrorReason
INVALID_REQUEST: ErrorReason
RESOURCE_NOT_FOUND: ErrorReason
RESOURCE_EXISTS: ErrorReason
REQUEST_ID_REUSED: ErrorReason
ETAG_MISMATCH: ErrorReason
STATE_CONFLICT: ErrorReason
TURN_IN_PROGRESS: ErrorReason
APPROVALS_UNDECIDED: ErrorReason
APPROVAL_DECIDED: ErrorReason
APPROVAL_EXPIRED: ErrorReason
DIGEST_MISMATCH: ErrorReason
STREAM_TRUNCATED: ErrorReason
MODEL_RATE_LIMITED: ErrorReason
MODEL_UNAVAILABLE: ErrorReason
MODEL_GONE: ErrorReason
CAPABILITY_GONE: ErrorReason
MODEL_TEXT_ONLY: ErrorReason
QUOTA_EXCEEDED: ErrorReason
NO_ELIGIBLE_MODEL: ErrorReason
BUDGET_EXCEEDED: ErrorReason
CREATOR_ACCESS_LOST: ErrorReason
OUTPUT_TOO_LARGE: ErrorReason
APPROVAL_NOT_GRANTED: ErrorReason
TIMED_OUT: ErrorReason
TEMPLATE_FAILED: ErrorReason
SERVICE_UNAVAILABLE: ErrorReason
NOT_SERVED: ErrorReason
INTERNAL: ErrorReason
PEER_UNAVAILABLE: ErrorReason
CANCELLED: ErrorReason
ENCRYPTION_UNAVAILABLE: ErrorReason
RATE_LIMITED: ErrorReason
