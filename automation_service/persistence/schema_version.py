"""Whether the database is what this code was written for."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_TABLES: Final = ("automation.alembic_version", "pgqueuer.pgqueuer")


async def is_migrated(connection: AsyncConnection) -> bool:
    """False when migrations are to be run. A database that is further on will do."""
    for table in _TABLES:
        there = sa.select(sa.func.to_regclass(table).is_not(None))
        if not await connection.scalar(there):
            return False
    found = await connection.scalar(sa.text("select version_num from automation.alembic_version"))
    scripts = ScriptDirectory(str(_MIGRATIONS))
    older = {script.revision for script in scripts.walk_revisions()} - set(scripts.get_heads())
    return found is not None and found not in older
