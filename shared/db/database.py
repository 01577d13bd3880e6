"""PostgreSQL through SQLAlchemy and asyncpg: engines, transactions, migrations and errors."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared import errors
from shared.db.type_cache import TypeCache
from shared.json import compact_json

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

# How long a migration waits for a lock.
LOCK_TIMEOUT: Final = "10s"

# A process that is held up in a transaction must not hold its rows for ever.
_LIMITS: Final = {"idle_in_transaction_session_timeout": "60s"}


def metadata(schema: str) -> sa.MetaData:
    return sa.MetaData(schema=schema, naming_convention=NAMING)


def plain_dsn(url: str) -> str:
    """The URL as libpq and asyncpg read it, without a driver's name in its scheme."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"


def create_engine(url: str, *, schema: str, pool_size: int = 20) -> AsyncEngine:
    """Returns an engine of at most `pool_size` connections with `schema` as search path.

    It connects when first used, and keeps its connections: a new one costs as much as fifty
    statements. A caller waits while all are in use.
    """
    dsn = plain_dsn(url)

    given = {"search_path": schema, "timezone": "UTC", **_LIMITS}
    types = TypeCache()

    async def connect() -> asyncpg.Connection:
        return await types.connect(dsn, server_settings=given, command_timeout=60)

    made = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_recycle=1800,
        json_serializer=compact_json.dump,
    )
    sa.event.listen(made.sync_engine, "checkout", _refuse_closed)
    return made


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Has the pool open a new connection for one that the server has closed.

    The loop has seen the close, so that nobody need ask the server first.
    """
    if connection.driver_connection.is_closed():
        raise sa.exc.InvalidatePoolError("closed by the server")


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction: committed at the end, rolled back when anything is raised."""
    async with engine.begin() as connection:
        yield connection


async def asyncpg_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """Returns the asyncpg connection under one of SQLAlchemy's, in the same transaction if any."""
    adapted: Any = (connection.sync_connection or await connection.start()).connection
    under: asyncpg.Connection = adapted.driver_connection
    # SQLAlchemy's BEGIN is lazy: before a first statement a raw call would commit alone.
    if connection.in_transaction() and not under.is_in_transaction():
        await adapted.dbapi_connection._start_transaction()
    return under


@contextlib.asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Opens a connection on which each statement is a transaction of its own."""
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def read_time(engine: AsyncEngine) -> datetime:
    """Returns the time of the database's clock, which all replicas share."""
    async with engine.connect() as connection:
        await connection.execute(sa.text("select 1"))  # what comes before the clock is read
        now: datetime = (
            await connection.execute(sa.select(sa.func.clock_timestamp()))
        ).scalar_one()
    return now


def constraint_of(error: IntegrityError) -> str:
    """Returns the name of the constraint that a statement violated."""
    cause: Any = error.orig
    while cause is not None:
        if name := getattr(cause, "constraint_name", None):
            return str(name)
        cause = cause.__cause__
    return ""


def translate(error: BaseException) -> errors.RotaError | None:
    """Returns ServiceUnavailable for a lost or unreachable database; None for other errors."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    refused = isinstance(
        error,
        OSError
        | asyncpg.PostgresConnectionError
        | asyncpg.CannotConnectNowError
        | asyncpg.TooManyConnectionsError
        | asyncpg.AdminShutdownError,
    )
    closed = isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    fault = isinstance(error, DBAPIError | asyncpg.PostgresError) and _is_connection_fault(error)
    none_free = isinstance(error, sa.exc.TimeoutError)
    if lost or refused or closed or fault or none_free:
        return errors.ServiceUnavailable("the database can't be reached; try again")
    return None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raises ServiceUnavailable for a lost or unreachable database."""
    try:
        yield
    except Exception as error:
        refusal = translate(error)
        if refusal is None:
            raise
        raise refusal from error


def log_fault(log: Any, event: str, error: Exception) -> None:
    """Logs the error as `event`, unless it says that the database is lost or unreachable."""
    if translate(error) is None:
        log.error(event, exc_info=error)


def upgrade(url: str, *, package: str, schema: str, revision: str = "head") -> None:
    """Brings `schema` to a revision of the package's migrations."""
    command.upgrade(_alembic(url, package, schema), revision)


def downgrade(url: str, *, package: str, schema: str, revision: str = "base") -> None:
    command.downgrade(_alembic(url, package, schema), revision)


def run_migrations(config: Config, target: sa.MetaData, run: Callable[[], None]) -> None:
    """What a service's Alembic `env.py` does: a transaction a migration, versions in its schema.

    A migration that waits for a lock for LOCK_TIMEOUT fails and changes nothing, since all calls
    would wait behind it; those before it stay.
    """
    import asyncio

    from alembic import context

    schema = config.attributes["schema"]

    def migrate(connection: sa.Connection) -> None:
        # Replicas that start together take turns, until each is disconnected.
        connection.execute(sa.text("select pg_advisory_lock(hashtext(:n))"), {"n": schema})
        connection.execute(sa.text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
        # `if not exists` would want the right to create even where the schema is there.
        if schema not in sa.inspect(connection).get_schema_names():
            connection.execute(sa.schema.CreateSchema(schema))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=target,
            version_table_schema=schema,
            include_schemas=True,
            transactional_ddl=True,
            transaction_per_migration=True,
            compare_type=True,
            compare_server_default=True,
        )
        with context.begin_transaction():
            run()
        if context.get_context().get_current_heads() == ():
            connection.execute(sa.text(f'drop table if exists "{schema}".alembic_version'))
        connection.commit()

    async def connect() -> None:
        # With its own schema as the search path, PostgreSQL's names would come back unqualified.
        under = create_engine(config.attributes["url"], schema="public")
        try:
            async with under.connect() as connection:
                await connection.run_sync(migrate)
        finally:
            await under.dispose()

    asyncio.run(connect())


def _alembic(url: str, package: str, schema: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.attributes["url"] = url
    config.attributes["schema"] = schema
    return config


def _is_connection_fault(error: DBAPIError | asyncpg.PostgresError) -> bool:
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None:
        if str(getattr(cause, "sqlstate", "") or "").startswith(("08", "57P", "53300")):
            return True
        cause = cause.__cause__
    return False
