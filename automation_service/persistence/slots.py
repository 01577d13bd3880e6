"""Queries of the ledger of slots."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.records import Slot, SlotBackfill
from automation_service.persistence.tables import automations, backfills, runs, slots
from shared.clock import shift
from shared.db.queries import compare, matches, newest_first
from shared.definition.states import SlotOutcome
from shared.list_filter import Filter

_FAR = timedelta(hours=26)
SELECT: Final = sa.select(
    slots,
    automations.c.workspace_id,
    automations.c.resource_id,
    backfills.c.slot_id.label("backfilled"),
    backfills.c.run_id.label("backfill_run"),
    runs.c.status.label("backfill_status"),
    backfills.c.requester_id,
    backfills.c.create_time.label("backfill_time"),
).select_from(
    slots.join(automations)
    .outerjoin(backfills, backfills.c.slot_id == slots.c.id)
    .outerjoin(runs, runs.c.id == backfills.c.run_id)
)


async def page(
    connection: AsyncConnection,
    automation_id: UUID,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
) -> list[Slot]:
    query = SELECT.where(slots.c.automation_id == automation_id, matches(filter_, _FILTER_COLUMNS))
    query = newest_first(query, slots.c.slot_time, slots.c.id, after=after, limit=size + 1)
    return [read_slot(row) for row in await connection.execute(query)]


def _compare_outcome(operator: str, wanted: SlotOutcome) -> sa.ColumnElement[bool]:
    requested = sa.literal(SlotOutcome.SKIPPED_REQUESTED.value)
    outcome = sa.case((slots.c.skip_requested, requested), else_=sa.cast(slots.c.outcome, sa.Text))
    return compare(outcome, operator, wanted.value)


_FILTER_COLUMNS: Final[Mapping[str, Any]] = {
    "outcome": _compare_outcome,
    "trigger": slots.c.trigger_id,
    "slot_time": slots.c.slot_time,
}


async def find_at(
    connection: AsyncConnection, automation_id: UUID, trigger_id: str, moment: datetime
) -> Slot | None:
    """Finds the slot whose slot_time or fire_time is in the second of `moment`."""
    second = moment.replace(microsecond=0)
    slot_second = sa.func.date_trunc("second", slots.c.slot_time)
    fire_second = sa.func.date_trunc("second", slots.c.fire_time)
    query = (
        SELECT.where(
            slots.c.automation_id == automation_id,
            slots.c.trigger_id == trigger_id,
            # for the index: no clock change moves a slot further than this
            slots.c.slot_time.between(shift(second, -_FAR), shift(second, _FAR)),
            (slot_second == second) | (fire_second == second),
        )
        # Of slots at one time, prefer the one that ran.
        .order_by((slot_second == second).desc(), slots.c.run_id.is_(None), slots.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else read_slot(row)


async def find_trigger_ids(
    connection: AsyncConnection, automation_id: UUID, wanted: Collection[str]
) -> set[str]:
    """Finds which of these triggers the automation has slots of, also if they are deleted."""
    query = sa.select(slots.c.trigger_id).distinct()
    query = query.where(slots.c.automation_id == automation_id, slots.c.trigger_id.in_(wanted))
    return set((await connection.execute(query)).scalars())


async def list_last_outcomes(
    connection: AsyncConnection, triggers: Sequence[UUID], most: int
) -> dict[UUID, list[SlotOutcome]]:
    """Lists the outcomes of the last `most` slots of each trigger, newest first."""
    if not triggers:
        return {}
    of_each = sa.func.unnest(sa.literal(list(triggers), ARRAY(UUID_TYPE)))
    asked = of_each.table_valued(sa.column("id", UUID_TYPE), name="asked").render_derived()
    last = (
        sa.select(slots.c.outcome, slots.c.skip_requested, slots.c.slot_time)
        .where(slots.c.trigger == asked.c.id)
        .order_by(slots.c.slot_time.desc())
        .limit(most)
        .lateral("last")
    )
    query = sa.select(asked.c.id, last.c.outcome, last.c.skip_requested).join_from(
        asked, last, sa.true()
    )
    found: dict[UUID, list[SlotOutcome]] = {}
    for row in await connection.execute(query.order_by(asked.c.id, last.c.slot_time.desc())):
        found.setdefault(row.id, []).append(_outcome(row))
    return found


def read_slot(row: Any) -> Slot:
    """Reads a row of `SELECT`."""
    backfill = None
    if row.backfilled is not None:
        backfill = SlotBackfill(
            run=row.backfill_run,
            status=row.backfill_status,
            requester=row.requester_id,
            create_time=row.backfill_time,
        )
    return Slot(
        id=row.id,
        workspace=row.workspace_id,
        automation=row.resource_id,
        trigger_id=row.trigger_id,
        slot_time=row.slot_time,
        fire_time=row.fire_time,
        local_time=row.local_time,
        outcome=_outcome(row),
        reason=row.reason,
        run=row.run_id,
        decide_time=row.decide_time,
        backfill=backfill,
    )


def _outcome(row: Any) -> SlotOutcome:
    return SlotOutcome.SKIPPED_REQUESTED if row.skip_requested else SlotOutcome(row.outcome)
