"""Queries of backfills: the slots that can be run, and their runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.records import Slot
from automation_service.persistence.slots import SELECT, read_slot
from automation_service.persistence.tables import ACTIVE_RUN, backfills, runs, slots
from shared.db.statements import fetch
from shared.definition.states import RunStatus, SlotOutcome

# A slot is run again after its backfill ended like this.
_ENDED_BADLY: Final = (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT)
_FIRED: Final = (SlotOutcome.FIRED, SlotOutcome.CAUGHT_UP)


class Obstacle(StrEnum):
    """Why a slot can't be backfilled."""

    HAS_RUN = "has_run"
    SKIPPED_DST = "skipped_dst"
    BACKFILLED = "backfilled"
    TRIGGER_GONE = "trigger_gone"
    INVALID_INPUTS = "invalid_inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A slot that somebody wants to run. `obstacle` is empty when nothing stored forbids it."""

    slot: Slot
    trigger: UUID
    obstacle: Obstacle | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRange:
    """Slots of an automation from `start`, before `end`. `trigger_id` is empty for all triggers."""

    start: datetime
    end: datetime
    trigger_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRow:
    """A run of a slot. `inputs` and `payload` are JSON."""

    run: UUID
    slot: UUID
    trigger: UUID
    trigger_id: str
    slot_time: datetime
    inputs: str
    payload: str


async def find_named(
    connection: AsyncConnection, automation: UUID, names: Collection[UUID], triggers: Sequence[UUID]
) -> dict[UUID, Candidate]:
    """Finds slots of an automation by id. `triggers` are those that it has."""
    query = _candidates(automation, triggers).where(slots.c.id.in_(names))
    return {row.id: _candidate(row) for row in await connection.execute(query)}


async def find_in_range(
    connection: AsyncConnection,
    automation: UUID,
    within: SlotRange,
    triggers: Sequence[UUID],
    limit: int,
) -> list[Candidate]:
    """Finds the first slots of a range that nothing stored forbids to run, in order."""
    query = (
        _candidates(automation, triggers)
        .where(*_inside(within), _obstacle(triggers).is_(None))
        .order_by(slots.c.slot_time, slots.c.id)
        .limit(limit)
    )
    return [_candidate(row) for row in await connection.execute(query)]


async def count_in_range(
    connection: AsyncConnection, automation: UUID, within: SlotRange, triggers: Sequence[UUID]
) -> dict[Obstacle | None, int]:
    """Counts the slots of a range by what forbids to run them."""
    counted = (
        sa.select(_obstacle(triggers).label("obstacle"))
        .select_from(_with_run())
        .where(slots.c.automation_id == automation, *_inside(within))
        .subquery("counted")
    )
    query = sa.select(counted.c.obstacle, sa.func.count()).group_by(counted.c.obstacle)
    return {
        None if obstacle is None else Obstacle(obstacle): count
        for obstacle, count in await connection.execute(query)
    }


async def find_fires_before(
    connection: AsyncConnection, chosen: Sequence[Candidate]
) -> dict[UUID, datetime]:
    """Finds when the last slot before each slot fired, of those of its trigger in the ledger."""
    rows = await fetch(connection, _FIRES_BETWEEN, [one.slot.id for one in chosen])
    found: dict[UUID, datetime] = {}
    last: dict[UUID, datetime | None] = {}
    for row in rows:  # in the order of their times
        fired = row["fired"] or last.get(row["trigger"])
        last[row["trigger"]] = fired
        if fired is not None:
            found[UUID(int=row["id"].int)] = fired
    return found


async def count_waiting(connection: AsyncConnection, automation: UUID) -> int:
    """Counts the backfills of an automation that have not begun."""
    query = sa.select(sa.func.count()).where(
        ACTIVE_RUN,
        runs.c.automation_id == automation,
        runs.c.backfill,
        runs.c.status == RunStatus.PENDING,
    )
    return int(await connection.scalar(query) or 0)


async def add(
    connection: AsyncConnection,
    automation: UUID,
    rows: Sequence[BackfillRow],
    *,
    exclusive: bool,
    call: UUID,
    requester: str,
    now: datetime,
) -> None:
    """Adds the runs of slots of a locked automation, under its present revision."""
    read = attrgetter(*BackfillRow.__slots__)
    columns = [list(column) for column in zip(*map(read, rows), strict=True)]
    await fetch(connection, _ADD, *columns, automation, exclusive, call, requester, now)


