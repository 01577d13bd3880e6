from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class FieldReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIELD_REASON_UNSPECIFIED: _ClassVar[FieldReason]
    REQUIRED: _ClassVar[FieldReason]
    INVALID: _ClassVar[FieldReason]
    UNKNOWN_FIELD: _ClassVar[FieldReason]
    DUPLICATE_FIELD: _ClassVar[FieldReason]
    IMMUTABLE: _ClassVar[FieldReason]
    NOT_CANONICAL: _ClassVar[FieldReason]
    INVISIBLE_CHARACTER: _ClassVar[FieldReason]
    PLACEHOLDER: _ClassVar[FieldReason]
    TOO_LARGE: _ClassVar[FieldReason]
    TOO_MANY: _ClassVar[FieldReason]
    TOO_MANY_WAITING: _ClassVar[FieldReason]
    DUPLICATE_ID: _ClassVar[FieldReason]
    SHADOWED_NAME: _ClassVar[FieldReason]
    UNKNOWN_NAME: _ClassVar[FieldReason]
    UNKNOWN_TRIGGER: _ClassVar[FieldReason]
    UNKNOWN_ACTION: _ClassVar[FieldReason]
    UNKNOWN_TOOL: _ClassVar[FieldReason]
    UNKNOWN_MODEL: _ClassVar[FieldReason]
    UNPRICED_MODEL: _ClassVar[FieldReason]
    INVALID_TEMPLATE: _ClassVar[FieldReason]
    INVALID_SCHEMA: _ClassVar[FieldReason]
    INVALID_INPUT: _ClassVar[FieldReason]
    NEVER_FIRES: _ClassVar[FieldReason]
    NO_TRIGGER: _ClassVar[FieldReason]
    NOT_PUBLIC: _ClassVar[FieldReason]
    UNREADABLE: _ClassVar[FieldReason]
    HAS_RUN: _ClassVar[FieldReason]
    SKIPPED_DST: _ClassVar[FieldReason]
    BACKFILLED: _ClassVar[FieldReason]
    TRIGGER_GONE: _ClassVar[FieldReason]
    INVALID_INPUTS: _ClassVar[FieldReason]
    UNKNOWN_DESTINATION: _ClassVar[FieldReason]
FIELD_REASON_UNSPECIFIED: FieldReason
REQUIRED: FieldReason
INVALID: FieldReason
UNKNOWN_FIELD: FieldReason
DUPLICATE_FIELD: FieldReason
IMMUTABLE: FieldReason
NOT_CANONICAL: FieldReason
INVISIBLE_CHARACTER: FieldReason
PLACEHOLDER: FieldReason
TOO_LARGE: FieldReason
TOO_MANY: FieldReason
TOO_MANY_WAITING: FieldReason
DUPLICATE_ID: FieldReason
SHADOWED_NAME: FieldReason
UNKNOWN_NAME: FieldReason
UNKNOWN_TRIGGER: FieldReason
UNKNOWN_ACTION: FieldReason
UNKNOWN_TOOL: FieldReason
UNKNOWN_MODEL: FieldReason
UNPRICED_MODEL: FieldReason
INVALID_TEMPLATE: FieldReason
INVALID_SCHEMA: FieldReason
INVALID_INPUT: FieldReason
NEVER_FIRES: FieldReason
NO_TRIGGER: FieldReason
NOT_PUBLIC: FieldReason
UNREADABLE: FieldReason
HAS_RUN: FieldReason
SKIPPED_DST: FieldReason
BACKFILLED: FieldReason
TRIGGER_GONE: FieldReason
INVALID_INPUTS: FieldReason
UNKNOWN_DESTINATION: FieldReason
