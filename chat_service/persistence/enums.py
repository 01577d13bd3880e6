"""The enums of schema chat."""

from enum import StrEnum


class ThreadKind(StrEnum):
    CHAT = "chat"
    TASK = "task"  # the internal thread of an unattended task


class TurnState(StrEnum):
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MessageRole(StrEnum):
    USER = "user"
    AGENT = "agent"


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class TitleState(StrEnum):
    NONE = "none"
    GENERATED = "generated"
    SET = "set"  # by a person; never replaced
