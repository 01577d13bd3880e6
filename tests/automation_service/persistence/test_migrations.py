"""The migrations make exactly what the tables say, and take it away again."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import METADATA
from shared.db import database

PACKAGE, SCHEMA = "automation_service.persistence", "automation"
_LEFT = sa.text("""
    select relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where nspname = 'automation'
    union all
    select typname::text from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where nspname = 'automation' and typtype = 'e'
""")
_ENUMS = sa.text("""
    select typname::text, array_agg(enumlabel::text order by enumsortorder)
    from pg_enum e join pg_type t on t.oid = e.enumtypid
    join pg_namespace n on n.oid = t.typnamespace where nspname = 'automation' group by 1
""")


async def inspected(url: str, inspect: sa.TextClause) -> list[sa.Row[tuple[object, ...]]]:
    engine = database.create_engine(url, schema=SCHEMA)
    try:
        async with engine.connect() as connection:
            return list((await connection.execute(inspect)).all())
    finally:
        await engine.dispose()


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "compare_type": True,
            "compare_server_default": True,
            "version_table_schema": SCHEMA,
            "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        },
    )
    return list(compare_metadata(context, METADATA))


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory("automation_service/persistence/migrations").get_heads()) == 1


def test_up_down_and_up_again_leaves_nothing_between(automation_database_url: str) -> None:
    import asyncio

    url = automation_database_url
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    assert asyncio.run(inspected(url, _LEFT))
    database.downgrade(url, package=PACKAGE, schema=SCHEMA)
    assert asyncio.run(inspected(url, _LEFT)) == []
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    assert asyncio.run(inspected(url, _LEFT))


def test_upgrading_twice_changes_nothing(automation_database_url: str) -> None:
    for _ in range(2):
        database.upgrade(automation_database_url, package=PACKAGE, schema=SCHEMA)


async def test_the_migrated_schema_is_what_the_tables_say(url: str) -> None:
    # Alembic reads the schema first in the path as one without a name.
    engine = database.create_engine(url, schema="public")
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_the_enums_have_the_values_of_the_code(automation: AsyncConnection) -> None:
    stored = {str(name): list(values) for name, values in await automation.execute(_ENUMS)}
    types = {
        column.type.name: column.type.enums
        for table in METADATA.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.Enum)
    }
    assert stored == types


async def test_every_constraint_has_a_name_of_ours(automation: AsyncConnection) -> None:
    found = await automation.execute(
        sa.text(
            "select conname::text from pg_constraint c join pg_namespace n on n.oid ="
            " c.connamespace where nspname = 'automation' and contype <> 'n'"
            " and conrelid <> 'automation.alembic_version'::regclass"
        )
    )
    assert [n for n in found.scalars() if not n.startswith(("pk_", "fk_", "uq_", "ck_"))] == []
