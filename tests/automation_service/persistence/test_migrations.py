"""The migrations make exactly what the tables say, and take it away again."""

import asyncio
import json

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import METADATA
from shared.db import database
from tests.support.system.automation import execute

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

_STORE = (
    sa.text("insert into automation.workspaces (id, create_time) values ('w', now())"),
    sa.text("""
        insert into automation.automations
          (id, workspace_id, resource_id, name, description, status, definition, revision, version,
           create_time, update_time)
        select gen_random_uuid(), id, 'a', 'A', '', 'active', cast(:definition as jsonb), 1, 1,
          now(), now() from automation.workspaces
    """),
    sa.text("""
        insert into automation.automation_revisions
          (automation_id, revision, definition, create_time)
        select id, 1, definition, now() from automation.automations
    """),
)
_STORED = sa.text("""
    select definition->'triggers'->0->'config'->>'cron', version from automation.automations
    union all
    select definition->'triggers'->0->'config'->>'cron', revision
    from automation.automation_revisions
""")


async def store(url: str, definition: str) -> None:
    engine = database.create_engine(url, schema=SCHEMA)
    try:
        async with engine.begin() as connection:
            for statement in _STORE:
                await connection.execute(statement, {"definition": definition})
    finally:
        await engine.dispose()


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0 9 */2 * MON", "0 9 1-31/2 * MON"),
        ("0 9 */2,L * 1-5", "0 9 1-31/2,L * 1-5"),
        ("0 9 13 * */2", "0 9 13 * 0-7/2"),
        ("0 9 */2 * */3,5", "0 9 1-31/2 * 0-7/3,5"),
        ("0 9 */2 * 0-6", "0 9 */2 * 0-6"),
        ("0 9 */2 * SAT-SUN,1-5", "0 9 */2 * SAT-SUN,1-5"),
        ("0 9 1-31 * */2", "0 9 1-31 * */2"),
        ("0 9 */2 * 1#2", "0 9 */2 * 1#2"),
        ("*/5 9 1 * MON", "*/5 9 1 * MON"),
        ("0 9 */2 * *", "0 9 */2 * *"),
    ],
)
def test_schedules_of_either_day_keep_their_days(before: str, after: str) -> None:
    found = ScriptDirectory("automation_service/persistence/migrations").get_revision("0007")
    assert found.module.keep_either(before) == after


def test_stored_schedules_of_either_day_are_rewritten(automation_database_url: str) -> None:
    url = automation_database_url
    definition = {"triggers": [{"type": "schedule", "config": {"cron": "0 9 */2 * MON"}}]}
    database.upgrade(url, package=PACKAGE, schema=SCHEMA, revision="0006")
    asyncio.run(store(url, json.dumps(definition)))
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    stored = asyncio.run(inspected(url, _STORED))
    kept = "0 9 1-31/2 * MON"
    assert [str(cell) for row in stored for cell in row] == [kept, "2", kept, "1"]


_RUNS = """
insert into automation.automation_triggers
  (id, automation_id, trigger_id, type, enabled, decided_until, tzdata_version, create_time)
select gen_random_uuid(), id, 'kept', 'schedule', true, now(), '', now()
  from automation.automations;
insert into automation.automation_runs
  (id, workspace_id, automation_id, trigger, slot_time, status, exclusive, definition_snapshot,
   revision, create_time)
select gen_random_uuid(), a.workspace_id, a.id, t.id, now(), 'pending', true, '{}', 1, now()
  from automation.automations a join automation.automation_triggers t on t.automation_id = a.id;
insert into automation.automation_runs
  (id, workspace_id, automation_id, slot_time, status, exclusive, definition_snapshot, revision,
   create_time)
select gen_random_uuid(), workspace_id, id, now(), 'pending', true, '{}', 1, now()
  from automation.automations, generate_series(1, 2);
insert into automation.automation_slots
  (id, automation_id, trigger, trigger_id, slot_time, fire_time, local_time, outcome, run_id,
   decide_time)
select gen_random_uuid(), automation_id, gen_random_uuid(), 'deleted', slot_time, slot_time, '',
       'fired', id, slot_time
  from automation.automation_runs where trigger is null limit 1;
"""


