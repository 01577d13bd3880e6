"""Queries of triggers and their next times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.records import SlotSkip, Trigger
from automation_service.persistence.tables import triggers


async def add(connection: AsyncConnection, automation_id: UUID, added: Sequence[Trigger]) -> None:
    if not added:
        return
    await connection.execute(
        sa.insert(triggers),
        [
            {
                "id": t.id,
                "automation_id": automation_id,
                "trigger_id": t.trigger_id,
                "type": t.type,
                "enabled": t.enabled,
                "decided_until": t.decided_until,
                "next_fire_time": t.next_fire_time,
                "tzdata_version": t.tzdata_version,
                "create_time": t.create_time,
            }
            for t in added
        ],
    )


async def update(connection: AsyncConnection, trigger: UUID, values: Mapping[str, Any]) -> None:
    await connection.execute(sa.update(triggers).where(triggers.c.id == trigger).values(**values))


async def store_skips(
    connection: AsyncConnection, trigger: UUID, skips: Iterable[SlotSkip]
) -> None:
    stored = [
        {
            "slot_time": skip.slot_time.isoformat(),
            "fire_time": skip.fire_time.isoformat(),
            "local_time": skip.local_time,
            "user": skip.user,
            "note": skip.note,
            "create_time": skip.create_time.isoformat(),
        }
        for skip in sorted(skips, key=lambda skip: (skip.fire_time, skip.slot_time))
    ]
    await update(connection, trigger, {"skips": stored})


async def end_all(connection: AsyncConnection, automation_id: UUID) -> None:
    """Clears the next times and skips of all triggers of an automation: none comes due again."""
    await connection.execute(
        sa.update(triggers)
        .where(triggers.c.automation_id == automation_id)
        .values(next_fire_time=None, skips=[])
    )


async def delete(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    await connection.execute(sa.delete(triggers).where(triggers.c.id.in_(ids)))


async def lock_all(connection: AsyncConnection, automation_id: UUID) -> None:
    await connection.execute(
        sa.select(triggers.c.id)
        .where(triggers.c.automation_id == automation_id)
        .order_by(triggers.c.id)
        .with_for_update(key_share=True)
    )


async def list_by_automation(
    connection: AsyncConnection, ids: Sequence[UUID]
) -> dict[UUID, tuple[Trigger, ...]]:
    if not ids:
        return {}
    rows = await connection.execute(
        sa.select(triggers).where(triggers.c.automation_id.in_(ids)).order_by(triggers.c.id)
    )
    held: dict[UUID, tuple[Trigger, ...]] = {}
    for row in rows:
        held[row.automation_id] = (*held.get(row.automation_id, ()), _trigger(row))
    return held


async def claim_due(
    connection: AsyncConnection, now: datetime, limit: int, *, only: UUID | None = None
) -> list[tuple[UUID, Trigger]]:
    """Locks due triggers, with the ids of their automations. Skips locked ones."""
    due = sa.select(triggers).where(triggers.c.enabled, triggers.c.next_fire_time <= now)
    if only is not None:
        due = due.where(triggers.c.id == only)
    rows = await connection.execute(
        due.order_by(triggers.c.next_fire_time)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [(row.automation_id, _trigger(row)) for row in rows]


async def find_next_due(connection: AsyncConnection) -> datetime | None:
    found: datetime | None = await connection.scalar(
        sa.select(sa.func.min(triggers.c.next_fire_time)).where(triggers.c.enabled)
    )
    return found


async def claim_outdated(
    connection: AsyncConnection, version: str, limit: int, *, after: UUID | None = None
) -> list[tuple[UUID, Trigger]]:
    """Locks triggers whose next time is from an older time zone database, in order of id."""
    chosen = sa.select(triggers)
    if after is not None:
        chosen = chosen.where(triggers.c.id > after)
    rows = await connection.execute(
        chosen.where(triggers.c.next_fire_time.is_not(None), triggers.c.tzdata_version < version)
        .order_by(triggers.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [(row.automation_id, _trigger(row)) for row in rows]


def _trigger(row: Any) -> Trigger:
    return Trigger(
        id=row.id,
        trigger_id=row.trigger_id,
        type=row.type,
        enabled=row.enabled,
        decided_until=row.decided_until,
        next_fire_time=row.next_fire_time,
        tzdata_version=row.tzdata_version,
        last_fire_time=row.last_fire_time,
        last_fired_at=row.last_fired_at,
        fires=row.fires,
        disabled_reason=row.disabled_reason,
        disabled_time=row.disabled_time,
        skips=tuple(_skip(stored) for stored in row.skips),
        create_time=row.create_time,
    )


def _skip(stored: Mapping[str, str]) -> SlotSkip:
    return SlotSkip(
        slot_time=datetime.fromisoformat(stored["slot_time"]),
        fire_time=datetime.fromisoformat(stored["fire_time"]),
        local_time=stored["local_time"],
        user=stored["user"],
        note=stored["note"],
        create_time=datetime.fromisoformat(stored["create_time"]),
    )
