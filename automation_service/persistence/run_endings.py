"""Ends of runs, and their effect on automations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import run_checkpoints
from automation_service.persistence.enums import ACTIVE_RUNS
from automation_service.persistence.run_checkpoints import Checkpoint
from automation_service.persistence.run_claims import NEXT_WAITING, lock_automations
from automation_service.persistence.tables import revisions, run_events, runs
from shared import errors
from shared.db.statements import fetch
from shared.definition.states import RunStatus
from shared.json import compact_json

# Whether the webhook of the workspace of an automation `a` is told of runs that succeed.
WANTS_SUCCESS: Final = """
exists (
  select from automation.webhooks w
   where w.workspace_id = a.workspace_id and w.uri <> '' and not w.disabled
     and (w.event_types = '[]'::jsonb or w.event_types ? 'run.succeeded'))
"""
_TOLD: Final = f"""
select a.id from automation.automations a where a.id = any($1::uuid[]) and {WANTS_SUCCESS}
"""
# It pauses at each multiple of $3, so that a resumed automation gets as many runs again.
_COUNT: Final = f"""
update automation.automations a
   set last_run_status = n.status, consecutive_failures = n.failures,
       status = case when n.pauses then 'paused' else a.status end,
       pause_note = case when n.pauses
         then format('Paused by the service: %s runs in a row failed.', n.failures)
         else a.pause_note end,
       resume_time = case when n.pauses then null else a.resume_time end,
       version = a.version + n.pauses::int,
       update_time = case when n.pauses then $4 else a.update_time end
  from (
    select s.id, s.status, s.failures,
           s.failed and s.failures % $3 = 0 and s.active as pauses
      from (
        select o.id, s.status, o.status = 'active' as active,
               s.status in ('failed', 'timed_out') as failed,
               case when s.status = 'succeeded' then 0
                    when s.status in ('failed', 'timed_out') then o.consecutive_failures + 1
                    else o.consecutive_failures end as failures
          from unnest($1::uuid[], $2::automation.automation_run_status[]) as s(id, status)
          join automation.automations o on o.id = s.id) s) n
 where a.id = n.id
returning a.id, case when n.pauses then n.failures else 0 end as paused_after,
          n.status = 'succeeded' and {WANTS_SUCCESS} as told
"""
_FOLLOWING: Final = f"""
select n.id from unnest($1::uuid[]) as o(id)
 cross join lateral ({NEXT_WAITING.format(automation="o.id")}) n
"""
# A run outlives its trigger and its slot, so the config is that of its own definition.
_WAITING: Final = """
select r.id, r.slot_time, coalesce(s.fire_time, r.slot_time) as fire_time,
       case when r.backfill then r.create_time end as backfill_time,
       coalesce(r.trigger, s.trigger) as trigger,
       jsonb_path_query_first(
         r.definition_snapshot, '$.triggers[*] ? (@.trigger_id == $id).config',
         jsonb_build_object('id', r.trigger_id))::text as config
  from automation.automation_runs r
  left join automation.automation_slots s on s.run_id = r.id
 where r.automation_id = $1 and r.status in ('pending', 'running') and r.status = 'pending'
 order by r.backfill, r.slot_time, r.id
"""

_STORE_END_REASON: Final = """
update automation.automation_runs
   set end_reason = $3::jsonb, deadline = clock_timestamp() + make_interval(secs => $4)
 where id = $1 and attempt = $2 and status = 'running'
returning id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOutcomes:
    """What outcomes came to.

    `paused` has the automations that were paused, with their numbers of failures, and `told` those
    whose run succeeded and whose workspace's webhook is told so.
    """

    paused: Mapping[UUID, int]
    told: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntoldRun:
    """An ended run with tasks whose usage is not known yet. `author` is empty for a deleted one."""

    run: UUID
    workspace: str
    author: str
    step_results: list[dict[str, Any]]


