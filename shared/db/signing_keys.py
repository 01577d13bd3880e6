"""Keys that a service makes for itself, once, and that its replicas share."""

import secrets
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

KEY_BYTES: Final = 32


def signing_keys_table(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "signing_keys",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
    )


async def load_signing_key(db: AsyncEngine, table: sa.Table, name: str, now: datetime) -> bytes:
    """Returns the key with a name, which the first replica that asks for it makes."""
    made = insert(table).values(name=name, key=secrets.token_bytes(KEY_BYTES), create_time=now)
    async with db.begin() as connection:
        await connection.execute(made.on_conflict_do_nothing())
        found: bytes = (
            await connection.execute(sa.select(table.c.key).where(table.c.name == name))
        ).scalar_one()
        return found