async def list_of_call(connection: AsyncConnection, automation: UUID, call: UUID) -> list[Slot]:
    """Lists the slots whose last backfill a call made, in order."""
    query = SELECT.where(backfills.c.call_id == call, slots.c.automation_id == automation).order_by(
        slots.c.slot_time, slots.c.id
    )
    return [read_slot(row) for row in await connection.execute(query)]


def _candidates(automation: UUID, triggers: Sequence[UUID]) -> sa.Select[Any]:
    return SELECT.add_columns(_obstacle(triggers).label("obstacle")).where(
        slots.c.automation_id == automation
    )


def _candidate(row: Any) -> Candidate:
    obstacle = None if row.obstacle is None else Obstacle(row.obstacle)
    return Candidate(slot=read_slot(row), trigger=row.trigger, obstacle=obstacle)


def _inside(within: SlotRange) -> list[sa.ColumnElement[bool]]:
    found = [slots.c.slot_time >= within.start, slots.c.slot_time < within.end]
    if within.trigger_id:
        found.append(slots.c.trigger_id == within.trigger_id)
    return found


def _with_run() -> sa.FromClause:
    return slots.outerjoin(backfills, backfills.c.slot_id == slots.c.id).outerjoin(
        runs, runs.c.id == backfills.c.run_id
    )


def _obstacle(triggers: Sequence[UUID]) -> sa.ColumnElement[str | None]:
    """What forbids to run a slot; null when nothing does. Its last backfill is joined to it."""
    whens: Mapping[Obstacle, sa.ColumnElement[bool]] = {
        Obstacle.HAS_RUN: slots.c.outcome.in_(_FIRED),
        Obstacle.SKIPPED_DST: slots.c.outcome == SlotOutcome.SKIPPED_DST,
        Obstacle.TRIGGER_GONE: slots.c.trigger.not_in(triggers),
        Obstacle.BACKFILLED: backfills.c.slot_id.is_not(None)
        & (runs.c.status.is_(None) | runs.c.status.not_in(_ENDED_BADLY)),
    }
    return sa.case(
        *((when, sa.literal(obstacle.value)) for obstacle, when in whens.items()), else_=sa.null()
    )


# Each slot looks no further back than to the one before it, so that together they read the span
# once, however many slots of it have not fired.
_FIRES_BETWEEN: Final = """
select asked.id, asked.trigger,
       (select f.decide_time from automation.automation_slots f
         where f.trigger = asked.trigger and f.slot_time < asked.slot_time
           and (asked.before is null or f.slot_time > asked.before)
           and f.outcome in ('fired', 'caught_up')
         order by f.slot_time desc limit 1) as fired
  from (
    select id, trigger, slot_time,
           lag(slot_time) over (partition by trigger order by slot_time) as before
      from automation.automation_slots where id = any($1::uuid[])) asked
 order by asked.slot_time
"""

# Foreign keys are checked at the end of the statement, so the backfill may come first.
_ADD: Final = """
with made as materialized (
  select * from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::text[]
  ) as row (run_id, slot_id, trigger, trigger_id, slot_time, inputs, payload)
), beside as (
  insert into automation.automation_backfills (slot_id, run_id, call_id, requester_id, create_time)
  select slot_id, run_id, $10::uuid, $11, $12::timestamptz from made
  on conflict on constraint pk_automation_backfills do update
    set run_id = excluded.run_id, call_id = excluded.call_id,
        requester_id = excluded.requester_id, create_time = excluded.create_time
)
insert into automation.automation_runs
  (id, workspace_id, automation_id, trigger, trigger_id, slot_time, status, exclusive, backfill,
   definition_snapshot, revision, inputs, trigger_payload, create_time)
select made.run_id, owner.workspace_id, owner.id, made.trigger, made.trigger_id, made.slot_time,
       'pending', $9::boolean, true, owner.definition, owner.revision, made.inputs::jsonb,
       made.payload::jsonb, $12::timestamptz
from made join automation.automations owner on owner.id = $8::uuid
"""
