"""Queries of runs and their events, for callers and for the runs that follow."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.records import Run, RunEvent, RunSession
from automation_service.persistence.tables import (
    automations,
    deliveries,
    run_events,
    run_sessions,
    runs,
)
from shared.db.queries import matches, newest_first
from shared.db.statements import fetch
from shared.definition.states import RunStatus
from shared.list_filter import Filter
from shared.text.snippet import MAX_READ, first_line

_WHOLE: Final[sa.ColumnElement[str]] = sa.literal_column("'{}'")
# Of a run that a process of an older version ended. PostgreSQL reads no other output for it.
_OUTPUT_START: Final = sa.case(
    (runs.c.output_snippet.is_(None), sa.func.left(runs.c.output.op("#>>")(_WHOLE), MAX_READ))
)
_BASIC = (
    runs.c.id,
    runs.c.slot_time,
    runs.c.status,
    runs.c.attempt,
    runs.c.revision,
    runs.c.backfill,
    runs.c.create_time,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.trigger_payload,
    runs.c.error,
    runs.c.usage,
    runs.c.workspace_id,
    automations.c.resource_id,
    automations.c.name.label("automation_name"),
    runs.c.trigger_id,
    runs.c.output_snippet,
    _OUTPUT_START.label("output_start"),
)
_LARGE = ("definition_snapshot", "inputs", "step_results", "output", "artifacts")
_FROM = runs.join(automations)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far a run is. `events` is the sequence of its last event; those up to `floor` are gone.

    The last event is stored with the end of the run.
    """

    status: RunStatus
    events: int
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousRun:
    """A run that succeeded, as far as it was asked for."""

    id: UUID
    slot_time: datetime
    output: Any
    step_results: list[dict[str, Any]]


