"""Checkpoints of many runs in one statement, each fenced by its attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import deliveries
from automation_service.persistence.outbox.deliveries import (
    NewDelivery,
    StoredDelivery,
    list_arguments,
)
from automation_service.persistence.run_claims import SKIP_LOCKED
from shared.db.statements import fetch
from shared.definition.states import RunStatus

# A null keeps the results that the run has. Rows are locked in id order, so that two batches
# never wait for each other in a circle.
_STORE: Final = """
with said as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::text[], $6::text[],
                       $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
                       $12::timestamptz[])
    as s(id, attempt, base, count, step_results, usage, artifacts, status, error, output,
         output_snippet, end_time)
), held as (
  select r.id from automation.automation_runs r join said s on s.id = r.id
   where r.attempt = s.attempt and r.events = s.base and r.status = 'running'
   order by r.id for no key update of r {skip_locked}
), changed as (
  update automation.automation_runs r
     set events = s.base + s.count,
         step_results = coalesce(s.step_results::jsonb, r.step_results),
         usage = coalesce(s.usage::jsonb, r.usage),
         artifacts = coalesce(s.artifacts::jsonb, r.artifacts),
         status = coalesce(s.status::automation.automation_run_status, r.status),
         error = s.error::jsonb, output = s.output::jsonb, output_snippet = s.output_snippet,
         end_time = s.end_time
    from said s join held on held.id = s.id
   where r.id = s.id
  returning r.id, r.workspace_id
), sessions as (
  insert into automation.run_sessions (run_id, session_id, workspace_id, step_id, attempt)
  select c.id, t.session_id, c.workspace_id, t.step_id, t.attempt
    from unnest($17::uuid[], $18::text[], $19::text[], $20::int[])
      as t(run_id, session_id, step_id, attempt)
    join changed c on c.id = t.run_id
  on conflict do nothing
), told as (
  insert into automation.run_events (run_id, sequence, create_time, event)
  select e.run_id, e.sequence, e.create_time, e.event::jsonb
    from unnest($13::uuid[], $14::int[], $15::timestamptz[], $16::text[])
      as e(run_id, sequence, create_time, event)
    join changed on changed.id = e.run_id
)
"""
_RUNS: Final = "select id from changed"
_TOGETHER: Final = _STORE.format(skip_locked=SKIP_LOCKED) + _RUNS
_WAITING: Final = _STORE.format(skip_locked="") + _RUNS
_DELIVERIES: Final = f""", {deliveries.INSERT}
select id, null::uuid as delivery, null::text as state from changed
union all
select run_id, id, state from delivered
"""
_DELIVER_TOGETHER: Final = _STORE.format(skip_locked=SKIP_LOCKED) + _DELIVERIES
_DELIVER_WAITING: Final = _STORE.format(skip_locked="") + _DELIVERIES
_STORED: Final = """
select attempt = $2 and events = $3 as stored from automation.automation_runs where id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumns:
    """The columns that steps change, as JSON."""

    step_results: str
    usage: str
    artifacts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndColumns:
    """The columns that the end of a run sets; error and output are JSON."""

    status: RunStatus
    error: str | None
    output: str | None
    output_snippet: str = ""
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSession:
    """The agent's session of one try of a step."""

    session: str
    step_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """New events of a run, numbered from base + 1, and what changes with them.

    `sessions` are those that it has begun since the last checkpoint.
    """

    run: UUID
    attempt: int
    base: int
    events: Sequence[tuple[datetime, str]]
    results: ResultColumns | None = None
    last: EndColumns | None = None
    deliveries: Sequence[NewDelivery] = ()
    sessions: Sequence[StepSession] = ()

    @property
    def top(self) -> int:
        return self.base + len(self.events)

    @property
    def size(self) -> int:
        """Estimates the characters that are sent to the database."""
        results, last = self.results, self.last
        return (
            sum(len(event) for _, event in self.events)
            + (len(results.step_results) + len(results.artifacts) if results else 0)
            + (len(last.output) if last and last.output else 0)
            + sum(len(one.body) for one in self.deliveries)
        )


async def store(
    connection: AsyncConnection, checkpoints: Sequence[Checkpoint], *, wait: bool
) -> set[UUID]:
    """Stores the checkpoints whose attempt still holds the run. Returns their runs.

    They have no deliveries. Without `wait` it skips runs that are locked.
    """
    found = await fetch(connection, _WAITING if wait else _TOGETHER, *_list_arguments(checkpoints))
    return {UUID(int=row["id"].int) for row in found}


async def store_deliveries(
    connection: AsyncConnection, checkpoints: Sequence[Checkpoint], *, wait: bool
) -> tuple[set[UUID], list[StoredDelivery]]:
    """Stores checkpoints with their deliveries, all or nothing of each. Returns both.

    Of one automation, step and destination there is one delivery of what changed.
    """
    new = [one for checkpoint in checkpoints for one in checkpoint.deliveries]
    found = await fetch(
        connection,
        _DELIVER_WAITING if wait else _DELIVER_TOGETHER,
        *_list_arguments(checkpoints),
        *list_arguments(new),
    )
    stored = [
        StoredDelivery(id=UUID(int=row["delivery"].int), state=DeliveryState(row["state"]))
        for row in found
        if row["delivery"] is not None
    ]
    return {UUID(int=row["id"].int) for row in found}, stored


async def is_stored(connection: AsyncConnection, checkpoint: Checkpoint) -> bool:
    """Returns True when an earlier store was committed and only its result was lost."""
    found = await fetch(connection, _STORED, checkpoint.run, checkpoint.attempt, checkpoint.top)
    return any(row["stored"] for row in found)


def _list_arguments(checkpoints: Sequence[Checkpoint]) -> list[list[Any]]:
    frames = [
        (c.run, c.base + offset, time, event)
        for c in checkpoints
        for offset, (time, event) in enumerate(c.events, start=1)
    ]
    sessions = [(c.run, session) for c in checkpoints for session in c.sessions]
    return [
        [c.run for c in checkpoints],
        [c.attempt for c in checkpoints],
        [c.base for c in checkpoints],
        [len(c.events) for c in checkpoints],
        [c.results and c.results.step_results for c in checkpoints],
        [c.results and c.results.usage for c in checkpoints],
        [c.results and c.results.artifacts for c in checkpoints],
        [c.last and c.last.status.value for c in checkpoints],
        [c.last and c.last.error for c in checkpoints],
        [c.last and c.last.output for c in checkpoints],
        [c.last and c.last.output_snippet for c in checkpoints],
        [c.last and c.last.end_time for c in checkpoints],
        [frame[0] for frame in frames],
        [frame[1] for frame in frames],
        [frame[2] for frame in frames],
        [frame[3] for frame in frames],
        [run for run, _ in sessions],
        [session.session for _, session in sessions],
        [session.step_id for _, session in sessions],
        [session.attempt for _, session in sessions],
    ]
