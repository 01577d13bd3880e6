"""The agent's ports to the rest of the service, and their records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol
from uuid import UUID

from chat_service.runtime.result_ports import ResultsPort


class StartMode(StrEnum):
    """How a segment's agent starts."""

    NEW = "new"  # the turn has no checkpoint
    RESUMED = "resumed"  # after a pause, from the checkpoint
    RECOVERED = "recovered"  # another replica started the segment: its events are replayed
    RETRY_OTHER_MODEL = "retry_other_model"  # the caller has the checkpoint's events


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """What a message names and its person may read: a resource's name and its title."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeContext:
    """The turn of a run. Never checkpointed; holds no secret.

    `request_id` is that of the call that opened the turn; `mentions` are those of its message that
    the person might read then. Both are empty in a turn of a version that did not store them.
    """

    workspace: str  # id, not name
    user: str  # id of the requester
    turn: UUID
    turn_name: str
    now: datetime
    time_zone: str
    time_zone_assumed: bool
    locale: str = ""
    request_id: str = ""
    mentions: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadMessage:
    """A message of the thread.

    `parts` are as stored: {"text"}, {"image"}, {"mention"}, {"tool_call"}, {"reasoning"} or
    {"run_result"}, each with the JSON of the proto's Part.
    """

    id: str
    role: Literal["user", "agent"]
    parts: Sequence[Mapping[str, Any]]
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """The limits of an unattended task."""

    tools: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    budget_micros: int | None = None
    auto_approve: bool = False


class ActionType(StrEnum):
    """The actions that need an approval. The set on the wire is open."""

    CREATE = "automation_create"
    UPDATE = "automation_update"
    PAUSE = "automation_pause"
    RESUME = "automation_resume"
    BACKFILL = "automation_backfill"
    SKIP = "automation_skip"
    UNSKIP = "automation_unskip"
    DELETE = "automation_delete"
    ROLLBACK = "automation_rollback"
    TOOL_CALL = "tool_call"
    QUESTION = "question"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDraft:
    """The approval that a tool requests."""

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
    payload: Mapping[str, Any]  # the edited payload if there is one
    requested_by: str
    decided_by: str = ""
    edited: bool = False
    proposed: Mapping[str, Any] | None = None  # the payload that was shown, if it was edited
    reason: str = ""
    resource: str = ""
    payload_schema: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def author(self) -> str:
        """The user for whom the approved action is done: who edited it, or else who asked."""
        return self.decided_by if self.edited else self.requested_by


class Approvals(Protocol):
    """Every method is idempotent and raises ServiceUnavailable without a database."""

    async def find(self, turn: UUID, key: str) -> StoredApproval | None: ...

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        """Stores and returns the first draft of a key; a later one is ignored."""
        ...

    async def get(self, approval: UUID) -> StoredApproval | None: ...

    async def set_resource(self, approval: UUID, resource: str) -> None: ...


class ToolCallClaims(Protocol):
    async def claim(self, turn: UUID, key: str) -> bool:
        """Stores the claim and returns True; False if the key was claimed before.

        Raises ServiceUnavailable while the database can't be reached.
        """
        ...


class McpToolSpecs(Protocol):
    """The tools that MCP servers have listed, stored beyond the life of a process."""

    async def load(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Returns the tools by the id of their server."""
        ...

    async def save(self, server: str, tools: Sequence[Mapping[str, Any]]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAutomation:
    name: str  # workspaces/{w}/automations/{a}
    payload: Mapping[str, Any]  # display_name, description, definition; canonical
    # RFC 3339 on the clock of the trigger and its zone, the earliest first; none while it is paused
    next_fires: tuple[str, ...] = ()
    # what of the change was not made, and why, in a sentence each
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerView:
    trigger_id: str
    type: str
    config: Mapping[str, Any]
    enabled: bool
    next_fire: datetime | None = None
    next_slot: "SlotView | None" = None  # that fires at next_fire; none in lists
    skipped: tuple["SkippedSlotView", ...] = ()  # slots to come


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationView:
    """An automation. `payload` is the part that an update replaces; empty in lists."""

    name: str
    display_name: str
    state: str  # active, paused or archived; the text of any other
    etag: str
    revision: int
    last_run: str = ""  # a state of RunStatus; empty before the first run has ended
    resume_time: datetime | None = None  # of a pause that ends by itself
    triggers: tuple[TriggerView, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """A version of an automation's definition, which is empty in lists."""

    number: int
    create_time: datetime | None = None
    author: str = ""  # id of the user; empty if that was deleted
    definition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run of an automation. `error` is the message of its status."""

    state: str  # a state of RunStatus
    slot_time: datetime | None = None
    end_time: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    slot_time: datetime
    fire_time: datetime
    local_time: str
    utc_offset: timedelta
    dst_note: str = ""
    is_dst_skipped: bool = False  # the clock skips it, and the schedule with it


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSlotView:
    """A slot to come that somebody skipped. `local_time` is on the wall clock of its schedule."""

    slot_time: datetime
    fire_time: datetime
    local_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewView:
    slots: tuple[SlotView, ...]
    summary: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """The outcome of a moment. `nearest` is empty if the moment is a slot."""

    text: str
    is_slot: bool
    outcome: str = ""  # a SlotOutcome; empty when nothing is recorded
    run: str = ""
    nearest: tuple[SlotView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSlotView:
    """A slot of the ledger. `local_time` is on the wall clock of its schedule."""

    name: str  # workspaces/{w}/automations/{a}/slots/{s}
    trigger_id: str
    slot_time: datetime
    fire_time: datetime
    local_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillView:
    """The slots of a span that can be run, in order, and how many can't, by cause."""

    slots: tuple[LedgerSlotView, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


MAX_DESTINATIONS_OF_LIST: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationView:
    """A destination of results. `host` is what a card shows of its address.

    `is_own` is whether it is the person's alone, `is_others` whether it is another member's; the
    rest are shared by the workspace.
    """

    name: str  # workspaces/{w}/destinations/{d}
    display_name: str
    kind: str  # such as slack
    host: str
    state: str  # active, paused or unverified; the text of any other
    is_own: bool = False
    is_others: bool = False


class Images(Protocol):
    async def load(self, workspace: str, uri: str) -> str | None:
        """Returns a stored image as a data URL; None if the workspace has no such image."""
        ...


class AutomationsPort(Protocol):
    """The agent's port to automation_service. Raises shared.errors.RotaError.

    Methods that take a request_id are idempotent.
    """

    @property
    def results(self) -> ResultsPort: ...

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        """Returns the canonical payload; saves nothing. Raises InvalidRequest with field paths."""
        ...

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation: ...

    async def preview_schedule(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> PreviewView: ...

    async def list(
        self, *, workspace: str, user: str, limit: int
    ) -> tuple[Sequence[AutomationView], bool]:
        """Returns the newest that are not archived, without payloads, and whether more exist."""
        ...

    async def get(self, *, workspace: str, user: str, name: str) -> AutomationView: ...

    async def list_runs(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RunView]:
        """Returns the newest runs of an automation."""
        ...

    async def list_destinations(self, *, workspace: str, user: str) -> Sequence[DestinationView]:
        """Returns the destinations that the person may use, the newest MAX_DESTINATIONS_OF_LIST."""
        ...

    async def find_destinations(
        self, *, workspace: str, user: str, names: Sequence[str]
    ) -> Sequence[DestinationView]:
        """Returns those of the named destinations that the person may see."""
        ...

    async def explain_slot(
        self, *, workspace: str, user: str, trigger: str, moment: datetime
    ) -> ExplanationView: ...

    async def validate_update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        """Returns the canonical {name, etag, display_name, description, definition}.

        Raises EtagMismatch when the automation has changed since, as `update` does.
        """
        ...

    async def update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation: ...

    async def pause(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        note: str,
        resume_time: datetime | None,
        etag: str,
        request_id: UUID,
    ) -> SavedAutomation:
        """Pauses an automation, or replaces the note and the end of its pause.

        An empty etag is that of any version.
        """
        ...

    async def skip_next_slot(
        self,
        *,
        workspace: str,
        user: str,
        trigger: str,
        slot_time: datetime,
        note: str,
        request_id: UUID,
    ) -> SavedAutomation:
        """Skips the slot of `slot_time`. Raises SlotMismatch when it is not the next one."""
        ...

    async def unskip_slots(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        skipped: Sequence[tuple[str, datetime]],
        request_id: UUID,
    ) -> SavedAutomation:
        """Takes skips back, each of a trigger's name and a slot_time.

        What has come meanwhile, or is not skipped any more, is left out. Raises SlotNotSkipped
        when that is so of all.
        """
        ...

    async def resume(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> SavedAutomation:
        """Raises EtagMismatch when it has changed since, unless `etag` is empty."""
        ...

    async def find_backfill(
        self, *, workspace: str, user: str, name: str, start: datetime, end: datetime
    ) -> BackfillView:
        """Returns which slots from `start`, before `end`, can be run; runs none.

        Raises InvalidRequest when they are too many, and StateConflict unless it is active.
        """
        ...

    async def backfill(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        slots: Sequence[str],
        etag: str,
        request_id: UUID,
    ) -> SavedAutomation:
        """Runs the named slots, all or none. Raises EtagMismatch when it has changed since."""
        ...

    async def list_revisions(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RevisionView]:
        """Returns the newest revisions of an automation, the newest first."""
        ...

    async def get_revision(
        self, *, workspace: str, user: str, name: str, revision: int
    ) -> RevisionView: ...

    async def validate_roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str
    ) -> SavedAutomation:
        """Returns what `roll_back` would make, checked for whom its runs would act for.

        Raises InvalidRequest with field paths, and EtagMismatch when it has changed since.
        """
        ...

    async def roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str, request_id: UUID
    ) -> SavedAutomation:
        """Raises EtagMismatch when it has changed since."""
        ...

    async def delete(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> None:
        """Raises EtagMismatch when it has changed since."""
        ...


REFERENCE: Final = "sha256:"
