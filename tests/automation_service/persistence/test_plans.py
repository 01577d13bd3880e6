"""The hot queries read their indexes, with a million triggers beside them."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import (
    automations,
    retention,
    run_checkpoints,
    run_claims,
    run_endings,
    run_maintenance,
    runs,
    slot_dispatch,
    slots,
    triggers,
)
from automation_service.persistence.outbox import deliveries
from automation_service.persistence.run_checkpoints import Checkpoint
from devstack.postgres.roles import ServiceDatabases
from shared.db import database
from shared.definition.states import SlotOutcome
from shared.list_filter import FieldComparison
from tests.support.database.postgres import SuiteServer
from tests.support.database.statements import see_statements_of
from tests.support.system.automation import START, migrated

OWNER = UUID(int=1)
OWNERS = [UUID(int=n) for n in range(1, 201)]  # a batch of the scheduler's
TRIGGERS = 1_000_000
# 1,000 automations with 1,000 triggers each, and a history of 20,000 slots and runs. One run of
# each automation waits: without any active run, the indexes that find none cost nearly the same.
# Keys and foreign keys are checked when a row comes from the service; here they would only cost
# time.
FILL = f"""
set session_replication_role = replica;
set search_path = automation;
insert into workspaces (id, create_time) select 'w' || n, now() from generate_series(0, 9) n;
insert into automations
    (id, workspace_id, resource_id, name, description, status, definition, revision, version,
     create_time, update_time)
select lpad(to_hex(n), 32, '0')::uuid, 'w' || n % 10, 'a' || n, 'a', '', 'active', '{{}}', 1, 1,
       now() - n * interval '1 minute', now()
from generate_series(1, 1000) n;
insert into automation_triggers
    (id, automation_id, trigger_id, type, enabled, decided_until, next_fire_time, tzdata_version,
     create_time)
select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 1000 + 1), 32, '0')::uuid, n::text,
       'schedule', true, now(), now() + n * interval '1 second', '2026a', now()
from generate_series(1, {TRIGGERS}) n;
insert into automation_runs
    (id, workspace_id, automation_id, slot_time, status, exclusive, definition_snapshot, revision,
     events, create_time, end_time)
select lpad(to_hex(n), 32, '0')::uuid, 'w' || (n % 1000 + 1) % 10,
       lpad(to_hex(n % 1000 + 1), 32, '0')::uuid, now() - n * interval '1 minute', 'succeeded',
       true, '{{}}', 1, 5, now() - n * interval '1 minute', now() - n * interval '1 minute'
from generate_series(1, 20000) n;
insert into automation_runs
    (id, workspace_id, automation_id, slot_time, status, exclusive, definition_snapshot, revision,
     create_time)
select lpad(to_hex(20000 + n), 32, '0')::uuid, 'w' || n % 10, lpad(to_hex(n), 32, '0')::uuid,
       now(), 'pending', true, '{{}}', 1, now()
from generate_series(1, 1000) n;
insert into automation_slots
    (id, automation_id, trigger, trigger_id, slot_time, fire_time, local_time, outcome, decide_time)
select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 1000 + 1), 32, '0')::uuid,
       lpad(to_hex(n), 32, '0')::uuid, n::text, now() - n * interval '1 minute', now(), '', 'fired',
       now()
from generate_series(1, 20000) n;
insert into run_sessions (run_id, session_id, workspace_id, step_id, attempt)
select id, id::text, workspace_id, 's', 1 from automation_runs;
insert into deliveries
    (id, workspace_id, automation, step_id, destination, subject, body, format, condition,
     content_digest, state, create_time, next_attempt_time)
select lpad(to_hex(n), 32, '0')::uuid, 'w' || n % 10, '', '', 'd', '', '', 'text', 'always', '',
       'pending', now(), now()
