"""Queries that find runs to stop, to enqueue or to end."""

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.run_claims import MAY_BEGIN
from automation_service.persistence.tables import ACTIVE_RUN, run_events, runs
from shared.definition.states import RunStatus

_MAY_BEGIN = sa.text(MAY_BEGIN.format(automation="automation_runs.automation_id"))


async def find_superseded_or_cancelled(
    connection: AsyncConnection, held: Mapping[UUID, int]
) -> dict[UUID, tuple[int, bool]]:
    """Finds the held runs, given with their attempts, that this worker lost or must stop.

    Returns the attempt that holds each run now (0 when the run has ended), and whether its
    cancellation is requested (as for a deleted run).
    """
    asked = (
        sa.func.unnest(
            sa.cast(list(held), sa.ARRAY(sa.UUID)),
            sa.cast(list(held.values()), sa.ARRAY(sa.Integer)),
        )
        .table_valued("id", "attempt")
        .render_derived("asked")
    )
    rows = await connection.execute(
        sa.select(
            asked.c.id,
            asked.c.attempt.label("ours"),
            runs.c.attempt,
            runs.c.status,
            runs.c.cancel_requested,
        )
        .select_from(asked.outerjoin(runs, runs.c.id == asked.c.id))
        .where(
            runs.c.id.is_(None)
            | (runs.c.attempt != asked.c.attempt)
            | (runs.c.status != RunStatus.RUNNING)
            | runs.c.cancel_requested
        )
    )
    found = {}
    for row in rows:
        if row.status is None:
            found[row.id] = (row.ours, True)
        else:
            holds = row.attempt if row.status == RunStatus.RUNNING else 0
            found[row.id] = (holds, row.cancel_requested)
    return found


async def count_pending(connection: AsyncConnection) -> int:
    """Counts runs that have not started."""
    query = sa.select(sa.func.count()).where(runs.c.status == RunStatus.PENDING)
    return int(await connection.scalar(query) or 0)


async def find_runnable(
    connection: AsyncConnection,
    after: UUID | None = None,
    limit: int = 1000,
    *,
    automation: UUID | None = None,
) -> list[UUID]:
    """Finds runs that need a queue entry: running ones, and pending ones that may start.

    In order of id, from the first after `after`; of one automation when it is given.
    """
    other = runs.alias("other")
    before = sa.exists().where(
        other.c.automation_id == runs.c.automation_id,
        other.c.id != runs.c.id,
        (other.c.status == RunStatus.RUNNING)
        | (
            (other.c.status == RunStatus.PENDING)
            & other.c.exclusive
            & (sa.tuple_(other.c.slot_time, other.c.id) < sa.tuple_(runs.c.slot_time, runs.c.id))
        ),
    )
    query = (
        sa.select(runs.c.id)
        .where(
            ACTIVE_RUN,
            (runs.c.status == RunStatus.RUNNING)
            | ((runs.c.status == RunStatus.PENDING) & (~runs.c.exclusive | ~before) & _MAY_BEGIN),
        )
        .order_by(runs.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(runs.c.id > after)
    if automation is not None:
        query = query.where(runs.c.automation_id == automation)
    return list((await connection.execute(query)).scalars())


async def find_overdue(connection: AsyncConnection, grace_seconds: float) -> list[UUID]:
    """Finds running runs whose deadline passed `grace_seconds` ago, by the database's clock."""
    found = await connection.execute(
        sa.select(runs.c.id).where(
            runs.c.status == RunStatus.RUNNING,
            runs.c.deadline
            < sa.func.clock_timestamp() - sa.func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds),
        )
    )
    return list(found.scalars())


async def find_last_progress(
    connection: AsyncConnection, run: UUID, step_id: str, attempt: int
) -> int:
    """Returns the last stored progress position of an attempt of a step, or 0."""
    progress = run_events.c.event["step_progress"]
    found: int | None = await connection.scalar(
        sa.select(sa.func.max(progress["position"].as_integer())).where(
            run_events.c.run_id == run,
            progress["step_id"].as_string() == step_id,
            progress["try"].as_integer() == attempt,
        )
    )
    return found or 0
