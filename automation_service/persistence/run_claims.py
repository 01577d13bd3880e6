"""Claims of runs by workers: many in one transaction, each under a new attempt.

The statements are SQL that asyncpg runs, for every run (`python -m bench automation`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.statements import fetch

# Whether a pending run of an automation may begin at all. Whoever starts runs asks this.
MAY_BEGIN: Final = """
exists (
  select from automation.automations s where s.id = {automation} and s.status = 'active')
"""
# The next run of an automation: the first exclusive pending run, while no run is running. Backfills
# come after all others, and wait for no run of concurrency `always`, of which there may always be
# one.
NEXT_WAITING: Final = f"""
select n.id
  from (
    select w.id, w.backfill
      from automation.automation_runs w
     where w.automation_id = {{automation}} and w.status in ('pending', 'running')
       and w.status = 'pending' and w.exclusive
     order by w.backfill, w.slot_time, w.id
     limit 1) n
 where {MAY_BEGIN}
   and not exists (
     select from automation.automation_runs g
      where g.automation_id = {{automation}} and g.status in ('pending', 'running')
        and g.status = 'running' and (g.exclusive or not n.backfill))
"""
# In id order, so that two transactions never wait for each other in a circle.
LOCK_AUTOMATIONS: Final = """
select a.id from automation.automations a where a.id = any($1::uuid[])
 order by a.id for no key update
"""
SKIP_LOCKED: Final = " skip locked"

_OWNERS: Final = """
select distinct automation_id as id from automation.automation_runs
 where id = any($1::uuid[]) and status in ('pending', 'running')
"""
_TAKE: Final = f"""
with asked as (
  select r.id, r.automation_id,
         case when r.status = 'running' then r.id
              when r.exclusive then ({NEXT_WAITING.format(automation="r.automation_id")})
              when {MAY_BEGIN.format(automation="r.automation_id")} then r.id
              end as first
    from automation.automation_runs r
   where r.id = any($1::uuid[]) and r.automation_id = any($2::uuid[])
     and r.status in ('pending', 'running')
), taken as (
  update automation.automation_runs r
     set status = 'running', attempt = r.attempt + 1, events = r.events + 1,
         start_time = coalesce(r.start_time, $3),
         deadline = coalesce(r.deadline, clock_timestamp() + make_interval(secs =>
           case jsonb_typeof(r.definition_snapshot #> '{{execution,timeout_seconds}}')
             when 'number' then least(greatest(
               (r.definition_snapshot #>> '{{execution,timeout_seconds}}')::numeric, 0), 1e7)
             else 600 end))
    from asked where r.id = asked.id and asked.first = r.id
  returning r.*
), told as (
  insert into automation.run_events (run_id, sequence, create_time, event)
  select id, events, $3, jsonb_build_object('started', jsonb_build_object('attempt', attempt))
    from taken
)
select asked.id, asked.first, taken.attempt, taken.events, taken.automation_id,
       taken.definition_snapshot::text as snapshot, taken.inputs::text as inputs,
       taken.trigger_payload::text as trigger_payload, taken.step_results::text as step_results,
       taken.slot_time, taken.cancel_requested, taken.cancel_error::text as cancel_error,
       taken.end_reason::text as end_reason,
       extract(epoch from taken.deadline - clock_timestamp())::float8 as seconds_left,
       a.resource_id, a.workspace_id, v.author_id, taken.trigger_id, taken.backfill,
       coalesce(v.template_rules, 1) as template_rules,
       m.role as author_role
  from asked
  join automation.automations a on a.id = asked.automation_id
  left join taken on taken.id = asked.id
  left join automation.automation_revisions v
    on v.automation_id = taken.automation_id and v.revision = taken.revision
  left join automation.memberships m
    on m.workspace_id = a.workspace_id and m.user_id = v.author_id and m.revoked_time is null
"""


class AttemptFenced(Exception):
    """Another worker holds the run, or the run has ended: this worker must not write to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run that this worker may execute. `seconds_left` is by the clock of the database.

    With `end_reason` the run ends: only its on_failure is left, and the seconds are those of it.
    """

    run: UUID
    attempt: int
    events: int  # stored so far
    automation_id: UUID
    automation: str
    workspace: str
    author: str | None  # of the run's revision; None for a deleted user
    author_role: str | None  # in the workspace, today; None for a user without access
    snapshot: str  # the definition, as JSON
    template_rules: int  # of `shared.templates.template_rules`, since the revision was saved
    inputs: dict[str, Any]
    trigger_payload: dict[str, Any]
    trigger_id: str
    slot_time: datetime
    backfill: bool
    step_results: list[dict[str, Any]]
    seconds_left: float
    cancel_requested: bool
    end_reason: dict[str, Any] | None
    cancel_error: dict[str, Any] | None = None  # why the cancellation is requested, if not asked


async def claim_runs(
    connection: AsyncConnection, runs: Sequence[UUID], *, now: datetime, wait: bool
) -> dict[UUID, Claim | UUID | None]:
    """Claims runs under a new attempt, in a transaction.

    The value is None when the run has ended or must wait, and an id when that run of its
    automation comes first. Without `wait` it skips runs whose automation is locked.
    """
    owners = [row["id"] for row in await fetch(connection, _OWNERS, runs)]
    held = await lock_automations(connection, owners, wait=wait)
    # A second statement, so that it sees what earlier holders of the locks wrote.
    rows = await fetch(connection, _TAKE, runs, list(held), now)
    found: dict[UUID, Claim | UUID | None] = {_plain(row["id"]): _answer(row) for row in rows}
    if len(held) == len(owners):
        return {run: found.get(run) for run in runs}
    return found


async def lock_automations(
    connection: AsyncConnection, automations: Iterable[UUID], *, wait: bool = True
) -> set[UUID]:
    """Locks automations. Whoever decides which of their runs may start locks them first."""
    statement = LOCK_AUTOMATIONS if wait else LOCK_AUTOMATIONS + SKIP_LOCKED
    return {_plain(row["id"]) for row in await fetch(connection, statement, list(automations))}


def _answer(row: Any) -> Claim | UUID | None:
    if row["attempt"] is None:
        return None if row["first"] is None else _plain(row["first"])
    return Claim(
        run=_plain(row["id"]),
        attempt=row["attempt"],
        events=row["events"],
        automation_id=_plain(row["automation_id"]),
        automation=row["resource_id"],
        workspace=row["workspace_id"],
        author=row["author_id"],
        author_role=row["author_role"],
        snapshot=row["snapshot"],
        template_rules=row["template_rules"],
        inputs=json.loads(row["inputs"]),
        trigger_payload=json.loads(row["trigger_payload"]),
        trigger_id=row["trigger_id"],
        slot_time=row["slot_time"],
        backfill=row["backfill"],
        step_results=json.loads(row["step_results"]),
        seconds_left=row["seconds_left"],
        cancel_requested=row["cancel_requested"],
        end_reason=_json(row["end_reason"]),
        cancel_error=_json(row["cancel_error"]),
    )


def _json(stored: str | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = None if stored is None else json.loads(stored)
    return found


def _plain(found: UUID) -> UUID:
    return UUID(int=found.int)
