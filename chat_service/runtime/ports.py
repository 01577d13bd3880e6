"""What the agent needs of the rest of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol
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
class ThreadMessage:
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


class ActionType(StrEnum):
    """What tools ask a person for. The set on the wire is open."""

    CREATE = "automation_create"
    UPDATE = "automation_update"
    PAUSE = "automation_pause"
    RESUME = "automation_resume"
    TOOL_CALL = "tool_call"


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
    """May all be repeated, and are ServiceUnavailable while the database can't be reached."""

    async def find(self, turn: UUID, key: str) -> StoredApproval | None: ...

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        """Stores it once: the first draft under a key wins, and is the one returned."""
        ...

    async def get(self, approval: UUID) -> StoredApproval | None: ...

    async def set_resource(self, approval: UUID, resource: str) -> None: ...


class ToolCallClaims(Protocol):
    async def claim(self, turn: UUID, key: str) -> bool:
        """Whether it is begun for the first time; kept before it answers.

        ServiceUnavailable while the database can't be reached.
        """
        ...


class McpToolSpecs(Protocol):
    """What MCP servers told of their tools, kept beyond the life of a process."""

    async def load(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """By the server's id."""
        ...

    async def save(self, server: str, tools: Sequence[Mapping[str, Any]]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAutomation:
    name: str  # workspaces/{w}/automations/{a}
    payload: Mapping[str, Any]  # display_name, description, definition; canonical
    next_fires: tuple[str, ...] = ()  # RFC 3339, the earliest first; none while it is paused


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerView:
    trigger_id: str
    type: str
    config: Mapping[str, Any]
    enabled: bool
    next_fire: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationView:
    """An automation as it stands. `payload` is what an update replaces; absent in lists."""

    name: str
    display_name: str
    state: Literal["active", "paused", "archived"]
    etag: str
    revision: int
    last_run: str = ""  # a state of RunStatus; empty before the first run has ended
    triggers: tuple[TriggerView, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run in short. `error` is what its status says."""

    state: str  # a state of RunStatus
    slot_time: datetime | None = None
    end_time: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    fire_time: datetime
    local_time: str
    utc_offset: timedelta
    dst_note: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePreview:
    slots: tuple[SlotView, ...]
    summary: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotExplanation:
    """What became of a moment. `nearest` is empty for a slot."""

    text: str
    is_slot: bool
    outcome: str = ""  # a SlotOutcome; empty when nothing is recorded
    run: str = ""
    nearest: tuple[SlotView, ...] = ()


class Images(Protocol):
    async def load(self, workspace: str, uri: str) -> str | None:
        """A kept image as a data URL; None when the workspace has none under that reference."""
        ...


class AutomationsPort(Protocol):
    """automation_service, as the agent sees it. Refusals are shared.errors.RotaError.

    Whatever takes a request_id is done once, however often it is asked for.
    """

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

    async def list(
        self, *, workspace: str, user: str, limit: int
    ) -> tuple[Sequence[AutomationView], bool]:
        """The newest that are not archived, without payloads; whether there are more."""
        ...

    async def get(self, *, workspace: str, user: str, name: str) -> AutomationView: ...

    async def runs(self, *, workspace: str, user: str, name: str, limit: int) -> Sequence[RunView]:
        """The newest runs of an automation."""
        ...

    async def explain(
        self, *, workspace: str, user: str, trigger: str, moment: datetime
    ) -> SlotExplanation: ...

    async def validate_update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        """The canonical form of {name, etag, display_name, description, definition}.

        Refused with ETAG_MISMATCH when the automation has changed since, here and in `update`.
        """
        ...

    async def update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation: ...

    async def pause(
        self, *, workspace: str, user: str, name: str, note: str, request_id: UUID
    ) -> SavedAutomation: ...

    async def resume(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> SavedAutomation:
        """Refused with ETAG_MISMATCH when it has changed since; not when `etag` is empty."""
        ...


REFERENCE: Final = "sha256:"
