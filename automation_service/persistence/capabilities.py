"""Queries of the stored catalogue of the other service."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCatalogue:
    """Capabilities and models as JSON. `models` is None where they are not known."""

    version: str
    entries: list[dict[str, Any]]
    models: list[dict[str, Any]] | None


async def find_catalogue(connection: AsyncConnection, peer: str) -> StoredCatalogue | None:
    columns = catalogue.c.version, catalogue.c.entries, catalogue.c.models
    row = (
        await connection.execute(sa.select(*columns).where(catalogue.c.peer == peer))
    ).one_or_none()
    return None if row is None else StoredCatalogue(**row._mapping)


async def save_catalogue(
    connection: AsyncConnection, peer: str, found: StoredCatalogue, now: datetime
) -> None:
    values = {**asdict(found), "fetch_time": now}
    await connection.execute(
        insert(catalogue)
        .values(peer=peer, **values)
        .on_conflict_do_update(index_elements=["peer"], set_=values)
    )
