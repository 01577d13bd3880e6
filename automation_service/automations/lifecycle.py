"""The methods that change an automation: edit, pause, resume, archive, roll back, delete."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service import definitions
from automation_service.automations.destination_references import (
    list_destination_names,
    require_checked_destinations,
)
from automation_service.automations.model_references import list_model_names, require_checked
from automation_service.automations.save_checks import CheckResults, SaveChecks
from automation_service.automations.service import parse_create, require_etag
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as rows
from automation_service.persistence import triggers as trigger_rows
from automation_service.persistence.records import Automation, Revision, SlotSkip, Trigger
from automation_service.queue import RunQueue
from automation_service.scheduling import slot_skips, triggers, waiting_runs
from automation_service.scheduling.dispatcher import DispatchResult, log_decisions
from automation_service.scheduling.scheduler import Scheduler
from shared import errors, resources
from shared.clock import Clock, rfc3339, shift
from shared.definition.envelope import AutomationDefinition, TriggerSpec, dump
from shared.definition.states import AutomationStatus
from shared.registries.catalogue import Catalogue
from shared.rpc.idempotency import IdempotencyKey
from shared.security import caller
from shared.validation import never_fires

# The automation as it was → the new one, as JSON of AutomationCreate.
Edit = Callable[[Automation], dict[str, Any]]
# Raises for an edited automation that the caller does not want saved.
Confirm = Callable[[Automation], None]
# The skips of a trigger as they become.
Skip = Callable[[Automation, datetime], tuple[Trigger, Sequence[SlotSkip]]]
# How far from now a pause may end: ten years.
LONGEST_PAUSE: Final = timedelta(days=3653)
# Changes a locked automation, and adds the slots that it decided.
Change = Callable[[AsyncConnection, Automation, list[DispatchResult]], Awaitable[Automation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationLifecycle:
    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    catalogue: Callable[[], Catalogue]
    save_checks: SaveChecks
    scheduler: Scheduler
    queue: RunQueue

    async def pause(
        self,
        key: IdempotencyKey,
        name: str,
        *,
        note: str,
        resume_time: datetime | None,
        etag: str,
    ) -> Automation:
        """Pauses an automation, or replaces the note and the resume_time of its pause.

        Raises InvalidRequest for a resume_time that is past, or later than LONGEST_PAUSE from now.
        """
        values = {
            "status": AutomationStatus.PAUSED,
            "pause_note": note,
            "resume_time": resume_time,
        }
        allowed = {AutomationStatus.ACTIVE, AutomationStatus.PAUSED}
        return await self._change_status(key, name, etag, allowed, values)

    async def resume(self, key: IdempotencyKey, name: str, *, etag: str) -> Automation:
        values = {"status": AutomationStatus.ACTIVE, "pause_note": "", "resume_time": None}
        return await self._change_status(key, name, etag, {AutomationStatus.PAUSED}, values)

    async def archive(self, key: IdempotencyKey, name: str, *, etag: str) -> Automation:
        values = {"status": AutomationStatus.ARCHIVED, "pause_note": "", "resume_time": None}
        allowed = {AutomationStatus.ACTIVE, AutomationStatus.PAUSED}
        return await self._change_status(key, name, etag, allowed, values)

    async def skip_next_slot(
        self,
        key: IdempotencyKey,
        name: str,
        *,
        trigger: str,
        slot_time: datetime | None,
        note: str,
        etag: str,
    ) -> Automation:
        """Skips the next slot of an automation, or of one trigger when `trigger` names it.

        With `slot_time` no other slot is skipped. Raises as slot_skips.add_next_slot does, and
        StateConflict for an automation that is archived, or paused without a resume_time.
        """
        trigger_id = _read_trigger_id(name, trigger) if trigger else None

        def skip(found: Automation, now: datetime) -> tuple[Trigger, Sequence[SlotSkip]]:
            if found.status is AutomationStatus.PAUSED and found.resume_time is None:
                raise errors.StateConflict(found.resource, found.status.name)
            return slot_skips.add_next_slot(
                found, now, trigger_id=trigger_id, slot_time=slot_time, user=key.user, note=note
            )

        return await self._change_skips(key, name, etag, skip)

    async def unskip_slot(
        self, key: IdempotencyKey, name: str, *, trigger: str, slot_time: datetime, etag: str
    ) -> Automation:
        """Takes a skip back, before the fire_time of its slot.

        Raises as slot_skips.remove_slot does, and StateConflict for an archived automation.
        """
        trigger_id = _read_trigger_id(name, trigger)

        def unskip(found: Automation, now: datetime) -> tuple[Trigger, Sequence[SlotSkip]]:
            return slot_skips.remove_slot(found, now, trigger_id=trigger_id, slot_time=slot_time)

        return await self._change_skips(key, name, etag, unskip)

    async def edit(
        self,
        key: IdempotencyKey,
        name: str,
        edit: Edit,
        *,
        etag: str,
        confirm: Confirm | None = None,
        field: str = "automation",
    ) -> Automation:
        """Saves an edited automation. A changed definition is a new revision.

        An edit that changes nothing saves nothing. `confirm` may refuse what would be saved.
        """

        async def save(outside: CheckResults) -> Automation:
            change = self._edit_change(key, edit, etag, confirm, field, outside)
            return await self._once(key, name, change)

        return await self.save_checks.check_in(key.workspace, key.user, save)

    async def validate_edit(
        self,
        key: IdempotencyKey,
        name: str,
        edit: Edit,
        *,
        etag: str,
        confirm: Confirm | None = None,
        field: str = "automation",
    ) -> Automation:
        """Returns what `edit` would save, with the present version and times. Saves nothing."""

        async def save(outside: CheckResults) -> Automation:
            change = self._edit_change(key, edit, etag, confirm, field, outside)
            return await self._try(name, change)

        return await self.save_checks.check_in(key.workspace, key.user, save)

    async def roll_back(
        self, key: IdempotencyKey, name: str, *, revision: int, etag: str
    ) -> Automation:
        async def save(outside: CheckResults) -> Automation:
            return await self._once(key, name, self._rollback_change(key, revision, etag, outside))

        return await self.save_checks.check_in(key.workspace, key.user, save)

    async def validate_roll_back(
        self, key: IdempotencyKey, name: str, *, revision: int, etag: str
    ) -> Automation:
        """Returns what `roll_back` would save, checked for the author that it would have.

        It has the present version and times. Saves nothing.
        """

        async def save(outside: CheckResults) -> Automation:
            return await self._try(name, self._rollback_change(key, revision, etag, outside))

        return await self.save_checks.check_in(key.workspace, key.user, save)

    async def delete(self, key: IdempotencyKey, name: str, *, etag: str) -> None:
        """Deletes an automation with its slots and runs. Its runs stop within seconds."""

        async def delete(connection: AsyncConnection) -> str:
            parts = resources.AUTOMATION.parse(name)
            found = await rows.lock(connection, parts["workspace"], parts["automation"])
            require_etag(found, etag)
            await rows.delete(connection, found.id)
            return found.resource

        await self.changes.make(key, delete)

    async def _once(
        self,
        key: IdempotencyKey,
        name: str,
        change: Change,
    ) -> Automation:
        decided: list[DispatchResult] = []

        async def locked(connection: AsyncConnection) -> Automation:
            return await change(connection, await self._lock(connection, name, decided), decided)

        changed = await self.changes.change(key, locked)
        for result in decided:
            log_decisions(result)
        self.scheduler.wake()
        return changed

    async def _try(self, name: str, change: Change) -> Automation:
        """Returns what a change would make, and takes it back."""
        async with self.db.connect() as connection:
            trial = await connection.begin()
            try:
                found = await self._lock(connection, name, [])
                return _as_trial(await change(connection, found, []), found)
            finally:
                await trial.rollback()

    async def _lock(
        self, connection: AsyncConnection, name: str, decided: list[DispatchResult]
    ) -> Automation:
        """Locks an automation, and resumes it first when its resume_time has come."""
        parts = resources.AUTOMATION.parse(name)
        found = await rows.lock(connection, parts["workspace"], parts["automation"])
        resumed = await self.scheduler.resume_if_due(connection, found, self.clock.now())
        if resumed is None:
            return found
        decided.append(resumed)
        return await _read(connection, found)

    async def _change_status(
        self,
        key: IdempotencyKey,
        name: str,
        etag: str,
        allowed: set[AutomationStatus],
        values: Mapping[str, Any],
    ) -> Automation:
        async def change(
            connection: AsyncConnection, found: Automation, decided: list[DispatchResult]
        ) -> Automation:
            require_etag(found, etag)
            if found.status not in allowed:
                raise errors.StateConflict(found.resource, found.status.name)
            now = self.clock.now()
            _require_ahead(values["resume_time"], now)
            # Slots that came before the change are decided under the old state.
            decided.append(await self.scheduler.decide_due(connection, found, now))
            await rows.update(connection, found, values, now)
            if values["status"] is AutomationStatus.ACTIVE:
                await waiting_runs.start_all(
                    connection, self.queue, found.id, resume_time=now, now=now
                )
            elif values["status"] is AutomationStatus.ARCHIVED:
                await trigger_rows.end_all(connection, found.id)
                await waiting_runs.cancel_all(connection, found.id, now)
            return await _read(connection, found)

        return await self._once(key, name, change)

    async def _change_skips(
        self, key: IdempotencyKey, name: str, etag: str, skip: Skip
    ) -> Automation:
        async def change(
            connection: AsyncConnection, found: Automation, decided: list[DispatchResult]
        ) -> Automation:
            require_etag(found, etag)
            if found.status is AutomationStatus.ARCHIVED:
                raise errors.StateConflict(found.resource, found.status.name)
            now = self.clock.now()
            trigger, skips = skip(found, now)
            if found.status is AutomationStatus.PAUSED:  # as _find_moved says
                decided.append(await self.scheduler.decide_due(connection, found, now))
            await trigger_rows.store_skips(connection, trigger.id, skips)
            await rows.update(connection, found, {}, now)
            return await _read(connection, found)

        return await self._once(key, name, change)

    def _edit_change(
        self,
        key: IdempotencyKey,
        edit: Edit,
        etag: str,
        confirm: Confirm | None,
        field: str,
        outside: CheckResults,
    ) -> Change:
        async def change(
            connection: AsyncConnection, found: Automation, decided: list[DispatchResult]
        ) -> Automation:
            require_etag(found, etag)
            saved = await self._save(connection, key, found, edit(found), field, decided, outside)
            if confirm is not None:
                confirm(saved)
            return saved

        return change

    def _rollback_change(
        self, key: IdempotencyKey, revision: int, etag: str, outside: CheckResults
    ) -> Change:
        async def change(
            connection: AsyncConnection, found: Automation, decided: list[DispatchResult]
        ) -> Automation:
            require_etag(found, etag)
            before = await rows.find_revision(connection, found.id, revision)
            if before is None:
                raise errors.ResourceNotFound(f"{found.resource}/revisions/{revision}")
            said = {"description": found.description, "definition": before.definition}
            return await self._save(
                connection, key, found, said, "automation", decided, outside, restored=before
            )

        return change

    async def _save(
        self,
        connection: AsyncConnection,
        key: IdempotencyKey,
        found: Automation,
        said: Mapping[str, Any],
        field: str,
        decided: list[DispatchResult],
        outside: CheckResults,
        *,
        restored: Revision | None = None,
    ) -> Automation:
        if found.status is AutomationStatus.ARCHIVED:
            raise errors.StateConflict(found.resource, found.status.name)
        checked = parse_create(said, self.catalogue(), outside, field=field)
        now = self.clock.now()
        moved = _find_moved(found, checked.definition)
        if moved:
            decided.append(await self.scheduler.decide_due(connection, found, now, only=moved))
            found = await _read(connection, found)
        rescheduled = _find_rescheduled(found, checked.definition)
        never_fires.require(checked.definition, now, rescheduled, field=field)
        values: dict[str, Any] = {"name": checked.display_name, "description": checked.description}
        definition = dump(checked.definition)
        fresh = definition != found.definition
        named = (checked.display_name, checked.description) == (found.name, found.description)
        if named and not fresh and not rescheduled:
            return found
        author = key.user
        if fresh:
            author = await _find_author(connection, key, found, checked.definition, restored)
            if author == key.user:
                require_checked(checked.definition, outside.models, field=field)
            # An edit that only removes another author's deliveries is not checked: the destination
            # or the author may be gone.
            if author == key.user or restored is not None:
                require_checked_destinations(
                    checked.definition, author, outside.destinations, field=field
                )
            values |= {"definition": definition, "revision": found.revision + 1}
        await rows.update(connection, found, values, now)
        await self._sync_triggers(connection, found, checked.definition, rescheduled, now)
        saved = await _read(connection, found)
        if fresh:
            decision = caller.current().approval
            await rows.add_revision(connection, saved, author=author, decision=decision, now=now)
        return saved

    async def _sync_triggers(
        self,
        connection: AsyncConnection,
        found: Automation,
        new: AutomationDefinition,
        rescheduled: Mapping[str, int],
        now: datetime,
    ) -> None:
        held = {trigger.trigger_id: trigger for trigger in found.triggers}
        kept: set[str] = set()
        added: list[TriggerSpec] = []
        for spec in new.triggers:
            row = held.get(spec.trigger_id)
            if row is None or row.type != spec.type:
                added.append(spec)
                continue
            kept.add(spec.trigger_id)
            if spec.trigger_id in rescheduled:
                values = triggers.build_schedule_update(row, spec, now)
                await trigger_rows.update(connection, row.id, values)
        gone = [row.id for trigger_id, row in held.items() if trigger_id not in kept]
        await trigger_rows.delete(connection, gone)
        await trigger_rows.add(
            connection, found.id, [triggers.build_trigger(spec, now) for spec in added]
        )


def _require_ahead(resume_time: datetime | None, now: datetime) -> None:
    if resume_time is None:
        return
    if resume_time <= now:
        raise errors.invalid("resume_time", f"is past (it is {rfc3339(now)})")
    if resume_time > shift(now, LONGEST_PAUSE):
        raise errors.invalid("resume_time", f"is more than {LONGEST_PAUSE.days} days from now")


def _read_trigger_id(name: str, trigger: str) -> str:
    """Returns the id of a trigger of the automation. Raises InvalidRequest for another's."""
    parts = resources.TRIGGER.parse(trigger)
    trigger_id = parts.pop("trigger")
    if resources.AUTOMATION.format(**parts) != name:
        raise errors.invalid("trigger", f"is no trigger of {name}")
    return trigger_id


