"""Types of a database, described once for all connections to it.

asyncpg asks the server for each enum type that a connection meets: a recursive query whose plan
takes the server some 12 ms, several times for every connection.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

# Asked for when the first connection opens: it meets most of them soon.
_ENUMS: Final = """
select coalesce(array_agg(oid), '{}') from (
  select unnest(array[oid, typarray]) as oid from pg_type where typtype = 'e' limit 1000
) enums
"""


@dataclass(frozen=True, slots=True)
class _Described:
    """Stands for a query that was not made; a name keeps the caller's own statement prepared."""

    name: str = "described"


@dataclass(frozen=True, slots=True)
class TypeCache:
    """What the connections to one database share of its types.

    A type that is dropped and made again has another oid, so that nothing shared gets stale.
    """

    _described: dict[int, list[Any]] = field(default_factory=dict)
    # Connections that open together ask one after another, so that one answer does for all.
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def connect(self, dsn: str, **options: Any) -> asyncpg.Connection:
        """Connects as `asyncpg.connect` does, and raises what that raises."""
        options["connection_class"] = self._connection_class()
        connection = await asyncpg.connect(dsn, **options)
        if not self._described:
            try:
                await connection.describe(await connection.fetchval(_ENUMS))
            except BaseException:
                connection.terminate()
                raise
        return connection

    def _connection_class(cache) -> type[asyncpg.Connection]:  # noqa: N805
        class Connection(asyncpg.Connection):  # type: ignore[misc]
            __slots__ = ()

            async def describe(self, oids: Iterable[int]) -> None:
                await self._introspect_types(oids, None)

            async def _introspect_types(
                self, typeoids: Iterable[int], timeout: float | None
            ) -> Any:
                asked = list(typeoids)
                statement: Any = _Described()
                async with cache._lock:
                    if missing := [oid for oid in asked if oid not in cache._described]:
                        rows, statement = await super()._introspect_types(missing, timeout)
                        cache._described.update(dict.fromkeys(missing, rows))
                found = {row["oid"]: row for oid in asked for row in cache._described[oid]}
                return list(found.values()), statement

        return Connection
