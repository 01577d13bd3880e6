"""Approvals and Automations in memory, with the promises of their ports."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chat_service.agent.ports import (
    ApprovalDraft,
    SavedAutomation,
    SchedulePreview,
    Slot,
    StoredApproval,
)
from shared import errors, schedule_words
from shared.definition import AutomationCreate, dump
from shared.registries import check, current_catalogue
from shared.registries.triggers import ScheduleTriggerConfig
from shared.schedule import next_slots


@dataclass
class MemoryApprovals:
    """`decide` is what a person does."""

    user: str = "lovelace"
    drafts: dict[UUID, ApprovalDraft] = field(default_factory=dict)
    _stored: dict[UUID, StoredApproval] = field(default_factory=dict)
    _keys: dict[tuple[UUID, str], UUID] = field(default_factory=dict)

    async def find(self, turn: UUID, key: str) -> StoredApproval | None:
        found = self._keys.get((turn, key))
        return None if found is None else self._stored[found]

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        if (turn, draft.key) not in self._keys:
            stored = StoredApproval(
                id=uuid4(), state="pending", payload=draft.payload, requested_by=self.user
            )
            self._keys[turn, draft.key] = stored.id
            self._stored[stored.id] = stored
            self.drafts[stored.id] = draft
        return self._stored[self._keys[turn, draft.key]]

    async def get(self, approval: UUID) -> StoredApproval | None:
        return self._stored.get(approval)

    async def set_resource(self, approval: UUID, resource: str) -> None:
        self._stored[approval] = replace(self._stored[approval], resource=resource)

    def decide(
        self,
        approval: UUID,
        state: Any,
        *,
        payload: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        before = self._stored[approval]
        self._stored[approval] = replace(
            before, state=state, payload=payload or before.payload, reason=reason
        )

    def stored(self, approval: UUID) -> StoredApproval:
        return self._stored[approval]


@dataclass
class MemoryAutomations:
    """Saves an automation once for each request id. `failures` are raised first, one a call."""

    now: datetime
    saved: dict[UUID, SavedAutomation] = field(default_factory=dict)
    creates: int = 0
    previews: int = 0
    failures: list[errors.RotaError] = field(default_factory=list)

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        return self._automation(workspace, "-", payload)

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        self.creates += 1
        if self.failures:
            raise self.failures.pop(0)
        if request_id not in self.saved:
            self.saved[request_id] = self._automation(workspace, f"a{len(self.saved)}", payload)
        return self.saved[request_id]

    async def preview(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> SchedulePreview:
        self.previews += 1
        schedule = ScheduleTriggerConfig.model_validate(config)
        slots = [
            Slot(
                fire_time=slot.fire_time,
                local_time=slot.local_time,
                utc_offset=_offset(slot.utc_offset),
                dst_note=slot.dst_note,
                skipped=slot.skipped,
            )
            for slot in next_slots(schedule, self.now, count)
        ]
        return SchedulePreview(
            slots=tuple(slots),
            summary=schedule_words.describe(schedule),
            notes=tuple(schedule_words.notes(schedule)),
        )

    def _automation(
        self, workspace: str, automation: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        if found := check(payload, current_catalogue()):
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(
                        field=f"automation.{v.field}", description=v.message, reason=v.reason
                    )
                    for v in found
                ]
            )
        canonical = dump(AutomationCreate.model_validate(payload))
        config = ScheduleTriggerConfig.model_validate(
            canonical["definition"]["triggers"][0]["config"]
        )
        return SavedAutomation(
            name=f"workspaces/{workspace}/automations/{automation}",
            payload=canonical,
            next_fires=tuple(
                slot.fire_time.isoformat() for slot in next_slots(config, self.now, 3)
            ),
        )


def _offset(text: str) -> timedelta:
    hours, minutes = text[1:].split(":")
    size = timedelta(hours=int(hours), minutes=int(minutes))
    return -size if text[0] == "-" else size
