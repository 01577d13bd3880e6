"""Parts of queries that both services write."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


def compare(column: Any, operator: str, value: Any) -> sa.ColumnElement[bool]:
    """Returns one comparison of a filter, with an operator as AIP-160 writes it."""
    found: sa.ColumnElement[bool] = column.op(operator.replace("!=", "<>"), is_comparison=True)(
        value
    )
    return found


def advisory_lock(key: Any) -> sa.Function[Any]:
    """Returns a call that waits for the lock of a text and holds it until the transaction ends."""
    return sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))


def try_advisory_lock(key: Any) -> sa.Function[Any]:
    """Like `advisory_lock`, but waits for nobody. Returns a call that tells whether it has it."""
    return sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(key, 0))


async def take_lock(connection: AsyncConnection, key: str) -> None:
    """Waits for the lock of `key` and holds it until the transaction ends."""
    await connection.execute(sa.select(advisory_lock(key)))