async def find(
    connection: AsyncConnection, workspace: str, automation: str, run: UUID
) -> Run | None:
    row = (
        await connection.execute(
            sa.select(*_BASIC, *(runs.c[name] for name in _LARGE))
            .select_from(_FROM)
            .where(
                automations.c.workspace_id == workspace,
                automations.c.resource_id == automation,
                runs.c.id == run,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return replace(_run(row, large=True), sessions=await _list_sessions(connection, run))


def _filter_columns(workspace: str) -> Mapping[str, Any]:
    def has_session(operator: str, session: str) -> sa.ColumnElement[bool]:
        # It names no column of the run, so that PostgreSQL begins with the sessions.
        found = runs.c.id.in_(
            sa.select(run_sessions.c.run_id).where(
                run_sessions.c.workspace_id == workspace, run_sessions.c.session_id == session
            )
        )
        return found if operator == "=" else sa.not_(found)

    return {
        "state": runs.c.status,
        "create_time": runs.c.create_time,
        "automation": automations.c.resource_id,
        "session": has_session,
    }


async def page(
    connection: AsyncConnection,
    workspace: str,
    automation: str | None,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
) -> list[Run]:
    """Lists runs of one automation or of all, newest first: up to `size` + 1."""
    query = (
        sa.select(*_BASIC)
        .select_from(_FROM)
        .where(runs.c.workspace_id == workspace, matches(filter_, _filter_columns(workspace)))
    )
    if automation is not None:
        # As a value, so that PostgreSQL reads the index in order.
        owner = (
            sa.select(automations.c.id)
            .where(automations.c.workspace_id == workspace, automations.c.resource_id == automation)
            .scalar_subquery()
        )
        query = query.where(runs.c.automation_id == owner)
    query = newest_first(query, runs.c.create_time, runs.c.id, after=after, limit=size + 1)
    return [_run(row, large=False) for row in await connection.execute(query)]


async def find_automations(
    connection: AsyncConnection, workspace: str, asked: Collection[str]
) -> set[str]:
    """Returns those of the ids that automations of the workspace have."""
    if not asked:
        return set()
    query = sa.select(automations.c.resource_id).where(
        automations.c.workspace_id == workspace, automations.c.resource_id.in_(asked)
    )
    return set(await connection.scalars(query))


async def add_delivery_counts(connection: AsyncConnection, found: Sequence[Run]) -> list[Run]:
    """Returns runs with the numbers of their deliveries that failed or are tried again."""
    if not found:
        return []
    columns = deliveries.c
    count = sa.func.count()
    query = (
        sa.select(
            columns.run_id,
            count.filter(columns.state == DeliveryState.FAILED).label("failed"),
            count.filter(columns.state == DeliveryState.RETRYING).label("retrying"),
        )
        .where(
            columns.run_id.in_([one.id for one in found]),
            columns.state.in_((DeliveryState.FAILED, DeliveryState.RETRYING)),
        )
        .group_by(columns.run_id)
    )
    counts = {row.run_id: row for row in await connection.execute(query)}
    return [
        replace(one, failed_deliveries=of_it.failed, retrying_deliveries=of_it.retrying)
        if (of_it := counts.get(one.id))
        else one
        for one in found
    ]


async def _list_sessions(connection: AsyncConnection, run: UUID) -> tuple[RunSession, ...]:
    rows = await connection.execute(
        sa.select(run_sessions)
        .where(run_sessions.c.run_id == run)
        .order_by(run_sessions.c.step_id, run_sessions.c.attempt, run_sessions.c.session_id)
    )
    return tuple(
        RunSession(session=row.session_id, step_id=row.step_id, attempt=row.attempt) for row in rows
    )


async def list_progress(
    connection: AsyncConnection, asked: Sequence[UUID]
) -> dict[UUID, RunProgress]:
    """Reads how far runs are. Deleted ones are not in the result."""
    found = await connection.execute(
        sa.select(runs.c.id, runs.c.status, runs.c.events, runs.c.events_floor).where(
            runs.c.id == sa.any_(sa.cast(list(asked), sa.ARRAY(sa.UUID)))
        )
    )
    return {
        row.id: RunProgress(status=row.status, events=row.events, floor=row.events_floor)
        for row in found
    }


async def find_previous(
    connection: AsyncConnection, run: UUID, *, output: bool, steps: Sequence[str]
) -> PreviousRun | None:
    """Finds the last run of the automation that succeeded before a run, by their slots.

    It ended before the run started. With its output and the results of so many of its steps as
    are asked for.
    """
    rows = await fetch(connection, _PREVIOUS, run, output, list(steps))
    return next((_previous(row) for row in rows), None)


_PREVIOUS: Final = """
select p.id, p.slot_time, case when $2 then p.output::text end as output,
       (select jsonb_agg(s)::text from jsonb_array_elements(p.step_results) s
         where s->>'step_id' = any($3::text[])) as step_results
  from automation.automation_runs r
 cross join lateral (
   select o.id, o.slot_time, o.output, o.step_results
     from automation.automation_runs o
    where o.automation_id = r.automation_id and o.status = 'succeeded'
      and o.slot_time < r.slot_time
      and (o.end_time <= r.start_time or (o.exclusive and r.exclusive))
    order by o.slot_time desc, o.id desc
    limit 1) p
 where r.id = $1
"""


def _previous(row: Any) -> PreviousRun:
    return PreviousRun(
        id=UUID(int=row["id"].int),
        slot_time=row["slot_time"],
        output=None if row["output"] is None else json.loads(row["output"]),
        step_results=json.loads(row["step_results"] or "[]"),
    )


async def find_step_output(
    connection: AsyncConnection, run: UUID, step_id: str
) -> tuple[Any, bool]:
    """Returns what a step of a run gave, and whether the run still has it."""
    results = await connection.scalar(sa.select(runs.c.step_results).where(runs.c.id == run))
    for result in results or ():
        if result["step_id"] == step_id and result["status"] == "succeeded":
            return result.get("output"), True
    return None, False


async def list_events(
    connection: AsyncConnection, run: UUID, sequence: int, limit: int = 200
) -> list[RunEvent]:
    rows = await connection.execute(
        sa.select(run_events)
        .where(run_events.c.run_id == run, run_events.c.sequence > sequence)
        .order_by(run_events.c.sequence)
        .limit(limit)
    )
    return [
        RunEvent(sequence=row.sequence, create_time=row.create_time, event=row.event)
        for row in rows
    ]


def _run(row: Any, *, large: bool) -> Run:
    return Run(
        id=row.id,
        workspace=row.workspace_id,
        automation=row.resource_id,
        trigger_id=row.trigger_id,
        slot_time=row.slot_time,
        status=row.status,
        attempt=row.attempt,
        revision=row.revision,
        backfill=row.backfill,
        create_time=row.create_time,
        start_time=row.start_time,
        end_time=row.end_time,
        trigger_payload=row.trigger_payload,
        error=row.error,
        usage=row.usage,
        automation_name=row.automation_name,
        output_snippet=(
            first_line(row.output_start or "") if row.output_snippet is None else row.output_snippet
        ),
        **({name: getattr(row, name) for name in _LARGE} if large else {}),
    )