# Of locked automations. A pending run never began, so it ends at once.
_REPLACE: Final = """
with asked as (
  select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as s(automation_id, run, error)
), active as (
  select r.id, r.status, s.error::jsonb as error
    from asked s
    join automation.automation_runs r
      on r.automation_id = s.automation_id and r.id <> s.run
     and r.status in ('pending', 'running') and not r.backfill
   order by r.id for no key update of r
), marked as (
  update automation.automation_runs r
     set cancel_requested = true, cancel_error = active.error
    from active
   where r.id = active.id and active.status = 'running' and not r.cancel_requested
), ended as (
  update automation.automation_runs r
     set status = 'cancelled', end_time = $4, error = active.error, events = r.events + 1
    from active
   where r.id = active.id and active.status = 'pending'
  returning r.id, r.automation_id, r.events, r.error
), told as (
  insert into automation.run_events (run_id, sequence, create_time, event)
  select id, events, $4, jsonb_build_object('ended',
           jsonb_build_object('state', 'cancelled', 'error', error))
    from ended
)
select distinct automation_id as id from ended
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """A pending run with its slot, and with the config of its trigger when it is known."""

    run: UUID
    trigger: UUID | None
    slot_time: datetime
    fire_time: datetime
    backfill_time: datetime | None  # when a backfill was asked for; None of any other run
    config: dict[str, Any] | None


async def end_runs(
    connection: AsyncConnection, endings: Mapping[UUID, Checkpoint], *, wait: bool
) -> set[UUID]:
    """Ends one run of each automation, in a transaction. Returns the ended runs.

    Without `wait` it skips automations and runs that are locked.
    """
    # The lock of whoever decides on overlap.
    held = await lock_automations(connection, endings, wait=wait)
    mine = [last for automation, last in endings.items() if automation in held]
    return await run_checkpoints.store(connection, mine, wait=wait)


async def store_end_reason(
    connection: AsyncConnection, run: UUID, attempt: int, end_reason: str, seconds: float
) -> bool:
    """Stores why a run ends, as JSON, and the time that its on_failure has.

    Returns False when the attempt does not hold the run any more.
    """
    return bool(await fetch(connection, _STORE_END_REASON, run, attempt, end_reason, seconds))


async def mark_untold(connection: AsyncConnection, ended: Sequence[UUID]) -> None:
    """Marks runs with tasks whose usage is to be asked for after their end."""
    await connection.execute(sa.update(runs).where(runs.c.id.in_(ended)).values(untold=True))


async def find_untold(
    connection: AsyncConnection, since: datetime, after: UUID | None, limit: int
) -> list[UntoldRun]:
    """Finds runs that ended since a moment with tasks of unknown usage, in order of id."""
    query = (
        sa.select(runs.c.id, runs.c.workspace_id, revisions.c.author_id, runs.c.step_results)
        .outerjoin(
            revisions,
            (revisions.c.automation_id == runs.c.automation_id)
            & (revisions.c.revision == runs.c.revision),
        )
        .where(sa.text("automation_runs.untold"), runs.c.end_time >= since)
        .order_by(runs.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(runs.c.id > after)
    return [
        UntoldRun(
            run=row.id,
            workspace=row.workspace_id,
            author=row.author_id or "",
            step_results=row.step_results,
        )
        for row in await connection.execute(query)
    ]


async def lock_step_results(connection: AsyncConnection, run: UUID) -> list[dict[str, Any]] | None:
    """Locks a run and reads its step results. None when it is deleted."""
    query = sa.select(runs.c.step_results).where(runs.c.id == run).with_for_update(key_share=True)
    found: list[dict[str, Any]] | None = await connection.scalar(query)
    return found


async def store_told(
    connection: AsyncConnection,
    run: UUID,
    results: list[dict[str, Any]],
    usage: Mapping[str, int],
    *,
    untold: bool,
) -> None:
    """Stores what tasks of an ended run used, as they told it after the end."""
    values = {"step_results": results, "usage": dict(usage), "untold": untold}
    await connection.execute(sa.update(runs).where(runs.c.id == run).values(**values))


async def record_outcomes(
    connection: AsyncConnection,
    ended: Mapping[UUID, RunStatus],
    *,
    max_failures: int,
    now: datetime,
) -> RecordedOutcomes:
    """Records how the last run of each automation ended, and pauses after too many failures.

    Backfills are not recorded.
    """
    statuses = [status.value for status in ended.values()]
    rows = await fetch(connection, _COUNT, list(ended), statuses, max_failures, now)
    return RecordedOutcomes(
        paused={
            UUID(int=row["id"].int): row["paused_after"] for row in rows if row["paused_after"]
        },
        told=frozenset(UUID(int=row["id"].int) for row in rows if row["told"]),
    )


async def find_told(connection: AsyncConnection, automations: Sequence[UUID]) -> frozenset[UUID]:
    """Finds those whose workspace's webhook is told of runs that succeed."""
    rows = await fetch(connection, _TOLD, automations)
    return frozenset(UUID(int=row["id"].int) for row in rows)


