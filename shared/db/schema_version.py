"""The version of a schema, compared with the migrations of this code."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection


async def is_migrated(
    connection: AsyncConnection, migrations: Path, *, schema: str, tables: Sequence[str] = ()
) -> bool:
    """Returns False if migrations must run. A newer database counts as migrated.

    `tables` must exist too: those that no migration of Alembic creates.
    """
    for table in (f"{schema}.alembic_version", *tables):
        if not await connection.scalar(sa.select(sa.func.to_regclass(table).is_not(None))):
            return False
    version = sa.table("alembic_version", sa.column("version_num"), schema=schema)
    found = await connection.scalar(sa.select(version.c.version_num))
    return found is not None and found not in _older_revisions(migrations)


@cache
def _older_revisions(migrations: Path) -> frozenset[str]:
    """The revisions of a folder but for its newest. They are read once a process."""
    scripts = ScriptDirectory(str(migrations))
    known = {script.revision for script in scripts.walk_revisions()}
    return frozenset(known - set(scripts.get_heads()))