def test_stored_runs_take_the_id_of_their_trigger_from_it_or_from_their_slot(
    automation_database_url: str,
) -> None:
    url = automation_database_url
    database.upgrade(url, package=PACKAGE, schema=SCHEMA, revision="0007")
    asyncio.run(store(url, "{}"))
    for statement in _RUNS.split(";")[:-1]:
        asyncio.run(execute(url, statement))
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    ids = sa.text("select trigger_id from automation.automation_runs order by 1")
    assert [row.trigger_id for row in asyncio.run(inspected(url, ids))] == ["", "deleted", "kept"]


_SESSIONS = """
insert into automation.automation_runs
  (id, workspace_id, automation_id, slot_time, status, exclusive, definition_snapshot, revision,
   create_time, end_time, step_results)
select gen_random_uuid(), workspace_id, id, now(), 'succeeded', true, '{}', 1, now(),
       now() - n * interval '1 minute',
       jsonb_build_array(jsonb_build_object('step_id', 'a', 'session_id', n::text))
  from automation.automations, generate_series(1, 2100) n
"""


def test_a_migration_that_waits_for_a_lock_fails_alone_and_sessions_are_copied_in_the_end(
    automation_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = automation_database_url
    database.upgrade(url, package=PACKAGE, schema=SCHEMA, revision="0020")
    asyncio.run(store(url, "{}"))
    asyncio.run(execute(url, _SESSIONS))
    monkeypatch.setattr(database, "LOCK_TIMEOUT", "100ms")
    version = sa.text("select version_num from automation.alembic_version")

    async def hold() -> None:
        engine = database.create_engine(url, schema=SCHEMA)
        async with engine.begin() as connection:
            await connection.execute(sa.text("select id from automation_runs limit 1"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                await asyncio.to_thread(database.upgrade, url, package=PACKAGE, schema=SCHEMA)
        await engine.dispose()

    asyncio.run(hold())
    assert [row.version_num for row in asyncio.run(inspected(url, version))] == ["0021"]
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    count = sa.text("select count(distinct session_id) as n from automation.run_sessions")
    assert [row.n for row in asyncio.run(inspected(url, count))] == [2100]


def test_the_names_of_removed_destinations_are_found_where_they_are_named(
    automation_database_url: str,
) -> None:
    url = automation_database_url
    database.upgrade(url, package=PACKAGE, schema=SCHEMA, revision="0028")
    to = ["inbox", "workspaces/w/destinations/planned", "workspaces/x/destinations/foreign"]
    asyncio.run(store(url, json.dumps({"plan": [{"config": {"to": to}}]})))
    asyncio.run(execute(url, _AUDIT))
    database.upgrade(url, package=PACKAGE, schema=SCHEMA)
    names = sa.text("select resource_id from automation.destination_names order by 1")
    found = [row.resource_id for row in asyncio.run(inspected(url, names))]
    assert found == ["audited", "planned"]


_AUDIT = """
insert into automation.audit_events (id, workspace_id, actor, action, resource, create_time)
select gen_random_uuid(), 'w', 'ada', 'DeleteDestination', 'workspaces/w/' || name, now()
  from unnest(array['destinations/audited', 'automations/a']) name
"""


async def test_no_index_of_runs_speaks_of_what_each_checkpoint_changes(url: str) -> None:
    found = await execute(
        url,
        """
        select distinct a.attname::text as name
          from pg_index i
          join pg_depend d on d.objid = i.indexrelid and d.refobjid = i.indrelid
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = d.refobjsubid
         where i.indrelid = 'automation.automation_runs'::regclass
        """,
    )
    indexed = {row["name"] for row in found}
    assert {"id", "status", "end_time", "events_deleted"} <= indexed
    assert indexed.isdisjoint({"events", "step_results", "usage", "artifacts"})
