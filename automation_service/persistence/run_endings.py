"""Ends of runs, and their effect on automations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import run_checkpoints
from automation_service.persistence.enums import ACTIVE_RUNS
from automation_service.persistence.run_checkpoints import Checkpoint
from automation_service.persistence.run_claims import NEXT_WAITING, execute_sql, lock_automations
from automation_service.persistence.tables import run_events, runs
from shared.definition.states import RunStatus

# It pauses at each multiple of $3, so that a resumed automation gets as many runs again.
_COUNT: Final = """
update automation.automations a
   set last_run_status = n.status, consecutive_failures = n.failures,
       status = case when n.pauses then 'paused' else a.status end,
       pause_note = case when n.pauses
         then format('Paused by the service: %s runs in a row failed.', n.failures)
         else a.pause_note end,
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
returning a.id, case when n.pauses then n.failures else 0 end as paused_after
"""
_FOLLOWING: Final = f"""
select n.id from unnest($1::uuid[]) as o(id)
 cross join lateral ({NEXT_WAITING.format(automation="o.id")}) n
"""


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


async def record_outcomes(
    connection: AsyncConnection,
    ended: Mapping[UUID, RunStatus],
    *,
    max_failures: int,
    now: datetime,
) -> dict[UUID, int]:
    """Records how the last run of each automation ended, and pauses after too many failures.

    Returns the paused automations with their numbers of failures.
    """
    statuses = [status.value for status in ended.values()]
    rows = await execute_sql(connection, _COUNT, list(ended), statuses, max_failures, now)
    return {UUID(int=row.id.int): row.paused_after for row in rows if row.paused_after}


async def find_next_runs(connection: AsyncConnection, automations: Sequence[UUID]) -> list[UUID]:
    """Finds the exclusive run of each automation that may start now."""
    return [UUID(int=row.id.int) for row in await execute_sql(connection, _FOLLOWING, automations)]


async def request_cancel(connection: AsyncConnection, automation_id: UUID, run: UUID) -> RunStatus:
    """Requests the cancellation of a run, unless it has ended. Returns its status."""
    await lock_automations(connection, [automation_id])
    status: RunStatus = (
        await connection.execute(
            sa.select(runs.c.status).where(runs.c.id == run).with_for_update(key_share=True)
        )
    ).scalar_one()
    if status in ACTIVE_RUNS:
        await connection.execute(
            sa.update(runs).where(runs.c.id == run).values(cancel_requested=True)
        )
    return status


async def cancel_pending(
    connection: AsyncConnection, run: UUID, error: dict[str, Any], now: datetime
) -> None:
    """Ends a run that never started as CANCELLED."""
    sequence: Any = await connection.scalar(
        sa.update(runs)
        .where(runs.c.id == run)
        .values(status=RunStatus.CANCELLED, end_time=now, error=error, events=runs.c.events + 1)
        .returning(runs.c.events)
    )
    ended = {"ended": {"state": RunStatus.CANCELLED, "error": error}}
    await connection.execute(
        sa.insert(run_events).values(run_id=run, sequence=sequence, create_time=now, event=ended)
    )
