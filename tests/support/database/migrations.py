"""What a service's migrations are held to."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.db import database

T = TypeVar("T")


def differences(url: str, schema: str, models: sa.MetaData) -> list[Any]:
    """Where the migrated schema and the models disagree."""

    def compare(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == schema,
                "include_object": lambda _, name, kind, *__: (
                    kind != "table" or name == "alembic_version" or name in _names(models)
                ),
                "version_table_schema": schema,
            },
        )
        return list(compare_metadata(context, models))

    return _on(url, compare)


def leftovers(url: str, schema: str) -> list[str]:
    """Tables, indexes, sequences and types that are in the schema."""
    query = sa.text(
        "select relname from pg_class where relnamespace = cast(:schema as regnamespace)"
        " union select typname from pg_type where typnamespace = cast(:schema as regnamespace)"
    )

    def look(connection: sa.Connection) -> list[str]:
        return list(connection.scalars(query, {"schema": schema}))

    return _on(url, look)


def heads(package: str) -> list[str]:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    return list(ScriptDirectory.from_config(config).get_heads())


def unnamed(models: sa.MetaData) -> list[str]:
    """Constraints that a driver's error could not be recognised by."""
    return [
        f"{table.name}: {constraint}"
        for table in models.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]


def _names(models: sa.MetaData) -> set[str]:
    return {table.name for table in models.tables.values()}


def _on(url: str, do: Callable[[sa.Connection], T]) -> T:
    async def run() -> T:
        engine = database.create_engine(url, schema="public")
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(do)
        finally:
            await engine.dispose()

    return asyncio.run(run())
