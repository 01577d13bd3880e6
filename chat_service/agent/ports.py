"""What the agent needs of the rest of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeContext:
    """The turn an agent works in. Never checkpointed; holds no secret."""

    workspace: str  # id, not name
    user: str  # id of the requester
    turn: UUID
    turn_name: str
    now: datetime
    time_zone: str
    time_zone_assumed: bool
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One earlier or present message of the conversation.

    `parts` are as stored: {"text"}, {"image"}, {"mention"}, {"tool_call"} or {"reasoning"},
    each with the JSON of the proto's Part.
    """

    id: str
    role: Literal["user", "agent"]
    parts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """How an unattended task is held in."""

    tools: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    budget_micros: int | None = None
    auto_approve: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDraft:
    """What a tool wants a person to decide."""

    key: str  # unique in the turn and the same whenever the tool runs again
    action_type: str
    tool_call_id: str
    summary: str
    payload: Mapping[str, Any]  # canonical
    payload_schema: Mapping[str, Any]
    context: Mapping[str, Any]
    preview: Mapping[str, Any]  # JSON of the proto's Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApproval:
    id: UUID
    state: Literal["pending", "approved", "rejected", "expired", "cancelled"]
    payload: Mapping[str, Any]  # what was decided on: the edited payload if there is one
    requested_by: str
    reason: str = ""
    resource: str = ""


class Approvals(Protocol):
    async def find(self, turn: UUID, key: str) -> StoredApproval | None: ...

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        """Stores it once: the first draft under a key wins, and is the one returned."""
        ...

    async def get(self, approval: UUID) -> StoredApproval | None: ...

    async def set_resource(self, approval: UUID, resource: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAutomation:
    name: str  # workspaces/{w}/automations/{a}
    payload: Mapping[str, Any]  # display_name, description, definition; canonical
    next_fires: tuple[str, ...] = ()  # RFC 3339, the earliest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    fire_time: datetime
    local_time: str
    utc_offset: timedelta
    dst_note: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePreview:
    slots: tuple[Slot, ...]
    summary: str = ""
    notes: tuple[str, ...] = field(default=())


class Automations(Protocol):
    """automation_service, as the agent sees it. Refusals are shared.errors.RotaError."""

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        """The canonical form of a payload; nothing is saved. InvalidRequest with field paths."""
        ...

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation: ...

    async def preview(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> SchedulePreview: ...
