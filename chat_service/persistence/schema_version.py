"""The version of the database's schema."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence.tables import SCHEMA
from shared.db import schema_version

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_CHECKPOINTS: Final = sa.table("checkpoint_migrations", sa.column("v"), schema=SCHEMA)


async def require_migrated(db: AsyncEngine, *, checkpoints: int) -> None:
    """Raises RuntimeError unless the database is migrated.

    `checkpoints` is the version that the checkpoint tables must have at least.
    """
    async with db.connect() as connection:
        migrated = await schema_version.is_migrated(
            connection, _MIGRATIONS, schema=SCHEMA, tables=[f"{SCHEMA}.{_CHECKPOINTS.name}"]
        )
        found = migrated and await connection.scalar(sa.select(sa.func.max(_CHECKPOINTS.c.v)))
    if not migrated or found is None or found < checkpoints:
        raise RuntimeError(
            "the database is not at this version; run `python -m chat_service migrate`"
        )
