"""The version of the database's schema."""

from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence.enums import SCHEMA
from shared.db import schema_version

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_QUEUE_TABLES: Final = ("pgqueuer.pgqueuer",)


async def require_migrated(db: AsyncEngine) -> None:
    """Raises RuntimeError unless the database is migrated."""
    async with db.connect() as connection:
        if not await schema_version.is_migrated(
            connection, _MIGRATIONS, schema=SCHEMA, tables=_QUEUE_TABLES
        ):
            raise RuntimeError(
                "the database is not at this version; run `python -m automation_service migrate`"
            )
