"""Inserts automations and triggers of a benchmark directly into the tables."""

from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from devstack.postgres.roles import ServiceDatabases
from shared import resources
from shared.clock import CorrectedClock
from shared.definition.envelope import AutomationCreate, dump
from shared.schedule import zones
from shared.schedule.slots import jitter
from tests.support.system.automation import news
from tests.support.system.automation import schedule as trigger_of

MINUTE: Final = timedelta(minutes=1)


def clock_before(moment: datetime, seconds: float) -> CorrectedClock:
    """Returns a clock on which `moment` is `seconds` away."""
    clock = CorrectedClock()
    clock.offset = moment - timedelta(seconds=seconds) - clock.now()
    return clock


def next_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE


def insert_due_automations(
    databases: ServiceDatabases,
    minute: datetime,
    count: int,
    *,
    steps: int,
    jitter_seconds: int,
) -> None:
    """Inserts automations with one slot each, due at the minute plus jitter."""
    plan = [
        {"step_id": f"s{n}", "action": "agent_task", "config": {"prompt": "go"}}
        for n in range(steps)
    ]
    trigger = trigger_of(max_fires=1, jitter_seconds=jitter_seconds)
    said = AutomationCreate.model_validate(news(triggers=[trigger], plan=plan))
    now = minute - MINUTE / 2
    ids = [resources.new_id() for _ in range(count)]
    values = {
        "ids": ids,
        "due": [minute + jitter(str(each), minute, jitter_seconds) for each in ids],
        "now": now,
        "said": Jsonb(dump(said.definition)),
        "tzdata": zones.VERSION,
    }
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        connection.execute(_AUTOMATIONS.encode(), values)
        connection.execute("analyze")


def insert_idle_triggers(databases: ServiceDatabases, count: int) -> None:
    """Inserts triggers that are not due within a day."""
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        connection.execute(_WAITING.replace("COUNT", str(count)).encode())


_AUTOMATIONS = """
with tenants as (
  insert into automation.workspaces values ('w', now())
  on conflict do nothing returning 1
), people as (
  insert into automation.users values ('ada', '', '', now())
  on conflict do nothing returning 1
), members as (
  insert into automation.memberships (workspace_id, user_id, role, seen_time)
  values ('w', 'ada', 'owner', now())
  on conflict do nothing returning 1
), wanted as (
  select id, due, gen_random_uuid() as owner
  from unnest(%(ids)s::uuid[], %(due)s::timestamptz[]) as each (id, due)
), made as (
  insert into automation.automations
    (id, workspace_id, resource_id, creator_id, name, description, status, definition, revision,
     version, create_time, update_time)
  select owner, 'w', owner::text, 'ada', 'a', '', 'active',
         jsonb_set(%(said)s::jsonb, '{name}', to_jsonb(owner)), 1, 1, %(now)s, %(now)s
  from wanted
), revised as (
  insert into automation.automation_revisions
    (automation_id, revision, definition, author_id, create_time)
  select owner, 1, '{}', 'ada', %(now)s from wanted
)
insert into automation.automation_triggers
  (id, automation_id, trigger_id, type, enabled, decided_until, next_fire_time, tzdata_version,
   create_time)
select id, owner, 't', 'schedule', true, %(now)s, due, %(tzdata)s, %(now)s from wanted
"""
_WAITING = """
set session_replication_role = replica;
set search_path = automation;
insert into workspaces (id, create_time) values ('w', now());
insert into automations (id, workspace_id, resource_id, name, description, status, definition,
  revision, version, create_time, update_time)
select lpad(to_hex(n), 32, '0')::uuid, 'w', 'a' || n, 'a', '', 'active', '{}', 1, 1, now(), now()
from generate_series(0, 999) n;
insert into automation_triggers (id, automation_id, trigger_id, type, enabled, decided_until,
  next_fire_time, tzdata_version, create_time)
select gen_random_uuid(), lpad(to_hex(n % 1000), 32, '0')::uuid, n::text, 'schedule', true, now(),
  now() + interval '1 day' + n * interval '1 second', '2026a', now()
from generate_series(1, COUNT) n;
analyze automation_triggers;
"""
