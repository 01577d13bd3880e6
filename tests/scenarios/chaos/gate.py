"""Holds writes of a table until the test lets them go on."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import asyncpg

from tests.support.system.chat import until

_numbers = count(7_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    connection: asyncpg.Connection
    key: int

    async def until_waiting(self, writes: int) -> None:
        """Until so many writes stand at it."""

        async def there() -> bool:
            found = await self.connection.fetchval(
                "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                " and objid = $1",
                self.key,
            )
            return bool(found == writes)

        await until(there, seconds=120)


@contextlib.asynccontextmanager
async def gate(superuser: str, table: str, event: str) -> AsyncIterator[Gate]:
    """`event` is a trigger's, such as `insert or update`. Opens when it is left."""
    key = next(_numbers)
    name = f"gate_{key}"
    schema = table.partition(".")[0]
    connection = await asyncpg.connect(superuser)
    try:
        await connection.execute(
            f"create function {schema}.{name}() returns trigger language plpgsql as"
            f" $$ begin perform pg_advisory_xact_lock({key}); return new; end $$"
        )
        await connection.execute(
            f"create trigger {name} before {event} on {table}"
            f" for each row execute function {schema}.{name}()"
        )
        await connection.execute("select pg_advisory_lock($1)", key)
        yield Gate(connection=connection, key=key)
        await connection.execute("select pg_advisory_unlock($1)", key)
        await connection.execute(f"drop function {schema}.{name}() cascade")
    finally:
        await connection.close()
