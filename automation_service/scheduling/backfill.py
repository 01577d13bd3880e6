"""Backfills: slots without a run that a person has run afterwards."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service import definitions
from automation_service.definitions import ParsedDefinition
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as automation_rows
from automation_service.persistence import backfills as rows
from automation_service.persistence import run_endings
from automation_service.persistence.backfills import BackfillRow, Candidate, Obstacle, SlotRange
from automation_service.persistence.records import Automation, Slot
from automation_service.queue import RunQueue
from shared import errors, resources
from shared.aip import check_etag, compute_etag
from shared.clock import Clock, rfc3339
from shared.definition.states import AutomationStatus
from shared.json import compact_json
from shared.rpc.idempotency import IdempotencyKey
from shared.telemetry import logs
from shared.validation.inputs import describe_fault

# The most slots of a call, and the most backfills of an automation that wait.
MAX_SLOTS: Final = 100
MAX_WAITING: Final = 100

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillCall:
    """What to run: slots by name, or those of a range.

    With `always` the runs go beside each other, else one after another.
    """

    automation: str
    names: Sequence[str] = ()
    within: SlotRange | None = None
    always: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillAnswer:
    """The slots that are run, and how many of a range are not."""

    slots: Sequence[Slot]
    left_out: Mapping[Obstacle, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    chosen: Sequence[Candidate]
    rows: Sequence[BackfillRow]
    left_out: Mapping[Obstacle, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfills:
    db: AsyncEngine
    queue: RunQueue
    clock: Clock
    changes: IdempotentChanges

    async def make(self, key: IdempotencyKey, call: BackfillCall) -> BackfillAnswer:
        """Makes the runs. A repeat answers with the slots whose last backfill the call made.

        Raises InvalidRequest with the path of each named slot that can't be run, StateConflict
        unless the automation is active, and ResourceNotFound for a slot that is not kept.
        """
        call_id = _call_id(key)
        left_out: dict[Obstacle, int] = {}

        async def change(connection: AsyncConnection) -> Automation:
            parts = resources.AUTOMATION.parse(call.automation)
            owner = await automation_rows.lock(connection, parts["workspace"], parts["automation"])
            choice = await self._choose(connection, owner, call)
            left_out.update(choice.left_out)
            if choice.rows:
                await rows.add(
                    connection,
                    owner.id,
                    choice.rows,
                    exclusive=not call.always,
                    call=call_id,
                    requester=key.user,
                    now=self.clock.now(),
                )
                await self._wake(connection, owner, choice, call)
            return owner

        owner = await self.changes.change(key, change)
        async with self.db.connect() as connection:
            slots = await rows.list_of_call(connection, owner.id, call_id)
        log.info("slots_backfilled", automation=owner.resource, slots=len(slots))
        return BackfillAnswer(slots=slots, left_out=left_out)

    async def validate(self, call: BackfillCall) -> BackfillAnswer:
        """Returns the slots that `make` would run, and makes nothing."""
        parts = resources.AUTOMATION.parse(call.automation)
        async with self.db.connect() as connection:
            owner = await automation_rows.get(connection, parts["workspace"], parts["automation"])
            choice = await self._choose(connection, owner, call)
        return BackfillAnswer(slots=[one.slot for one in choice.chosen], left_out=choice.left_out)

    async def _choose(
        self, connection: AsyncConnection, owner: Automation, call: BackfillCall
    ) -> _Choice:
        check_etag(call.etag, compute_etag(owner.id, owner.version), name=owner.resource)
        if owner.status is not AutomationStatus.ACTIVE:
            raise errors.StateConflict(owner.resource, owner.status.name)
        parsed = _parse(owner)
        if call.always and parsed.definition.execution.concurrency != "always":
            raise errors.invalid("overlap", "needs an automation of concurrency always")
        held = [trigger.id for trigger in owner.triggers]
        left_out: Counter[Obstacle] = Counter()
        if call.within is None:
            asked = await _find_named(connection, owner, call.names, held)
        else:
            asked = await _find_in_range(connection, owner, call.within, held, left_out)
        fires = await rows.find_fires_before(connection, asked)
        now = self.clock.now()
        chosen: list[Candidate] = []
        made: list[BackfillRow] = []
        refused: dict[UUID, str] = {}
        for one in asked:
            row, fault = _build_row(parsed, one, fires.get(one.slot.id), now)
            if fault:
                refused[one.slot.id] = fault
            else:
                chosen.append(one)
                made.append(row)
            await asyncio.sleep(0)  # a schema may be slow
        if refused and call.within is None:
            _refuse_inputs(call.names, refused)
        if refused:
            left_out[Obstacle.INVALID_INPUTS] += len(refused)
        await _check_waiting(connection, owner, call, len(made))
        return _Choice(chosen=chosen, rows=made, left_out=left_out)

    async def _wake(
        self, connection: AsyncConnection, owner: Automation, choice: _Choice, call: BackfillCall
    ) -> None:
        wakes = [row.run for row in choice.rows]
        if not call.always:
            wakes = await run_endings.find_next_runs(connection, [owner.id])
        await self.queue.enqueue(connection, wakes)


def _call_id(key: IdempotencyKey) -> UUID:
    """Returns an id that repeats of a call share."""
    if not key.request_id:
        return resources.new_id()
    return uuid5(NAMESPACE_OID, "\n".join((key.workspace, key.user, key.request_id)))


def _parse(owner: Automation) -> ParsedDefinition:
    try:
        return definitions.parse(compact_json.dump(owner.definition))
    except ValueError:
        raise _unreadable() from None


def _unreadable() -> errors.InvalidRequest:
    return errors.invalid(
        "parent", "its definition can't be read; save it again", errors.FieldReason.UNREADABLE
    )


async def _find_named(
    connection: AsyncConnection, owner: Automation, names: Sequence[str], held: Sequence[UUID]
) -> Sequence[Candidate]:
    ids = [_parse_slot(owner, at, name) for at, name in enumerate(names)]
    found = await rows.find_named(connection, owner.id, ids, held)
    faults: list[errors.FieldViolation] = []
    for at, (name, slot) in enumerate(zip(names, ids, strict=True)):
        if slot not in found:
            raise errors.ResourceNotFound(name)
        candidate = found[slot]
        if slot in ids[:at]:
            faults.append(_violation(at, "is named twice", errors.FieldReason.DUPLICATE_ID))
        elif candidate.obstacle is not None:
            said = _describe_obstacle(candidate.slot, candidate.obstacle)
            faults.append(_violation(at, said, errors.FieldReason[candidate.obstacle.name]))
    if faults:
        raise errors.InvalidRequest(faults)
    return sorted(found.values(), key=lambda one: (one.slot.slot_time, one.slot.id))


def _parse_slot(owner: Automation, at: int, name: str) -> UUID:
    parts = resources.SLOT.parse(name)
    if (parts["workspace"], parts["automation"]) != (owner.workspace, owner.resource_id):
        raise errors.invalid(f"slots[{at}]", f"is no slot of {owner.resource}")
    return resources.parse_uuid(parts["slot"], name)


async def _find_in_range(
    connection: AsyncConnection,
    owner: Automation,
    within: SlotRange,
    held: Sequence[UUID],
    left_out: Counter[Obstacle],
) -> Sequence[Candidate]:
    if within.trigger_id and within.trigger_id not in {t.trigger_id for t in owner.triggers}:
        raise errors.ResourceNotFound(owner.trigger_name(within.trigger_id))
    counts = await rows.count_in_range(connection, owner.id, within, held)
    found = await rows.find_in_range(connection, owner.id, within, held, MAX_SLOTS + 1)
    if len(found) > MAX_SLOTS:
        end = found[MAX_SLOTS].slot.slot_time
        fits = sum(one.slot.slot_time < end for one in found)
        raise errors.invalid(
            "end_time",
            f"{counts[None]} slots of the range can be run, and at most {MAX_SLOTS} are run in a "
            f"call; the first {fits} are those before {rfc3339(end)}",
            errors.FieldReason.TOO_MANY,
        )
    left_out.update({obstacle: n for obstacle, n in counts.items() if obstacle is not None})
    return found


async def _check_waiting(
    connection: AsyncConnection, owner: Automation, call: BackfillCall, fresh: int
) -> None:
    waiting = await rows.count_waiting(connection, owner.id)
    if waiting + fresh > MAX_WAITING:
        raise errors.invalid(
            "slots" if call.within is None else "end_time",
            f"{waiting} backfills of the automation wait to begin, and at most {MAX_WAITING} may: "
            f"of these {fresh} slots {MAX_WAITING - waiting} can be run now",
            errors.FieldReason.TOO_MANY_WAITING,
        )


def _build_row(
    parsed: ParsedDefinition, one: Candidate, last_fired_at: datetime | None, now: datetime
) -> tuple[BackfillRow, str]:
    """Builds the run of a slot, and says what is wrong with its inputs."""
    slot = one.slot
    try:
        spec, _ = parsed.trigger(slot.trigger_id)
    except (StopIteration, ValueError):
        raise _unreadable() from None
    payload: dict[str, Any] = {
        "fired_at": rfc3339(now),
        "scheduled_for": rfc3339(slot.slot_time),
        "last_fired_at": None if last_fired_at is None else rfc3339(last_fired_at),
    }
    inputs = {**payload, **spec.static_inputs}
    faults = parsed.find_input_faults(slot.trigger_id, inputs)
    row = BackfillRow(
        run=resources.new_id(),
        slot=slot.id,
        trigger=one.trigger,
        trigger_id=slot.trigger_id,
        slot_time=slot.slot_time,
        inputs=compact_json.dump(inputs),
        payload=compact_json.dump(payload),
    )
    return row, describe_fault(faults[0]) if faults else ""


def _refuse_inputs(names: Sequence[str], refused: Mapping[UUID, str]) -> None:
    raise errors.InvalidRequest(
        [
            _violation(at, f"the present revision does not take its inputs: {fault}", reason)
            for at, name in enumerate(names)
            if (fault := refused.get(UUID(name.rpartition("/")[2])))
            for reason in [errors.FieldReason.INVALID_INPUTS]
        ]
    )


def _describe_obstacle(slot: Slot, obstacle: Obstacle) -> str:
    match obstacle:
        case Obstacle.HAS_RUN:
            return f"is {slot.outcome.name}: it has run"
        case Obstacle.SKIPPED_DST:
            return f"is SKIPPED_DST: {slot.reason}"
        case Obstacle.BACKFILLED if slot.backfill and slot.backfill.status:
            return f"has a backfill already, which is {slot.backfill.status.name}"
        case Obstacle.BACKFILLED:
            return "has a backfill already, which is no longer kept"
    return "its trigger was deleted"


def _violation(at: int, description: str, reason: errors.FieldReason) -> errors.FieldViolation:
    return errors.FieldViolation(field=f"slots[{at}]", description=description, reason=reason)
