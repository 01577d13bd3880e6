"""Approvals and Automations in memory, with the promises of their ports."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from chat_service.runtime.ports import (
    ApprovalDraft,
    AutomationView,
    BackfillView,
    DestinationView,
    ExplanationView,
    LedgerSlotView,
    PreviewView,
    RevisionView,
    RunView,
    SavedAutomation,
    SkippedSlotView,
    SlotView,
    StoredApproval,
    TriggerView,
)
from chat_service.runtime.result_ports import (
    InboxItemView,
    InboxView,
    ResultRunView,
    SentResult,
)
from shared import errors
from shared.definition.envelope import AutomationCreate, dump
from shared.registries.catalogue import current_catalogue
from shared.schedule import description
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.notes import find_notes
from shared.schedule.slots import next_slots
from shared.validation import never_fires
from shared.validation.check import check


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
                id=uuid4(),
                state="pending",
                payload=draft.payload,
                requested_by=self.user,
                payload_schema=draft.payload_schema,
                context=draft.context,
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
            before,
            state=state,
            payload=payload or before.payload,
            proposed=before.payload if payload else None,
            reason=reason,
        )

    def stored(self, approval: UUID) -> StoredApproval:
        return self._stored[approval]


@dataclass
class MemoryActs:
    begun: set[tuple[UUID, str]] = field(default_factory=set)

    async def claim(self, turn: UUID, key: str) -> bool:
        first = (turn, key) not in self.begun
        self.begun.add((turn, key))
        return first


@dataclass(kw_only=True)
class Held:
    """An automation; `version` grows with every change of it, `revision` with its definition."""

    payload: Mapping[str, Any]
    state: Literal["active", "paused", "archived"] = "active"
    version: int = 1
    revision: int = 1
    note: str = ""
    last_run: str = ""
    resume_time: datetime | None = None
    skips: list[tuple[str, datetime]] = field(default_factory=list)


@dataclass
class MemoryResults:
    """What reached one person. A filter of a thread or a state is followed; others are kept."""

    items: list[InboxItemView] = field(default_factory=list)  # newest first
    runs: list[ResultRunView] = field(default_factory=list)  # newest first
    deliveries: list[SentResult] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)

    async def list_inbox(
        self, *, workspace: str, user: str, matching: str, limit: int
    ) -> InboxView:
        self.filters.append(matching)
        found = [one for one in self.items if _matches(one, matching)]
        unread = sum(one.unread for one in self.items)
        return InboxView(items=found[:limit], more=len(found) > limit, unread=unread)

    async def get_inbox_item(self, *, workspace: str, user: str, name: str) -> InboxItemView:
        return _named(self.items, name)

    async def list_runs(
        self, *, workspace: str, user: str, parent: str, matching: str, limit: int
    ) -> tuple[Sequence[ResultRunView], bool]:
        self.filters.append(matching)
        found = [one for one in self.runs if parent in (one.automation, _ALL.format(workspace))]
        return found[:limit], len(found) > limit

    async def get_run(self, *, workspace: str, user: str, name: str) -> ResultRunView:
        return _named(self.runs, name)

    async def list_deliveries(
        self, *, workspace: str, user: str, run: str, limit: int
    ) -> Sequence[SentResult]:
        return [one for one in self.deliveries if one.name.startswith(f"{run}/")][:limit]


_ALL = "workspaces/{}/automations/-"
N = TypeVar("N", InboxItemView, ResultRunView)


def _matches(one: InboxItemView, matching: str) -> bool:
    if thread := re.search(r'thread = "(.+?)"', matching):
        return one.thread == thread[1]
    return one.unread or "state = UNREAD" not in matching


def _named(found: Sequence[N], name: str) -> N:
    for one in found:
        if one.name == name:
            return one
    raise errors.ResourceNotFound(name)


@dataclass
class MemoryAutomations:
    """Does each request once. `failures` are raised first, one a change; `ledger` is explained."""

    now: datetime
    saved: dict[UUID, SavedAutomation] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    ledger: dict[datetime, ExplanationView] = field(default_factory=dict)
    ran: dict[str, list[RunView]] = field(default_factory=dict)
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    creates: int = 0
    previews: int = 0
    failures: list[errors.RotaError] = field(default_factory=list)
    listed: int = 1_000  # a list has no more, whoever asks for more
    unrun: list[LedgerSlotView] = field(default_factory=list)  # slots that can be run
    left_out: dict[str, int] = field(default_factory=dict)
    backfilled: list[str] = field(default_factory=list)
    results: MemoryResults = field(default_factory=lambda: MemoryResults())
    deleted: dict[UUID, str] = field(default_factory=dict)
    revisions: dict[str, list[RevisionView]] = field(default_factory=dict)  # earlier ones
    destinations: list[DestinationView] = field(default_factory=list)

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        return self._shown(f"workspaces/{workspace}/automations/-", self._to_save(payload))

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        self.creates += 1

        def change() -> str:
            name = f"workspaces/{workspace}/automations/a{len(self.held)}"
            self.held[name] = Held(payload=self._to_save(payload))
            return name

        return self._once(request_id, change)

    async def preview_schedule(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> PreviewView:
        self.previews += 1
        schedule = ScheduleTriggerConfig.model_validate(config)
        slots = [
            SlotView(
                slot_time=slot.slot_time,
                fire_time=slot.fire_time,
                local_time=slot.local_time,
                utc_offset=_offset(slot.utc_offset),
                dst_note=slot.dst_note,
                is_dst_skipped=slot.skipped,
            )
            for slot in next_slots(schedule, self.now, count)
        ]
        return PreviewView(
            slots=tuple(slots),
            summary=description.describe(schedule),
            notes=tuple(find_notes(schedule)),
        )

    async def list(
        self, *, workspace: str, user: str, limit: int
    ) -> tuple[Sequence[AutomationView], bool]:
        found = [
            replace(self._known(name), payload={})
            for name, held in reversed(self.held.items())
            if held.state != "archived"
        ]
        limit = min(limit, self.listed)
        return found[:limit], len(found) > limit

    async def get(self, *, workspace: str, user: str, name: str) -> AutomationView:
        return self._known(name)

    async def list_runs(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RunView]:
        return self.ran.get(self._known(name).name, [])[:limit]

    async def list_destinations(self, *, workspace: str, user: str) -> Sequence[DestinationView]:
        return [one for one in self.destinations if not one.is_others]

    async def find_destinations(
        self, *, workspace: str, user: str, names: Sequence[str]
    ) -> Sequence[DestinationView]:
        return [one for one in self.destinations if one.name in names]

    async def explain_slot(
        self, *, workspace: str, user: str, trigger: str, moment: datetime
    ) -> ExplanationView:
        self.asked.append((trigger, moment))
        return self.ledger.get(moment) or ExplanationView(
            text="It is no slot of this schedule.",
            is_slot=False,
            nearest=(
                SlotView(
                    slot_time=moment,
                    fire_time=moment,
                    local_time="2026-11-22T09:00",
                    utc_offset=timedelta(0),
                ),
            ),
        )

    async def validate_update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        held = self._fresh(payload)
        kept = {"name": payload["name"], "etag": _etag(held)}
        shown = self._shown(payload["name"], self._to_save(payload, held.payload))
        return replace(shown, payload={**kept, **shown.payload})

    async def update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        def change() -> str:
            held = self._fresh(payload)
            new = self._to_save(payload, held.payload)
            self._keep_revision(payload["name"])
            held.revision += new["definition"] != held.payload["definition"]
            held.payload = new
            held.version += 1
            return str(payload["name"])

        return self._once(request_id, change)

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
        def change() -> str:
            if etag:
                self._fresh({"name": name, "etag": etag})
            if self._held(name).state == "paused":
                self._held(name).state = "active"
            self._turned(name, "active", "paused", note)
            self._held(name).resume_time = resume_time
            return name

        return self._once(request_id, change)

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
        name, _, trigger_id = trigger.partition("/triggers/")

        def change() -> str:
            [found] = [t for t in self._known(name).triggers if t.trigger_id == trigger_id]
            shown = found.next_slot
            if shown is None or shown.slot_time != slot_time:
                raise errors.SlotMismatch(trigger, asked=str(slot_time), slot_time=str(shown))
            self._held(name).skips.append((trigger_id, slot_time))
            self._held(name).note = note
            self._held(name).version += 1
            return name

        return self._once(request_id, change)

    async def unskip_slots(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        skipped: Sequence[tuple[str, datetime]],
        request_id: UUID,
    ) -> SavedAutomation:
        held, left_out = self._held(name), list[str]()

        def change() -> str:
            for trigger, slot_time in skipped:
                skip = (trigger.rpartition("/")[2], slot_time)
                if skip in held.skips and slot_time > self.now:
                    held.skips.remove(skip)
                else:
                    left_out.append(f"{slot_time} has come, or is not skipped any more")
            if len(left_out) == len(skipped):
                raise errors.SlotNotSkipped(name, slot_time=str(skipped[0][1]))
            held.version += 1
            return name

        return replace(self._once(request_id, change), left_out=tuple(left_out))

    async def resume(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> SavedAutomation:
        def change() -> str:
            if etag:
                self._fresh({"name": name, "etag": etag})
            return self._turned(name, "paused", "active", "")

        return self._once(request_id, change)

    async def find_backfill(
        self, *, workspace: str, user: str, name: str, start: datetime, end: datetime
    ) -> BackfillView:
        held = self._held(name)
        if held.state != "active":
            raise errors.StateConflict(name, held.state.upper())
        found = (one for one in self.unrun if start <= one.slot_time < end)
        return BackfillView(slots=tuple(found), left_out=self.left_out)

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
        def change() -> str:
            self._fresh({"name": name, "etag": etag})
            self.backfilled += slots
            return name

        return self._once(request_id, change)

    async def list_revisions(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RevisionView]:
        found = [*reversed(self.revisions.get(name, [])), self._revision(name)]
        return sorted(found, key=lambda one: -one.number)[:limit]

    async def get_revision(
        self, *, workspace: str, user: str, name: str, revision: int
    ) -> RevisionView:
        for one in [*self.revisions.get(name, []), self._revision(name)]:
            if one.number == revision:
                return one
        raise errors.ResourceNotFound(f"{name}/revisions/{revision}")

    async def validate_roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str
    ) -> SavedAutomation:
        held = self._fresh({"name": name, "etag": etag})
        before = await self.get_revision(
            workspace=workspace, user=user, name=name, revision=revision
        )
        new = {**held.payload, "definition": before.definition}
        return self._shown(name, self._to_save(new, held.payload), held.state)

    async def roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str, request_id: UUID
    ) -> SavedAutomation:
        async def get() -> RevisionView:
            return await self.get_revision(
                workspace=workspace, user=user, name=name, revision=revision
            )

        before = None if request_id in self.saved else await get()

        def change() -> str:
            held = self._fresh({"name": name, "etag": etag})
            self._keep_revision(name)
            assert before is not None
            held.payload = {**held.payload, "definition": before.definition}
            held.revision, held.version = held.revision + 1, held.version + 1
            return name

        return self._once(request_id, change)

    async def delete(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if request_id not in self.deleted:
            self._fresh({"name": name, "etag": etag})
            del self.held[name]
            self.deleted[request_id] = name

    def _revision(self, name: str) -> RevisionView:
        held = self._held(name)
        return RevisionView(
            number=held.revision,
            create_time=self.now,
            author="lovelace",
            definition=held.payload["definition"],
        )

    def _keep_revision(self, name: str) -> None:
        self.revisions.setdefault(name, []).append(self._revision(name))

    def _to_save(
        self, payload: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Its canonical form; a trigger that is new or changed has a fire left."""
        new = _canonical(payload)
        definition = AutomationCreate.model_validate(new).definition
        kept = before["definition"]["triggers"] if before else []
        changed = {
            t["trigger_id"]: 0 for t in new["definition"].get("triggers", ()) if t not in kept
        }
        never_fires.require(definition, self.now, changed, field="automation")
        return new

    def _once(self, request_id: UUID, change: Callable[[], str]) -> SavedAutomation:
        if self.failures:
            raise self.failures.pop(0)
        if request_id not in self.saved:
            name = change()
            held = self.held[name]
            self.saved[request_id] = self._shown(name, held.payload, held.state)
        return self.saved[request_id]

    def _turned(self, name: str, before: str, after: Literal["active", "paused"], note: str) -> str:
        held = self._held(name)
        if held.state != before:
            raise errors.StateConflict(name, held.state.upper())
        held.state, held.note, held.version = after, note, held.version + 1
        held.resume_time = None
        return name

    def _held(self, name: str) -> Held:
        if name not in self.held:
            raise errors.ResourceNotFound(name)
        return self.held[name]

    def _fresh(self, payload: Mapping[str, Any]) -> Held:
        held = self._held(payload["name"])
        if payload["etag"] != _etag(held):
            raise errors.EtagMismatch(payload["name"], _etag(held))
        return held

    def _known(self, name: str) -> AutomationView:
        held = self._held(name)
        return AutomationView(
            name=name,
            display_name=held.payload["display_name"],
            state=held.state,
            etag=_etag(held),
            revision=held.revision,
            last_run=held.last_run,
            resume_time=held.resume_time,
            triggers=tuple(
                TriggerView(
                    trigger_id=one["trigger_id"],
                    type=one["type"],
                    config=one["config"],
                    enabled=one["enabled"],
                    next_fire=next(iter(self._fires(one["config"])), None),
                    next_slot=self._next_slot(held, one),
                    skipped=tuple(
                        SkippedSlotView(
                            slot_time=when,
                            fire_time=when,
                            local_time=_local_time(when, one["config"]),
                        )
                        for trigger_id, when in held.skips
                        if trigger_id == one["trigger_id"]
                    ),
                )
                for one in held.payload["definition"]["triggers"]
            ),
            payload=held.payload,
        )

    def _shown(
        self, name: str, payload: Mapping[str, Any], state: str = "active"
    ) -> SavedAutomation:
        triggers = payload["definition"].get("triggers", ())
        fires = self._fires(triggers[0]["config"]) if triggers and state == "active" else ()
        return SavedAutomation(
            name=name, payload=payload, next_fires=tuple(fire.isoformat() for fire in fires)
        )

    def _next_slot(self, held: Held, trigger: Mapping[str, Any]) -> SlotView | None:
        schedule = ScheduleTriggerConfig.model_validate(trigger["config"])
        for slot in next_slots(schedule, max(self.now, held.resume_time or self.now), 20):
            if (trigger["trigger_id"], slot.slot_time) not in held.skips:
                return SlotView(
                    slot_time=slot.slot_time,
                    fire_time=slot.fire_time,
                    local_time=slot.local_time,
                    utc_offset=_offset(slot.utc_offset),
                )
        return None

    def _fires(self, config: Mapping[str, Any]) -> tuple[datetime, ...]:
        schedule = ScheduleTriggerConfig.model_validate(config)
        return tuple(slot.fire_time for slot in next_slots(schedule, self.now, 3))


def _canonical(payload: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in payload.items() if key not in ("name", "etag")}
    if found := check(said, current_catalogue()):
        raise errors.InvalidRequest(
            [
                errors.FieldViolation(
                    field=f"automation.{v.field}", description=v.message, reason=v.reason
                )
                for v in found
            ]
        )
    return dump(AutomationCreate.model_validate(said))


def _local_time(moment: datetime, config: Mapping[str, Any]) -> str:
    return f"{moment.astimezone(ZoneInfo(config['timezone'])):%Y-%m-%dT%H:%M}"


def _etag(held: Held) -> str:
    return f"etag-{held.version}"


def _offset(text: str) -> timedelta:
    hours, minutes = text[1:].split(":")
    size = timedelta(hours=int(hours), minutes=int(minutes))
    return -size if text[0] == "-" else size
