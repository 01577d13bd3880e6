"""Parts of queries that both services write."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.list_filter import FieldComparison, Filter, Junction, Negation


def compare(column: Any, operator: str, value: Any) -> sa.ColumnElement[bool]:
    """Returns one comparison of a filter, with an operator as AIP-160 writes it."""
    found: sa.ColumnElement[bool] = column.op(operator.replace("!=", "<>"), is_comparison=True)(
        value
    )
    return found


def matches(found: Filter | None, columns: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Returns the condition of a filter, whose fields are columns, or functions of an operator and
    a value that return a condition."""
    match found:
        case None:
            return sa.true()
        case FieldComparison(field=field, operator=operator, value=value):
            column = columns[field]
            made: sa.ColumnElement[bool] = (
                column(operator, value)
                if inspect.isfunction(column)
                else compare(column, operator, value)
            )
            return made
        case Junction(parts=parts, every=every):
            conditions = [matches(part, columns) for part in parts]
            return sa.and_(*conditions) if every else sa.or_(*conditions)
        case Negation(part=part):
            return sa.not_(matches(part, columns))
    assert_never(found)


def newest_first(
    query: "sa.Select[Any]", *key: sa.ColumnElement[Any], after: Sequence[Any] | None, limit: int
) -> "sa.Select[Any]":
    """Returns the query of a page: at most `limit` rows, the greatest key first.

    `after` is the key of the last row of the page before; None begins.
    """
    if after is not None:
        query = query.where(sa.tuple_(*key) < sa.tuple_(*after))
    return query.order_by(*(column.desc() for column in key)).limit(limit)


def advisory_lock(key: Any) -> sa.Function[Any]:
    """Returns a call that waits for the lock of a text and holds it until the transaction ends."""
    return sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))


def try_advisory_lock(key: Any) -> sa.Function[Any]:
    """Like `advisory_lock`, but waits for nobody. Returns a call that tells whether it has it."""
    return sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(key, 0))


async def take_lock(connection: AsyncConnection, key: str) -> None:
    """Waits for the lock of `key` and holds it until the transaction ends."""
    await connection.execute(sa.select(advisory_lock(key)))