async def _read(connection: AsyncConnection, found: Automation) -> Automation:
    again = await rows.find_by_id(connection, found.id)
    if again is None:
        raise errors.ResourceNotFound(found.resource)
    return again


async def _find_author(
    connection: AsyncConnection,
    key: IdempotencyKey,
    found: Automation,
    new: AutomationDefinition,
    restored: Revision | None,
) -> str:
    """Finds for whom the runs of a new revision act: who saves it, as a rule.

    The author stays when the definition names models and destinations that it named before, and its
    runs do nothing that the author has not written: nobody else may name these models, and personal
    ones of these destinations.
    """
    if not (named := _list_own(new)):
        return key.user
    present = await rows.find_revision(connection, found.id, found.revision)
    if present is None or present.author is None:
        return key.user
    try:
        was = AutomationDefinition.model_validate(present.definition)
    except ValueError:
        return key.user
    if not named <= _list_own(was):
        return key.user
    if restored is not None:
        return present.author if restored.author == present.author else key.user
    return present.author if _does_no_more(was, new) else key.user


def _list_own(definition: AutomationDefinition) -> frozenset[str]:
    """Lists what a definition names that may be its author's alone."""
    return list_model_names(definition) | list_destination_names(definition)


def _does_no_more(was: AutomationDefinition, new: AutomationDefinition) -> bool:
    """Tells whether runs of `new` do what runs of `was` do, at no other times.

    A trigger may be switched or gone, and a name, a goal and metadata may be others.
    """

    def work(definition: AutomationDefinition) -> Any:
        return definition.inputs, definition.plan, definition.execution

    def triggers_of(definition: AutomationDefinition) -> list[TriggerSpec]:
        return [spec.model_copy(update={"enabled": True}) for spec in definition.triggers]

    held = triggers_of(was)
    return work(was) == work(new) and all(spec in held for spec in triggers_of(new))


