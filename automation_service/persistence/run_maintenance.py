"""Runs to look after: to be stopped, to be woken, overdue."""

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import ACTIVE_RUN, run_events, runs
from shared.definition.states import RunStatus


async def find_superseded_or_cancelled(
    connection: AsyncConnection, held: Mapping[UUID, int]
) -> dict[UUID, tuple[int, bool]]:
    """Of runs in hand, with their attempts, those that shall not simply go on.

    The attempt that holds each now, 0 when it has ended; and if it shall stop, as one that is
    gone does.
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
    """How many runs have not begun."""
    query = sa.select(sa.func.count()).where(runs.c.status == RunStatus.PENDING)
    return int(await connection.scalar(query) or 0)


async def find_runnable(
    connection: AsyncConnection, after: UUID | None = None, limit: int = 1000
) -> list[UUID]:
    """Runs that should have a token: those going on, and those that wait for nobody.

    By id, after one.
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
            | ((runs.c.status == RunStatus.PENDING) & (~runs.c.exclusive | ~before)),
        )
        .order_by(runs.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(runs.c.id > after)
    return list((await connection.execute(query)).scalars())


async def find_overdue(connection: AsyncConnection, grace_seconds: float) -> list[UUID]:
    """Runs past their deadline by the database's clock, whose worker did not end them."""
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
    """The last of what the agent said of a try of a step that is stored; 0 for nothing."""
    progress = run_events.c.event["step_progress"]
    found: int | None = await connection.scalar(
        sa.select(sa.func.max(progress["position"].as_integer())).where(
            run_events.c.run_id == run,
            progress["step_id"].as_string() == step_id,
            progress["try"].as_integer() == attempt,
        )
    )
    return found or 0
