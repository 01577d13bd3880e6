"""Reads and writes of the dispatcher: one statement for many triggers.

Columns are sent as arrays, so that the statement does not depend on the number of rows. asyncpg
runs the statements, for every slot (`python -m bench automation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox import notices
from shared.db.statements import fetch
from shared.definition.states import AutomationStatus, SlotOutcome
from shared.resources import AUTOMATION


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAutomation:
    """A locked automation. `definition` is JSON text. `resume_time` is that of a paused one."""

    id: UUID
    workspace: str
    resource_id: str
    status: AutomationStatus
    update_time: datetime
    definition: str
    resume_time: datetime | None = None

    @property
    def resource(self) -> str:
        return AUTOMATION.format(workspace=self.workspace, automation=self.resource_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRuns:
    """Numbers of pending and running runs of an automation, backfills aside.

    `first_run` is a running run, or else the first pending one; `first_waiting` is that one.
    `backfilling` is a backfill that is running: exclusive runs wait for it.
    """

    waiting: int = 0
    running: int = 0
    first_run: UUID | None = None
    first_waiting: UUID | None = None
    backfilling: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A slot of the ledger and the run that it starts, if any. `inputs` and `payload` are JSON."""

    id: UUID
    automation_id: UUID
    trigger: UUID
    trigger_id: str
    slot_time: datetime
    fire_time: datetime
    local_time: str
    outcome: SlotOutcome
    reason: str
    run: UUID | None = None
    exclusive: bool = True
    inputs: str = "{}"
    payload: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSlot:
    """The newest slot of a trigger in the ledger. `local_time` has minutes."""

    slot_time: datetime
    fire_time: datetime
    local_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerUpdate:
    """The columns of a trigger after its slots were decided."""

    trigger: UUID
    decided_until: datetime
    fires: int
    last_fired_at: datetime | None
    last_fire_time: datetime | None
    next_fire_time: datetime | None


async def lock_automations(
    connection: AsyncConnection, ids: Sequence[UUID]
) -> dict[UUID, LockedAutomation]:
    """Locks automations in the order of their ids. Deleted ones are not in the result."""
    rows = await fetch(connection, _LOCK_OWNERS, sorted(ids))
    return {
        row["id"]: LockedAutomation(
            id=row["id"],
            workspace=row["workspace_id"],
            resource_id=row["resource_id"],
            status=AutomationStatus(row["status"]),
            update_time=row["update_time"],
            definition=row["definition"],
            resume_time=row["resume_time"] if row["status"] == "paused" else None,
        )
        for row in rows
    }


async def count_active_runs(
    connection: AsyncConnection, ids: Sequence[UUID]
) -> dict[UUID, ActiveRuns]:
    """Counts pending and running runs. Automations without such runs are not in the result."""
    rows = await fetch(connection, _ACTIVE, list(ids))
    return {
        row["automation_id"]: ActiveRuns(
            waiting=row["waiting"],
            running=row["running"],
            first_run=row["first_run"],
            first_waiting=row["first_waiting"],
            backfilling=row["backfilling"],
        )
        for row in rows
    }


async def insert_slots(
    connection: AsyncConnection, decided: Sequence[SlotRow], now: datetime
) -> set[UUID]:
    """Inserts slots that have no row yet, with their runs. Returns the inserted runs."""
    if not decided:
        return set()
    rows = await fetch(connection, _RECORD, *_columns(decided, SlotRow), now)
    return {row["id"] for row in rows}


async def update_triggers(
    connection: AsyncConnection, changes: Sequence[TriggerUpdate], tzdata_version: str
) -> None:
    if changes:
        await fetch(connection, _ADVANCE, *_columns(changes, TriggerUpdate), tzdata_version)


async def update_fire_times(
    connection: AsyncConnection,
    times: dict[UUID, datetime | None],
    until: dict[UUID, datetime],
    tzdata_version: str,
) -> None:
    """Updates when triggers come due, and the version of the time zone database.

    `until` has the new decided_until of some triggers.
    """
    if times:
        decided = [until.get(trigger) for trigger in times]
        values = (list(times), list(times.values()), decided, tzdata_version)
        await fetch(connection, _RESCHEDULE, *values)


async def find_last_slots(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, LastSlot]:
    """Finds the newest slot of each trigger that has one."""
    rows = await fetch(connection, _LAST_SLOTS, list(ids))
    return {
        row["trigger"]: LastSlot(
            slot_time=row["slot_time"], fire_time=row["fire_time"], local_time=row["local_time"]
        )
        for row in rows
    }


