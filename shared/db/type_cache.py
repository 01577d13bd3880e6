"""Types of a database, described once for all connections to it.

asyncpg asks the server for each enum and array type that a connection meets: a recursive query
whose plan takes the server some 12 ms, several times for every connection.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

# Asked for when the first connection opens, since it meets most of them soon: each enum, and each
# array of an enum or of a base type. The columns are those of asyncpg's own query.
_COMMON: Final = """
select t.oid, n.nspname as ns, t.typname as name, t.typtype as kind,
       null::oid as basetype, t.typelem as elemtype, e.typdelim as elemdelim,
       null::oid as range_subtype, null::oid[] as attrtypoids, null::text[] as attrnames,
       null::text as basetype_name, format_type(e.oid, null) as elemtype_name,
       null::text as range_subtype_name
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
where t.typtype = 'e' or e.typtype in ('b', 'e')
order by t.typelem
limit 2000
"""


@dataclass(frozen=True, slots=True)
class _NoStatement:
    """Stands for a query that was not made; a name keeps the caller's own statement prepared."""

    name: str = "described"


class TypeCache:
    """What the connections to one database share of its types.

    A type that is dropped and made again has another oid, so that nothing shared gets stale.
    """

    def __init__(self) -> None:
        self._known = _KnownTypes()
        self._connection_class = _connection_class(self._known)

    async def connect(self, dsn: str, **options: Any) -> asyncpg.Connection:
        """Connects as `asyncpg.connect` does, and raises what that raises."""
        options["connection_class"] = self._connection_class
        connection = await asyncpg.connect(dsn, **options)
        if not self._known.rows:
            try:
                self._known.add(await connection.fetch(_COMMON))
            except BaseException:
                connection.terminate()
                raise
        return connection


@dataclass(frozen=True, slots=True)
class _KnownTypes:
    """The rows that describe a type, by its oid."""

    rows: dict[int, list[Any]] = field(default_factory=dict)
    # Connections that open together ask one after another, so that one answer does for all.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, types: list[Any]) -> None:
        """Adds types, each enum before its array."""
        for row in types:
            self.rows[row["oid"]] = [*self.rows.get(row["elemtype"], ()), row]


def _connection_class(known: _KnownTypes) -> type[asyncpg.Connection]:
    class Connection(asyncpg.Connection):  # type: ignore[misc]
        __slots__ = ()

        # asyncpg's own step from unknown oids to the rows that describe them.
        async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:
            asked = list(typeoids)
            statement: Any = _NoStatement()
            async with known.lock:
                if missing := [oid for oid in asked if oid not in known.rows]:
                    rows, statement = await super()._introspect_types(missing, timeout)
                    known.rows.update(dict.fromkeys(missing, rows))
            found = {row["oid"]: row for oid in asked for row in known.rows[oid]}
            return list(found.values()), statement

    return Connection