async def find_next_runs(connection: AsyncConnection, automations: Sequence[UUID]) -> list[UUID]:
    """Finds the exclusive run of each automation that may start now."""
    return [UUID(int=row["id"].int) for row in await fetch(connection, _FOLLOWING, automations)]


async def request_cancel(
    connection: AsyncConnection, automation_id: UUID, run: UUID
) -> RunStatus | None:
    """Requests the cancellation of a run, unless it has ended.

    Returns its status; None for one that has been deleted.
    """
    await lock_automations(connection, [automation_id])
    status: RunStatus | None = (
        await connection.execute(
            sa.select(runs.c.status).where(runs.c.id == run).with_for_update(key_share=True)
        )
    ).scalar_one_or_none()
    if status in ACTIVE_RUNS:
        await connection.execute(
            sa.update(runs).where(runs.c.id == run).values(cancel_requested=True)
        )
    return status


async def list_waiting(connection: AsyncConnection, automation_id: UUID) -> list[WaitingRun]:
    """Lists the pending runs of a locked automation, in order."""
    return [
        WaitingRun(
            run=UUID(int=row["id"].int),
            trigger=row["trigger"],
            slot_time=row["slot_time"],
            fire_time=row["fire_time"],
            backfill_time=row["backfill_time"],
            config=None if row["config"] is None else json.loads(row["config"]),
        )
        for row in await fetch(connection, _WAITING, automation_id)
    ]


async def replace_runs(
    connection: AsyncConnection,
    replacements: Mapping[UUID, tuple[UUID, errors.RotaError]],
    now: datetime,
) -> None:
    """Cancels all other active runs of locked automations, but no backfill.

    The replacement is the run that stays. Pending ones end at once, running ones are marked: each
    with the error of the replacement.
    """
    if not replacements:
        return
    stayed = [run for run, _ in replacements.values()]
    stored = [compact_json.dump(error_json(error)) for _, error in replacements.values()]
    rows = await fetch(connection, _REPLACE, list(replacements), stayed, stored, now)
    ended = {UUID(int=row["id"].int): RunStatus.CANCELLED for row in rows}
    if ended:
        await record_outcomes(connection, ended, max_failures=1, now=now)


async def cancel_pending(
    connection: AsyncConnection,
    automation_id: UUID,
    ends: Mapping[UUID, errors.RotaError],
    now: datetime,
) -> None:
    """Ends runs of a locked automation that never started as CANCELLED, each with its error."""
    recorded = False
    for run, error in ends.items():
        stored = error_json(error)
        ended = await connection.execute(
            sa.update(runs)
            .where(runs.c.id == run)
            .values(
                status=RunStatus.CANCELLED, end_time=now, error=stored, events=runs.c.events + 1
            )
            .returning(runs.c.events, runs.c.backfill)
        )
        sequence, backfill = ended.one()
        recorded |= not backfill
        event = {"ended": {"state": RunStatus.CANCELLED, "error": stored}}
        await connection.execute(
            sa.insert(run_events).values(
                run_id=run, sequence=sequence, create_time=now, event=event
            )
        )
    if recorded:
        outcome = {automation_id: RunStatus.CANCELLED}
        await record_outcomes(connection, outcome, max_failures=1, now=now)


def error_json(error: errors.RotaError) -> dict[str, Any]:
    """Returns an error as runs and steps store it."""
    return {
        "code": int(error.code),
        "reason": error.reason,
        "message": error.message[:2000],
        "metadata": error.metadata,
    }