async def disable_triggers(
    connection: AsyncConnection, ids: Sequence[UUID], reason: str, now: datetime
) -> None:
    """Disables triggers, with a notice for each of whom its automation concerns."""
    if not ids:
        return
    for row in await fetch(connection, _DISABLE, list(ids), reason, now):
        if not row["was_enabled"]:
            continue
        name = {"workspace": row["workspace_id"], "automation": row["resource_id"]}
        await notices.add_of_automation(
            connection,
            workspace=row["workspace_id"],
            automation=UUID(int=row["automation_id"].int),
            author=notices.AUTHOR_OF_TODAY,
            kind=NoticeKind.TRIGGER_DISABLED,
            resource_name=AUTOMATION.format(**name),
            facts={"trigger": row["trigger_id"], "reason": reason},
            time=now,
        )


def _columns(rows: Sequence[Any], of: Any) -> list[list[Any]]:
    read = attrgetter(*of.__slots__)
    return [list(column) for column in zip(*map(read, rows), strict=True)]


_LOCK_OWNERS = """
select id, workspace_id, resource_id, status::text as status, update_time,
       definition::text as definition, resume_time
from automation.automations where id = any($1::uuid[]) order by id for no key update
"""

_ACTIVE = """
select automation_id,
       count(*) filter (where status = 'pending' and not backfill) as waiting,
       count(*) filter (where status = 'running' and not backfill) as running,
       (array_agg(id order by status = 'running' desc, slot_time, id)
         filter (where not backfill))[1] as first_run,
       (array_agg(id order by slot_time, id)
         filter (where status = 'pending' and not backfill))[1] as first_waiting,
       (array_agg(id order by slot_time, id)
         filter (where status = 'running' and backfill))[1] as backfilling
from automation.automation_runs
where automation_id = any($1::uuid[]) and status in ('pending', 'running')
group by automation_id
"""

# The snapshot is copied inside the database: the automation is locked, so it has not changed.
# Foreign keys are checked at the end of the statement, so the slot may come first.
_RECORD = """
with decided as materialized (
  select * from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[],
    $7::text[], $8::text[], $9::text[], $10::uuid[], $11::boolean[], $12::text[], $13::text[]
  ) as row (id, automation_id, trigger, trigger_id, slot_time, fire_time, local_time, outcome,
            reason, run_id, exclusive, inputs, payload)
), ledger as (
  insert into automation.automation_slots
    (id, automation_id, trigger, trigger_id, slot_time, fire_time, local_time, outcome, reason,
     run_id, decide_time, skip_requested)
  select id, automation_id, trigger, trigger_id, slot_time, fire_time, local_time,
         (case outcome when 'skipped_requested' then 'skipped_paused' else outcome end
         )::automation.automation_slot_outcome, reason, run_id, $14::timestamptz,
         outcome = 'skipped_requested'
  from decided
  on conflict on constraint uq_automation_slots_trigger_slot_time do nothing
  returning run_id
)
insert into automation.automation_runs
  (id, workspace_id, automation_id, trigger, trigger_id, slot_time, status, exclusive,
   definition_snapshot, revision, inputs, trigger_payload, create_time)
select decided.run_id, owner.workspace_id, owner.id, decided.trigger, decided.trigger_id,
       decided.slot_time, 'pending', decided.exclusive, owner.definition, owner.revision,
       decided.inputs::jsonb, decided.payload::jsonb, $14::timestamptz
from ledger
join decided on decided.run_id = ledger.run_id
join automation.automations owner on owner.id = decided.automation_id
returning id
"""

_ADVANCE = """
update automation.automation_triggers as held
set decided_until = decided.until, fires = decided.fires, last_fired_at = decided.fired_at,
    last_fire_time = decided.fire_time, next_fire_time = decided.next_time, tzdata_version = $7
from unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::timestamptz[], $5::timestamptz[],
            $6::timestamptz[]) as decided (id, until, fires, fired_at, fire_time, next_time)
where held.id = decided.id
"""

_RESCHEDULE = """
update automation.automation_triggers as held
set next_fire_time = computed.due, tzdata_version = $4,
    decided_until = coalesce(computed.until, held.decided_until)
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as computed (id, due, until)
where held.id = computed.id
"""

_LAST_SLOTS = """
select asked.id as trigger, last.* from unnest($1::uuid[]) as asked (id)
cross join lateral (
  select slot_time, fire_time, local_time from automation.automation_slots
  where trigger = asked.id order by slot_time desc limit 1) last
"""

_DISABLE = """
update automation.automation_triggers t
set enabled = false, next_fire_time = null, disabled_reason = $2,
    disabled_time = case when t.enabled then $3 else t.disabled_time end
from automation.automation_triggers was join automation.automations a on a.id = was.automation_id
where t.id = any($1::uuid[]) and was.id = t.id
returning was.enabled as was_enabled, was.trigger_id, was.automation_id, a.workspace_id,
          a.resource_id
"""
