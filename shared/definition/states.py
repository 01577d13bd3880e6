"""The states a definition and what comes of it can be in, as stored."""

from enum import StrEnum


class AutomationStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class RunStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def finished(self) -> bool:
        return self not in (RunStatus.PENDING, RunStatus.RUNNING)


class StepStatus(StrEnum):
    """Stored in lower case. The API and templates have the names."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class TriggerType(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"  # reserved: registered nowhere, refused when a definition is checked


class SlotOutcome(StrEnum):
    FIRED = "fired"
    CAUGHT_UP = "caught_up"  # fired late, within the catch-up window
    SKIPPED_OVERLAP = "skipped_overlap"
    SKIPPED_PAUSED = "skipped_paused"
    SKIPPED_DST = "skipped_dst"
    MISSED = "missed"  # found too late to catch up, or its trigger was disabled by the service
    REJECTED = "rejected"  # too many runs waited, or the inputs were invalid
    SKIPPED_REQUESTED = "skipped_requested"  # somebody skipped it before it came
