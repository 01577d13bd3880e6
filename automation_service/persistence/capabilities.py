"""Queries of the stored catalogue of the other service."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import catalogue


async def find_catalogue(
    connection: AsyncConnection, peer: str
) -> tuple[str, list[dict[str, Any]]] | None:
    row = (
        await connection.execute(
            sa.select(catalogue.c.version, catalogue.c.entries).where(catalogue.c.peer == peer)
        )
    ).one_or_none()
    return None if row is None else (row.version, row.entries)


async def save_catalogue(
    connection: AsyncConnection,
    peer: str,
    version: str,
    entries: list[dict[str, Any]],
    now: datetime,
) -> None:
    values = {"version": version, "entries": entries, "fetch_time": now}
    await connection.execute(
        insert(catalogue)
        .values(peer=peer, **values)
        .on_conflict_do_update(index_elements=["peer"], set_=values)
    )
