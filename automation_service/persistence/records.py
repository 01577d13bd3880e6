"""Rows as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome, TriggerType
from shared.resources import AUTOMATION, RUN, SLOT, TRIGGER
from shared.security.caller import ApprovalClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSkip:
    """A slot that somebody skipped. `local_time` has minutes, `user` is an id."""

    slot_time: datetime
    fire_time: datetime
    local_time: str
    user: str
    note: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`is_stored`: it is not what a dry run would make."""

    id: UUID
    trigger_id: str
    type: TriggerType
    enabled: bool
    decided_until: datetime
    next_fire_time: datetime | None
    tzdata_version: str
    last_fire_time: datetime | None = None
    last_fired_at: datetime | None = None
    fires: int = 0
    disabled_reason: str = ""
    disabled_time: datetime | None = None
    skips: tuple[SlotSkip, ...] = ()  # the earliest first; those of decided slots may be among them
    create_time: datetime
    is_stored: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """`name` is the display name, `resource` the resource name."""

    id: UUID
    workspace: str
    resource_id: str
    creator: str | None
    name: str
    description: str
    status: AutomationStatus
    definition: dict[str, Any]
    revision: int
    version: int
    pause_note: str = ""
    resume_time: datetime | None = None  # of a paused one
    last_run_status: RunStatus | None = None
    consecutive_failures: int = 0
    create_time: datetime
    update_time: datetime
    triggers: tuple[Trigger, ...] = ()
    notes: tuple[str, ...] = ()  # derived, of the methods that read

    @property
    def resource(self) -> str:
        return AUTOMATION.format(workspace=self.workspace, automation=self.resource_id)

    def trigger_name(self, trigger_id: str) -> str:
        return TRIGGER.format(
            workspace=self.workspace, automation=self.resource_id, trigger=trigger_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """`decision` is that on the approval that it came of."""

    revision: int
    definition: dict[str, Any]
    author: str | None
    create_time: datetime
    decision: ApprovalClaim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBackfill:
    """The last backfill of a slot. `run` and `status` are None when the run is no longer kept."""

    run: UUID | None
    status: RunStatus | None
    requester: str | None
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    id: UUID
    workspace: str
    automation: str
    trigger_id: str
    slot_time: datetime
    fire_time: datetime
    local_time: str
    outcome: SlotOutcome
    reason: str
    run: UUID | None
    decide_time: datetime
    backfill: SlotBackfill | None = None

    @property
    def resource(self) -> str:
        return SLOT.format(workspace=self.workspace, automation=self.automation, slot=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSession:
    """The agent's session of one try of a step."""

    session: str
    step_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The trigger of `trigger_id` may be deleted. Lists omit the large fields."""

    id: UUID
    workspace: str
    automation: str
    trigger_id: str
    slot_time: datetime
    status: RunStatus
    attempt: int
    revision: int
    backfill: bool
    create_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    trigger_payload: dict[str, Any]
    error: dict[str, Any] | None
    usage: dict[str, Any]
    automation_name: str = ""  # the display name that the automation has now
    output_snippet: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    definition_snapshot: dict[str, Any] | None = None
    step_results: list[dict[str, Any]] = field(default_factory=list)
    output: Any = None
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    sessions: tuple[RunSession, ...] = ()
    failed_deliveries: int = 0
    retrying_deliveries: int = 0

    @property
    def resource(self) -> str:
        return RUN.format(workspace=self.workspace, automation=self.automation, run=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    sequence: int
    create_time: datetime
    event: dict[str, Any]
