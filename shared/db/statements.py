"""Statements that SQLAlchemy compiles once and asyncpg runs: for what every call and turn does.

SQLAlchemy core takes about three times the CPU time for a short query
(`python -m bench statements`). A test pins the private attributes of SQLAlchemy that this
needs.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import database
from shared.json import compact_json

_DIALECT: Final = dialect(json_serializer=compact_json.dump)  # type: ignore[no-untyped-call]

_Convert = Callable[[Any], Any]


async def fetch(connection: AsyncConnection, sql: str, *values: Any) -> list[Any]:
    """Runs SQL with $1, $2, … and returns asyncpg's records.

    It runs in the connection's transaction, or alone on one without. Faults are asyncpg's own.
    """
    under = await database.asyncpg_connection(connection)
    try:
        found: list[Any] = await under.fetch(sql, *values)
    except asyncio.CancelledError:
        # What was running is unknown: the connection is not for others.
        await connection.invalidate()
        raise
    return found


@dataclass(frozen=True, slots=True)
class _Written:
    text: str
    given: tuple[tuple[str, Any, _Convert | None], ...]  # by position: name, default, conversion
    columns: tuple[tuple[str, _Convert | None], ...]


class Statement:
    """Values come by the names of its `sa.bindparam`s; lists go to `= any(…)`, not to `in`.

    It runs in the connection's transaction, or alone on one without. Faults are asyncpg's own.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement

    async def rows(self, connection: AsyncConnection, **values: Any) -> list[dict[str, Any]]:
        return self._converted(await self._fetch(connection, values))

    async def rows_of_each(
        self, connection: AsyncConnection, calls: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Runs once for each of the values, in one round trip and, alone, one transaction.

        The rows do not tell which call they are of.
        """
        given = [self._arguments(values) for values in calls]
        under = await database.asyncpg_connection(connection)
        try:
            return self._converted(await under.fetchmany(self._written.text, given))
        except asyncio.CancelledError:
            await connection.invalidate()  # as above
            raise

    async def row(self, connection: AsyncConnection, **values: Any) -> dict[str, Any] | None:
        found = await self.rows(connection, **values)
        return found[0] if found else None

    async def scalar(self, connection: AsyncConnection, **values: Any) -> Any:
        """The first column of the first row; None without one."""
        for row in await self.rows(connection, **values):
            return next(iter(row.values()))
        return None

    async def run(self, connection: AsyncConnection, **values: Any) -> None:
        await self._fetch(connection, values)

    async def _fetch(self, connection: AsyncConnection, values: Mapping[str, Any]) -> list[Any]:
        return await fetch(connection, self._written.text, *self._arguments(values))

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            _given(values.get(name, default), convert)
            for name, default, convert in self._written.given
        ]

    def _converted(self, rows: Iterable[Any]) -> list[dict[str, Any]]:
        columns = self._written.columns
        return [
            {
                name: value if convert is None else convert(value)
                for (name, convert), value in zip(columns, row, strict=True)
            }
            for row in rows
        ]

    @cached_property
    def _written(self) -> _Written:
        compiled = self._statement.compile(dialect=_DIALECT)
        defaults = compiled.params
        names = compiled.positiontup or ()
        convert = compiled._bind_processors
        results = compiled._result_columns or ()
        return _Written(
            text=compiled.string,
            given=tuple((name, defaults.get(name), convert.get(name)) for name in names),
            columns=tuple(
                (str(entry[0]), entry[3]._cached_result_processor(_DIALECT, None))
                for entry in results
            ),
        )


def _given(value: Any, convert: _Convert | None) -> Any:
    return value if convert is None else convert(value)