def _specs(found: Automation) -> list[dict[str, Any]]:
    specs = found.definition.get("triggers", [])
    return [spec for spec in specs if isinstance(spec, dict) and "trigger_id" in spec]


def _find_moved(found: Automation, new: AutomationDefinition) -> Collection[str]:
    """Finds the triggers whose slots are decided before this is saved.

    They are those whose schedule begins now or ends. While the automation is paused they are all:
    its slots have no runs, and those before this are told from those before the pause by the time
    of the last change.
    """
    held = {trigger.trigger_id for trigger in found.triggers}
    if found.status is AutomationStatus.PAUSED:
        return held
    kept = {spec.trigger_id for spec in new.triggers}
    return (held & _find_rescheduled(found, new).keys()) | (held - kept)


def _find_rescheduled(found: Automation, new: AutomationDefinition) -> dict[str, int]:
    """Finds the triggers whose schedule begins now, and how often each has fired."""
    before = {spec["trigger_id"]: spec for spec in _specs(found)}
    held = {trigger.trigger_id: trigger for trigger in found.triggers}
    rescheduled: dict[str, int] = {}
    for spec in new.triggers:
        row, was = held.get(spec.trigger_id), before.get(spec.trigger_id, {})
        if row is None or row.type != spec.type:
            rescheduled[spec.trigger_id] = 0
            continue
        if row.disabled_reason or was.get("enabled") != spec.enabled or _moves_slots(was, spec):
            rescheduled[spec.trigger_id] = row.fires
    return rescheduled


def _moves_slots(was: Mapping[str, Any], spec: TriggerSpec) -> bool:
    """Tells whether a trigger has other fire times than before."""
    if was.get("config") == spec.config:
        return False
    try:
        before = definitions.parse_schedule(was["config"])
    except (ValueError, KeyError, TypeError):
        return True
    # How late a slot may still fire is asked when it does.
    same: dict[str, Any] = {"catchup_window_seconds": 0}
    after = definitions.parse_schedule(spec.config)
    return before.model_copy(update=same) != after.model_copy(update=same)


def _as_trial(edited: Automation, stored: Automation) -> Automation:
    """An edited automation that is not saved: what would be made has no name yet."""
    held = {trigger.id for trigger in stored.triggers}
    return replace(
        edited,
        version=stored.version,
        update_time=stored.update_time,
        triggers=tuple(replace(one, is_stored=one.id in held) for one in edited.triggers),
    )
