"""The statements that every entry of the queue takes: added, delivered, ended.

Those of pgqueuer also write a row of its log for each, which nobody reads, and count the entries
in hand, which the process knows.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pgqueuer.models import Job
from pgqueuer.queries import Queries

SCHEMA: Final = "pgqueuer"
ENTRYPOINT: Final = "run"

# The condition is that of pgqueuer's unique index, verbatim.
ADD: Final = f"""
insert into {SCHEMA}.pgqueuer
  (priority, entrypoint, payload, execute_after, dedupe_key, status)
select 0, '{ENTRYPOINT}', convert_to(run::text, 'UTF8'), now(), '{ENTRYPOINT}:' || run, 'queued'
  from unnest($1::uuid[]) with ordinality as asked (run, place)
 order by place
    on conflict (dedupe_key)
 where dedupe_key is not null and status in ('queued', 'picked') do nothing
"""
# Entries that wait, and those whose worker let its lease expire.
_DELIVER: Final = f"""
with waiting as (
  select id from {SCHEMA}.pgqueuer
   where entrypoint = '{ENTRYPOINT}' and status = 'queued' and execute_after < now()
   order by priority desc, id limit $2 for update skip locked
), stale as (
  select id from {SCHEMA}.pgqueuer
   where entrypoint = '{ENTRYPOINT}' and status = 'picked' and execute_after < now()
     and heartbeat < now() - $3::interval
   order by priority desc, id limit $2 for update skip locked
), taken as (
  update {SCHEMA}.pgqueuer
     set status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $1
   where id in (select id from waiting union all select id from stale order by id limit $2)
  returning *
)
select * from taken order by id
"""
_END: Final = f"delete from {SCHEMA}.pgqueuer where id = any($1::bigint[])"


class EntryQueries(Queries):
    """pgqueuer's queries, with statements of our own where every entry passes."""

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: Any,
        queue_manager_id: UUID,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """Takes entries for this worker, the oldest first."""
        rows = await self.driver.fetch(_DELIVER, queue_manager_id, batch_size, heartbeat_timeout)
        return [Job.model_validate(row) for row in rows]

    async def log_jobs(self, job_status: Sequence[tuple[Job, Any, Any]]) -> None:
        """Deletes entries that have ended."""
        await self.driver.execute(_END, [job.id for job, _, _ in job_status])
