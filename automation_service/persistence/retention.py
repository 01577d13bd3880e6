"""Deletes of expired rows: each function deletes one small batch.

A function returns how many rows it handled. It skips rows that another replica has locked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.inbox import InboxOwner, as_members
from automation_service.persistence.tables import (
    TENANTS,
    audit_events,
    automations,
    deliveries,
    downtimes,
    inbox_items,
    notices,
    run_events,
    runs,
    slots,
    webhook_deliveries,
)

requests = TENANTS.requests
# Verbatim as in the index, so that PostgreSQL uses it.
_EVENTS_KEPT = sa.text(
    "automation_runs.end_time is not null and not automation_runs.events_deleted"
)


async def delete_runs(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes runs that ended before a moment, with their events."""
    return await _delete_before(connection, runs.c.end_time, moment, limit)


async def delete_slots(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    return await _delete_before(connection, slots.c.slot_time, moment, limit)


async def delete_requests(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes old requests, except those that created an automation that still exists."""
    created = sa.exists().where(
        requests.c.rpc == "CreateAutomation",
        sa.cast(automations.c.id, sa.Text) == sa.func.split_part(requests.c.resource, "#", 2),
    )
    return await _delete_before(
        connection, requests.c.create_time, moment, limit, condition=~created
    )


async def delete_audits(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    return await _delete_before(connection, audit_events.c.create_time, moment, limit)


async def delete_webhook_deliveries(
    connection: AsyncConnection, moment: datetime, limit: int
) -> int:
    """Deletes messages to webhooks that ended before a moment."""
    return await _delete_before(connection, webhook_deliveries.c.end_time, moment, limit)


async def delete_deliveries(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes deliveries that ended before a moment, with their attempts."""
    return await _delete_before(connection, deliveries.c.end_time, moment, limit)


async def delete_notices(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes notices that went out, or ended otherwise, before a moment."""
    return await _delete_before(connection, notices.c.end_time, moment, limit)


async def delete_read_items(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes inbox items that were read before a moment."""
    return await _delete_before(connection, inbox_items.c.read_time, moment, limit)


async def delete_unread_items(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes inbox items from before a moment that nobody has read."""
    unread = inbox_items.c.read_time.is_(None)
    return await _delete_before(
        connection, inbox_items.c.create_time, moment, limit, condition=unread
    )


async def delete_downtimes(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    return await _delete_before(connection, downtimes.c.to_time, moment, limit)


async def delete_events_of_runs(connection: AsyncConnection, moment: datetime, limit: int) -> int:
    """Deletes all events of runs that ended before a moment. Returns the number of runs."""
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
    if chosen:
        done = sa.update(runs).where(runs.c.id.in_([row.id for row in chosen]))
        await connection.execute(done.values(events_deleted=True))
    return len(chosen)


async def delete_events(connection: AsyncConnection, run: UUID, floor: int) -> None:
    """Deletes the events of a run up to and including a sequence."""
    await connection.execute(sa.update(runs).where(runs.c.id == run).values(events_floor=floor))
    await connection.execute(
        sa.delete(run_events).where(run_events.c.run_id == run, run_events.c.sequence <= floor)
    )


async def list_automations(
    connection: AsyncConnection, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Returns ids of automations in order, from the first one after `after`."""
    query = sa.select(automations.c.id).order_by(automations.c.id).limit(limit)
    if after is not None:
        query = query.where(automations.c.id > after)
    return list((await connection.execute(query)).scalars())


async def delete_surplus_runs(
    connection: AsyncConnection, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    """Deletes ended runs of automations that have at least `kept` newer runs."""
    return await _delete_surplus_ended(connection, runs, owners, kept, limit)


async def delete_surplus_deliveries(
    connection: AsyncConnection, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    """Deletes ended deliveries of automations that have at least `kept` newer ones."""
    return await _delete_surplus_ended(connection, deliveries, owners, kept, limit)


async def delete_surplus_slots(
    connection: AsyncConnection, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    """Deletes slots of automations that have at least `kept` newer slots."""
    old = _beyond(slots, slots.c.slot_time, owners, kept, limit)
    return await _delete_chosen(connection, slots, sa.select(old.c.id))


async def list_members(
    connection: AsyncConnection, after: InboxOwner | None, limit: int
) -> Sequence[InboxOwner]:
    """Returns the members of workspaces in order, from the first one after `after`."""
    members = TENANTS.memberships.c
    key = sa.tuple_(members.workspace_id, members.user_id)
    query = sa.select(members.workspace_id, members.user_id).order_by(
        members.workspace_id, members.user_id
    )
    if after is not None:
        query = query.where(key > sa.tuple_(after.workspace, after.user))
    found = await connection.execute(query.limit(limit))
    return [InboxOwner(workspace=row.workspace_id, user=row.user_id) for row in found]


async def delete_surplus_items(
    connection: AsyncConnection, owners: Sequence[InboxOwner], kept: int, limit: int
) -> int:
    """Deletes inbox items of members who have at least `kept` newer ones."""
    asked = as_members(owners)
    older = (
        sa.select(inbox_items.c.id)
        .where(
            inbox_items.c.workspace_id == asked.c.workspace_id,
            inbox_items.c.user_id == asked.c.user_id,
        )
        .order_by(inbox_items.c.create_time.desc(), inbox_items.c.id.desc())
        .offset(kept)
        .limit(limit)
        .correlate(asked)
        .lateral("older")
    )
    old = sa.select(older.c.id).select_from(asked.join(older, sa.true())).limit(limit)
    return await _delete_chosen(connection, inbox_items, old)


async def _delete_surplus_ended(
    connection: AsyncConnection, table: sa.Table, owners: Sequence[UUID], kept: int, limit: int
) -> int:
    """Deletes ended rows of automations that have at least `kept` newer rows, ended or not."""
    old = _beyond(table, table.c.create_time, owners, kept, limit)
    ended = sa.select(old.c.id).join_from(old, table, table.c.id == old.c.id)
    return await _delete_chosen(connection, table, ended.where(table.c.end_time.is_not(None)))


def _beyond(
    table: sa.Table, order: Any, owners: Sequence[UUID], kept: int, limit: int
) -> sa.Subquery:
    """Ids of each automation's rows that have at least `kept` newer rows."""
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


async def _delete_before(
    connection: AsyncConnection,
    time: sa.Column[Any],
    moment: datetime,
    limit: int,
    *,
    condition: sa.ColumnElement[bool] | None = None,
) -> int:
    """Deletes the oldest rows of the table of `time`, a batch of them."""
    table: Any = time.table
    query = sa.select(*table.primary_key).where(time < moment)
    if condition is not None:
        query = query.where(condition)
    old = query.order_by(time).limit(limit).with_for_update(skip_locked=True)
    return await _delete_chosen(connection, table, old)


async def _delete_chosen(connection: AsyncConnection, table: sa.Table, chosen: Any) -> int:
    """Deletes the rows whose primary keys a query chooses."""
    columns = list(table.primary_key)
    key = columns[0] if len(columns) == 1 else sa.tuple_(*columns)
    result = await connection.execute(sa.delete(table).where(key.in_(chosen)))
    return int(result.rowcount)