from generate_series(1, 20000) n;
analyze deliveries;
analyze automations; analyze automation_triggers; analyze automation_runs; analyze run_sessions;
analyze automation_slots;
"""


INDEXES = """
select indexname, indexdef from pg_indexes
where schemaname = 'automation' and tablename = 'automation_triggers' and indexname like 'ix_%'
"""
ALTER = "alter table automation.automation_triggers"
UNIQUE = """
select conname, pg_get_constraintdef(oid) from pg_constraint
where conrelid = 'automation.automation_triggers'::regclass and contype = 'u'
"""


def filled(databases: ServiceDatabases) -> None:
    migrated(databases)
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        held = connection.execute(INDEXES).fetchall()
        unique = connection.execute(UNIQUE).fetchall()
        # Built at the end, as for any large load.
        for name, _ in held:
            connection.execute(f"drop index automation.{name}".encode())
        for name, _ in unique:
            connection.execute(f"{ALTER} drop constraint {name}".encode())
        connection.execute(FILL.encode())
        for _, definition in held:
            connection.execute(definition.encode())
        for name, definition in unique:
            connection.execute(f"{ALTER} add constraint {name} {definition}".encode())


@pytest.fixture(scope="module")
def million(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    """Built in place: a copy of it would take as long again."""
    databases = postgres_server.create()
    filled(databases)
    yield databases
    postgres_server.drop(databases)


@pytest.fixture
async def connection(million: ServiceDatabases) -> AsyncIterator[AsyncConnection]:
    engine = database.create_engine(million.automation, schema="automation")
    async with engine.connect() as opened:
        yield opened
        await opened.rollback()
    await engine.dispose()


async def plans(connection: AsyncConnection, statements: list[tuple[str, Any]]) -> list[str]:
    under = await database.asyncpg_connection(connection)
    found = []
    for statement, values in statements:
        rows = await under.fetch(f"explain {statement}", *values)
        found.append("\n".join(row[0] for row in rows))
    return found


def advance(number: int) -> slot_dispatch.TriggerUpdate:
    return slot_dispatch.TriggerUpdate(
        trigger=UUID(int=number),
        decided_until=START,
        fires=1,
        last_fired_at=START,
        last_fire_time=START,
        next_fire_time=START,
    )


def slot(number: int) -> slot_dispatch.SlotRow:
    return slot_dispatch.SlotRow(
        id=UUID(int=TRIGGERS + number),
        automation_id=UUID(int=number),
        trigger=UUID(int=number),
        trigger_id="t",
        slot_time=START,
        fire_time=START,
        local_time="",
        outcome=SlotOutcome.FIRED,
        reason="",
        run=UUID(int=TRIGGERS + number),
    )


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(run=UUID(int=number), attempt=1, base=1, events=[(START, "{}")])


# Runs as far as their deliveries are counted.
NAMED_RUNS: Any = [SimpleNamespace(id=UUID(int=number)) for number in range(9)]
OF_A_SESSION = FieldComparison("session", "=", str(OWNER))
QUERIES: dict[str, tuple[str, Any]] = {
    "claim due": ("ix_automation_triggers_due", lambda c: triggers.claim_due(c, START, 50)),
    "next due": ("ix_automation_triggers_due", triggers.find_next_due),
    "active runs": (
        "ix_automation_runs_active",
        lambda c: slot_dispatch.count_active_runs(c, OWNERS),
    ),
    "owners of due triggers": (
        "pk_automations",
        lambda c: slot_dispatch.lock_automations(c, OWNERS),
    ),
    "slots that are decided, and their runs": (
        "pk_automations",
        lambda c: slot_dispatch.insert_slots(c, [slot(n) for n in range(1, 201)], START),
    ),
    "what becomes of triggers": (
        "pk_automation_triggers",
        lambda c: slot_dispatch.update_triggers(c, [advance(n) for n in range(200)], "2026a"),
    ),
    "what another time zone database makes of triggers": (
        "pk_automation_triggers",
        lambda c: slot_dispatch.update_fire_times(c, dict.fromkeys(OWNERS, START), {}, "2026a"),
    ),
    "the last slots of triggers": (
        "uq_automation_slots_trigger_slot_time",
        lambda c: slot_dispatch.find_last_slots(c, OWNERS),
    ),
    "runs that follow": (
        "ix_automation_runs_active",
        lambda c: run_endings.find_next_runs(c, OWNERS),
    ),
    "runs to wake": ("ix_automation_runs_active", run_maintenance.find_runnable),
    "runs taken up": (
        "Index",
        lambda c: run_claims.claim_runs(c, OWNERS[:9], now=START, wait=False),
    ),
    "what runs have done": (
        "pk_automation_runs",
        lambda c: run_checkpoints.store(c, [checkpoint(n) for n in range(9)], wait=False),
    ),
    "runs in hand": (
        "pk_automation_runs",
        lambda c: run_maintenance.find_runs_to_stop(c, dict.fromkeys(OWNERS[:9], 1)),
    ),
    "the run before one": (
        "ix_automation_runs_succeeded",
        lambda c: runs.find_previous(c, UUID(int=20_001), output=True, steps=["a"]),
    ),
    "runs of an automation": (
        "ix_automation_runs_automation_id_create_time",
        lambda c: runs.page(c, "w2", "a2", size=10, after=None),
    ),
    "runs of a workspace": (
        "ix_automation_runs_workspace_id_create_time",
        lambda c: runs.page(c, "w2", None, size=10, after=None),
    ),
    "the run of a session": (
        "ix_run_sessions_workspace_id_session_id",
        lambda c: runs.page(c, "w2", None, size=10, after=None, filter_=OF_A_SESSION),
    ),
    "what runs did not deliver": (
        "ix_deliveries_run_id",
        lambda c: runs.add_delivery_counts(c, NAMED_RUNS),
    ),
    "threads that take nothing": (
        "ix_deliveries_automation_id_create_time",
        lambda c: automations.list_lost_threads(c, OWNERS[:9], "gone"),
    ),
    "the last outcomes of triggers": (
        "uq_automation_slots_trigger_slot_time",
        lambda c: slots.list_last_outcomes(c, OWNERS, 3),
    ),
    "slots of an automation": (
        "ix_automation_slots_automation_id_slot_time",
        lambda c: slots.page(c, OWNER, size=10, after=None),
    ),
    "a slot at a moment": (
        "ix_automation_slots_automation_id_slot_time",
        lambda c: slots.find_at(c, OWNER, "1", START),
    ),
    "due deliveries": (
        "_deliveries",
        lambda c: deliveries.claim_due(
            c,
            datetime.now(UTC),
            lease=timedelta(minutes=1),
            per_destination=2,
            per_workspace=4,
            destinations=20,
            busy=(),
        ),
    ),
    "old runs": ("ix_automation_runs_end_time", lambda c: retention.delete_runs(c, START, 10)),
    "old events": (
        "ix_automation_runs_events_kept",
        lambda c: retention.delete_events_of_runs(c, START.replace(year=2000), 10),
    ),
    "old slots": ("ix_automation_slots_slot_time", lambda c: retention.delete_slots(c, START, 10)),
}


async def reads_its_index(connection: AsyncConnection, name: str) -> None:
    index, ask = QUERIES[name]
    async with see_statements_of(connection) as statements:
        await ask(connection)
    assert statements
    for plan in await plans(connection, statements):
        assert index in plan, plan
        # Of small or few rows PostgreSQL may read all; of these never.
        for table in ("automation_triggers", "automation_runs", "automation_slots", "deliveries"):
            assert f"Seq Scan on {table}" not in plan, plan


@pytest.mark.parametrize("name", QUERIES)
async def test_a_hot_query_reads_its_index(connection: AsyncConnection, name: str) -> None:
    await reads_its_index(connection, name)


async def test_entries_of_runs_that_were_rolled_back_change_no_plan(
    connection: AsyncConnection,
) -> None:
    for _ in range(3):
        await slot_dispatch.insert_slots(connection, [slot(n) for n in range(1, 201)], START)
        await connection.rollback()
    await reads_its_index(connection, "active runs")
