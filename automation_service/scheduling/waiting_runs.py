"""Runs that wait for their automation to be resumed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import run_endings, run_maintenance
from automation_service.queue import RunQueue
from automation_service.scheduling import start_expiry
from shared import errors


async def start_all(
    connection: AsyncConnection,
    queue: RunQueue,
    automation: UUID,
    *,
    resume_time: datetime,
    now: datetime,
) -> None:
    """Lets the runs of a resumed automation go on, except those that were too late by then."""
    waiting = await run_endings.list_waiting(connection, automation)
    expired = start_expiry.find_expired(waiting, resume_time)
    await run_endings.cancel_pending(connection, automation, expired, now)
    runnable = await run_maintenance.find_runnable(connection, automation=automation)
    await queue.enqueue(connection, runnable)


async def cancel_all(connection: AsyncConnection, automation: UUID, now: datetime) -> None:
    """Ends the runs of an archived automation that have not begun."""
    reason = errors.Cancelled("the automation was archived before the run began")
    waiting = await run_endings.list_waiting(connection, automation)
    ends = {run.run: reason for run in waiting}
    await run_endings.cancel_pending(connection, automation, ends, now)
