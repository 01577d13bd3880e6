"""The version of the database's schema."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_TABLES: Final = ("chat.alembic_version", "chat.checkpoint_migrations")


async def is_migrated(connection: AsyncConnection, *, checkpoints: int) -> bool:
    """Returns False if migrations must run. A newer database counts as migrated.

    `checkpoints` is the version that the checkpoint tables must have at least.
    """
    for table in _TABLES:
        there = sa.select(sa.func.to_regclass(table).is_not(None))
        if not await connection.scalar(there):
            return False
    has = await connection.scalar(sa.text("select max(v) from chat.checkpoint_migrations"))
    found = await connection.scalar(sa.text("select version_num from chat.alembic_version"))
    scripts = ScriptDirectory(str(_MIGRATIONS))
    older = {script.revision for script in scripts.walk_revisions()} - set(scripts.get_heads())
    return has is not None and has >= checkpoints and found is not None and found not in older


async def require_migrated(engine: AsyncEngine, *, checkpoints: int) -> None:
    """Raises RuntimeError unless the database is migrated."""
    async with engine.connect() as connection:
        if not await is_migrated(connection, checkpoints=checkpoints):
            raise RuntimeError(
                "the database is not at this version; run `python -m chat_service migrate`"
            )
