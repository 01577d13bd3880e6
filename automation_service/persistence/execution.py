"""A run while it is carried out: every write is fenced by the attempt that makes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import ACTIVE_RUNS
from automation_service.persistence.tables import (
    ACTIVE_RUN,
    automations,
    run_events,
    runs,
    triggers,
)
from shared.definition.states import AutomationStatus, RunStatus


class Fenced(Exception):
    """Another worker holds the run, or it has ended: this one must leave it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run that this worker may carry out. `seconds_left` is by the database's clock."""

    run: UUID
    attempt: int
    automation_id: UUID
    automation: str
    workspace: str
    creator: str | None
    definition: dict[str, Any]
    inputs: dict[str, Any]
    trigger_payload: dict[str, Any]
    trigger_id: str
    slot_time: datetime
    step_results: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]
    usage: dict[str, Any]
    seconds_left: float
    cancel_requested: bool


async def claim(connection: AsyncConnection, run: UUID, *, now: datetime) -> Claim | UUID | None:
    """Takes the run over under a new attempt.

    None when it has ended or must wait; an id when another run of its automation comes first.
    """
    automation_id = await connection.scalar(sa.select(runs.c.automation_id).where(runs.c.id == run))
    if automation_id is None:
        return None
    owner = (
        await connection.execute(
            sa.select(automations)
            .where(automations.c.id == automation_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    row = (
        await connection.execute(
            sa.select(runs).where(runs.c.id == run).with_for_update(key_share=True)
        )
    ).one_or_none()
    if owner is None or row is None or row.status not in ACTIVE_RUNS:
        return None
    if row.status == RunStatus.PENDING and row.exclusive:
        first = await next_waiting(connection, automation_id)
        if first != run:
            return first
    seconds = _timeout(row.definition_snapshot)
    taken: Any = (
        await connection.execute(
            sa.update(runs)
            .where(runs.c.id == run)
            .values(
                status=RunStatus.RUNNING,
                attempt=runs.c.attempt + 1,
                events=runs.c.events + 1,
                start_time=sa.func.coalesce(runs.c.start_time, now),
                deadline=sa.func.coalesce(
                    runs.c.deadline,
                    sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds),
                ),
            )
            .returning(
                runs.c.attempt,
                runs.c.events,
                sa.extract("epoch", runs.c.deadline - sa.func.clock_timestamp()).label("left"),
            )
        )
    ).one()
    trigger_id = await connection.scalar(
        sa.select(triggers.c.trigger_id).where(triggers.c.id == row.trigger)
    )
    started = {"started": {"attempt": taken.attempt}}
    await _add_event(connection, run, taken.events, started, now)
    return Claim(
        run=run,
        attempt=taken.attempt,
        automation_id=automation_id,
        automation=owner.resource_id,
        workspace=owner.workspace_id,
        creator=owner.creator_id,
        definition=row.definition_snapshot,
        inputs=row.inputs,
        trigger_payload=row.trigger_payload,
        trigger_id=trigger_id or "",
        slot_time=row.slot_time,
        step_results=row.step_results,
        artifacts=row.artifacts,
        usage=row.usage,
        seconds_left=float(taken.left),
        cancel_requested=row.cancel_requested,
    )


def _timeout(definition: dict[str, Any]) -> int:
    try:
        return int(definition["execution"]["timeout_seconds"])
    except (KeyError, TypeError, ValueError):
        return 600


async def next_waiting(connection: AsyncConnection, automation_id: UUID) -> UUID | None:
    """The exclusive run to begin now: the first that waits, and none while another goes on."""
    going_on = await connection.scalar(
        sa.select(sa.literal(1))
        .where(
            runs.c.automation_id == automation_id, ACTIVE_RUN, runs.c.status == RunStatus.RUNNING
        )
        .limit(1)
    )
    if going_on:
        return None
    found: UUID | None = await connection.scalar(
        sa.select(runs.c.id)
        .where(
            runs.c.automation_id == automation_id,
            ACTIVE_RUN,
            runs.c.status == RunStatus.PENDING,
            runs.c.exclusive,
        )
        .order_by(runs.c.slot_time, runs.c.id)
        .limit(1)
    )
    return found


async def write(
    connection: AsyncConnection,
    claim: Claim,
    values: dict[str, Any],
    event: dict[str, Any],
    now: datetime,
) -> int:
    """Changes the run if this attempt still holds it, and adds a frame to its history.

    Gives the frame's sequence. Raises Fenced.
    """
    # One update: a second one in the transaction would lock what its foreign keys name.
    sequence: int | None = await connection.scalar(
        sa.update(runs)
        .where(
            runs.c.id == claim.run,
            runs.c.attempt == claim.attempt,
            runs.c.status == RunStatus.RUNNING,
        )
        .values(**values, events=runs.c.events + 1)
        .returning(runs.c.events)
    )
    if sequence is None:
        raise Fenced
    await _add_event(connection, claim.run, sequence, event, now)
    return sequence


async def progress_seen(connection: AsyncConnection, run: UUID, step_id: str, attempt: int) -> int:
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


async def request_cancel(connection: AsyncConnection, automation_id: UUID, run: UUID) -> RunStatus:
    """Marks a run to be stopped, unless it has ended; gives its status."""
    await lock_owner(connection, automation_id)
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


async def end_pending(
    connection: AsyncConnection, run: UUID, error: dict[str, Any], now: datetime
) -> None:
    """Ends a run that never began, as cancelled."""
    sequence: Any = await connection.scalar(
        sa.update(runs)
        .where(runs.c.id == run)
        .values(status=RunStatus.CANCELLED, end_time=now, error=error, events=runs.c.events + 1)
        .returning(runs.c.events)
    )
    ended = {"ended": {"state": RunStatus.CANCELLED, "error": error}}
    await _add_event(connection, run, sequence, ended, now)


async def lock_owner(connection: AsyncConnection, automation_id: UUID) -> None:
    await connection.execute(
        sa.select(automations.c.id)
        .where(automations.c.id == automation_id)
        .with_for_update(key_share=True)
    )


async def count_ending(
    connection: AsyncConnection,
    automation_id: UUID,
    status: RunStatus,
    *,
    most_failures: int,
    now: datetime,
) -> None:
    """Writes down how a run of the automation ended; too many failures in a row pause it."""
    failures = automations.c.consecutive_failures
    counted: Any = {
        RunStatus.SUCCEEDED: sa.literal(0),
        RunStatus.FAILED: failures + 1,
        RunStatus.TIMED_OUT: failures + 1,
    }.get(status, failures)
    count = await connection.scalar(
        sa.update(automations)
        .where(automations.c.id == automation_id)
        .values(last_run_status=status, consecutive_failures=counted)
        .returning(failures)
    )
    failed = status in (RunStatus.FAILED, RunStatus.TIMED_OUT)
    # Each time that many have gathered, so that one who resumes it gets as many tries again.
    if failed and count and count % most_failures == 0:
        await connection.execute(
            sa.update(automations)
            .where(
                automations.c.id == automation_id,
                automations.c.status == AutomationStatus.ACTIVE,
            )
            .values(
                status=AutomationStatus.PAUSED,
                pause_note=f"Paused by the service: {count} runs in a row failed.",
                version=automations.c.version + 1,
                update_time=now,
            )
        )


async def watched(connection: AsyncConnection, held: list[UUID]) -> dict[UUID, tuple[int, bool]]:
    """Of runs in hand: the attempt that holds each, 0 when it has ended, and if it shall stop."""
    rows = await connection.execute(
        sa.select(runs.c.id, runs.c.attempt, runs.c.status, runs.c.cancel_requested).where(
            runs.c.id.in_(held)
        )
    )
    return {
        row.id: (row.attempt if row.status == RunStatus.RUNNING else 0, row.cancel_requested)
        for row in rows
    }


async def startable(connection: AsyncConnection, limit: int = 1000) -> list[UUID]:
    """Runs that should have a token: those going on, and those that wait for nobody."""
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
    found = await connection.execute(
        sa.select(runs.c.id)
        .where(
            ACTIVE_RUN,
            (runs.c.status == RunStatus.RUNNING)
            | ((runs.c.status == RunStatus.PENDING) & (~runs.c.exclusive | ~before)),
        )
        .order_by(runs.c.create_time)
        .limit(limit)
    )
    return list(found.scalars())


async def overdue(connection: AsyncConnection, grace_seconds: float) -> list[UUID]:
    """Runs past their deadline by the database's clock, whose worker did not end them."""
    found = await connection.execute(
        sa.select(runs.c.id).where(
            runs.c.status == RunStatus.RUNNING,
            runs.c.deadline
            < sa.func.clock_timestamp() - sa.func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds),
        )
    )
    return list(found.scalars())


async def _add_event(
    connection: AsyncConnection, run: UUID, sequence: int, what: dict[str, Any], now: datetime
) -> None:
    await connection.execute(
        sa.insert(run_events).values(run_id=run, sequence=sequence, create_time=now, event=what)
    )
