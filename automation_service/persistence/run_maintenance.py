"""Queries that find runs to stop, to enqueue or to end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.run_claims import MAY_BEGIN, NEXT_WAITING
from automation_service.persistence.tables import ACTIVE_RUN, TENANTS, revisions, run_events, runs
from shared.definition.states import RunStatus
from shared.security.caller import ROLES_THAT_ACT

_MAY_BEGIN = sa.text(MAY_BEGIN.format(automation="automation_runs.automation_id"))
_IS_NEXT = sa.text(
    f"automation_runs.id = ({NEXT_WAITING.format(automation='automation_runs.automation_id')})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToStop:
    """A held run that its worker lost or must stop."""

    attempt: int  # that holds the run now; 0 when the run has ended
    cancelled: bool = False  # its cancellation is requested, or it was deleted
    cancel_error: dict[str, Any] | None = None  # why, if it was not asked for
    access_lost: bool = False  # the author of its revision may no longer act


async def find_runs_to_stop(
    connection: AsyncConnection, held: Mapping[UUID, int]
) -> dict[UUID, RunToStop]:
    """Finds the held runs, given with their attempts, that this worker lost or must stop."""
    members = TENANTS.memberships
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
            runs.c.cancel_error,
            members.c.user_id.is_(None).label("access_lost"),
        )
        .select_from(
            asked.outerjoin(runs, runs.c.id == asked.c.id)
            .outerjoin(
                revisions,
                (revisions.c.automation_id == runs.c.automation_id)
                & (revisions.c.revision == runs.c.revision),
            )
            .outerjoin(
                members,
                (members.c.workspace_id == runs.c.workspace_id)
                & (members.c.user_id == revisions.c.author_id)
                & members.c.revoked_time.is_(None)
                & members.c.role.in_(ROLES_THAT_ACT),
            )
        )
        .where(
            runs.c.id.is_(None)
            | (runs.c.attempt != asked.c.attempt)
            | (runs.c.status != RunStatus.RUNNING)
            | runs.c.cancel_requested
            | members.c.user_id.is_(None)
        )
    )
    found = {}
    for row in rows:
        if row.status is None:
            found[row.id] = RunToStop(attempt=row.ours, cancelled=True)
        else:
            found[row.id] = RunToStop(
                attempt=row.attempt if row.status == RunStatus.RUNNING else 0,
                cancelled=row.cancel_requested,
                cancel_error=row.cancel_error,
                access_lost=row.access_lost,
            )
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
    query = (
        sa.select(runs.c.id)
        .where(
            ACTIVE_RUN,
            (runs.c.status == RunStatus.RUNNING) | (~runs.c.exclusive & _MAY_BEGIN) | _IS_NEXT,
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
