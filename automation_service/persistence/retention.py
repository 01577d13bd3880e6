"""Taking away what is no longer kept: one small batch a statement.

Each statement gives how many rows it dealt with; rows that another replica deals with are
left to it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import (
    TENANTS,
    audit_events,
    automations,
    deliveries,
    downtimes,
    run_events,
    runs,
    slots,
)

requests = TENANTS.requests
# Spelled out as in the index that serves it.
_EVENTS_KEPT = sa.text(
    "automation_runs.end_time is not null and automation_runs.events_floor < automation_runs.events"
)


async def runs_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Runs that ended before a moment, with their events."""
    old = (
        sa.select(runs.c.id)
        .where(runs.c.end_time < moment)
        .order_by(runs.c.end_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _deleted(connection, runs, runs.c.id, old)


async def events_of_runs_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Every event of runs that ended before a moment; counts the runs."""
    chosen = list(
        await connection.execute(
            sa.select(runs.c.id, runs.c.events)
            .where(_EVENTS_KEPT, runs.c.end_time < moment)
            .order_by(runs.c.end_time)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
    )
    for row in chosen:
        await delete_events(connection, row.id, row.events)
    return len(chosen)


async def delete_events(connection: AsyncConnection, run: UUID, floor: int) -> None:
    """Takes away the events of a run up to a sequence."""
    await connection.execute(sa.update(runs).where(runs.c.id == run).values(events_floor=floor))
    await connection.execute(
        sa.delete(run_events).where(run_events.c.run_id == run, run_events.c.sequence <= floor)
    )


async def slots_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    old = (
        sa.select(slots.c.id)
        .where(slots.c.slot_time < moment)
        .order_by(slots.c.slot_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _deleted(connection, slots, slots.c.id, old)


async def next_automations(
    connection: AsyncConnection, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Ids of automations, in order, after one."""
    query = sa.select(automations.c.id).order_by(automations.c.id).limit(limit)
    if after is not None:
        query = query.where(automations.c.id > after)
    return list((await connection.execute(query)).scalars())


async def runs_over(
    connection: AsyncConnection, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    """Ended runs of automations that have more than `kept` newer ones."""
    old = _beyond(runs, runs.c.create_time, owners, kept, limit)
    ended = sa.select(old.c.id).join_from(old, runs, runs.c.id == old.c.id)
    return await _deleted(connection, runs, runs.c.id, ended.where(runs.c.end_time.is_not(None)))


async def slots_over(
    connection: AsyncConnection, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    old = _beyond(slots, slots.c.slot_time, owners, kept, limit)
    return await _deleted(connection, slots, slots.c.id, sa.select(old.c.id))


async def requests_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Requests served before a moment, but for those that made an automation that is there."""
    made = sa.exists().where(
        requests.c.rpc == "CreateAutomation",
        sa.cast(automations.c.id, sa.Text) == sa.func.split_part(requests.c.resource, "#", 2),
    )
    key = [requests.c.workspace_id, requests.c.rpc, requests.c.user_id, requests.c.request_id]
    old = (
        sa.select(*key)
        .where(requests.c.create_time < moment, ~made)
        .order_by(requests.c.create_time)
        .limit(limit)
    )
    return await _deleted(connection, requests, sa.tuple_(*key), old)


async def audits_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    old = (
        sa.select(audit_events.c.id)
        .where(audit_events.c.create_time < moment)
        .order_by(audit_events.c.create_time)
        .limit(limit)
    )
    return await _deleted(connection, audit_events, audit_events.c.id, old)


async def deliveries_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Messages to webhooks that ended before a moment."""
    old = (
        sa.select(deliveries.c.id)
        .where(deliveries.c.end_time < moment)
        .order_by(deliveries.c.end_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _deleted(connection, deliveries, deliveries.c.id, old)


async def gaps_before(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    old = sa.select(downtimes.c.from_time).where(downtimes.c.to_time < moment).limit(limit)
    return await _deleted(connection, downtimes, downtimes.c.from_time, old)


def _beyond(
    table: sa.Table, order: Any, owners: Sequence[UUID], kept: int, limit: int
) -> sa.Subquery:
    """Ids of each owner's rows that have `kept` newer ones."""
    older = (
        sa.select(table.c.id)
        .where(table.c.automation_id == automations.c.id)
        .order_by(order.desc())
        .offset(kept)
        .limit(limit)
        .correlate(automations)
        .lateral("older")
    )
    found = sa.select(older.c.id).select_from(automations.join(older, sa.true()))
    return found.where(automations.c.id.in_(owners)).limit(limit).subquery("old")


async def _deleted(connection: AsyncConnection, table: sa.Table, key: Any, chosen: Any) -> int:
    answer = await connection.execute(sa.delete(table).where(key.in_(chosen)))
    return int(answer.rowcount)
