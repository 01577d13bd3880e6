"""Queries of the ledger of slots."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.records import Slot
from automation_service.persistence.tables import automations, slots
from shared.clock import shift

_FAR = timedelta(hours=26)
_SELECT = sa.select(slots, automations.c.workspace_id, automations.c.resource_id).join_from(
    slots, automations
)


async def page(
    connection: AsyncConnection,
    automation_id: UUID,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    where: Sequence[sa.ColumnElement[bool]] = (),
) -> list[Slot]:
    query = _SELECT.where(slots.c.automation_id == automation_id, *where)
    if after is not None:
        query = query.where(sa.tuple_(slots.c.slot_time, slots.c.id) < sa.tuple_(*after))
    query = query.order_by(slots.c.slot_time.desc(), slots.c.id.desc()).limit(size + 1)
    return [_slot(row) for row in await connection.execute(query)]


async def find_at(
    connection: AsyncConnection, automation_id: UUID, trigger_id: str, moment: datetime
) -> Slot | None:
    """Finds the slot whose slot_time or fire_time is in the second of `moment`."""
    second = moment.replace(microsecond=0)
    slot_second = sa.func.date_trunc("second", slots.c.slot_time)
    fire_second = sa.func.date_trunc("second", slots.c.fire_time)
    query = (
        _SELECT.where(
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
    return None if row is None else _slot(row)


def _slot(row: Any) -> Slot:
    return Slot(
        id=row.id,
        workspace=row.workspace_id,
        automation=row.resource_id,
        trigger_id=row.trigger_id,
        slot_time=row.slot_time,
        fire_time=row.fire_time,
        local_time=row.local_time,
        outcome=row.outcome,
        reason=row.reason,
        run=row.run_id,
        decide_time=row.decide_time,
    )
