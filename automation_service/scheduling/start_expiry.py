"""Runs that waited until their slot was older than its catch-up window. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from automation_service.definitions import parse_schedule
from automation_service.persistence.run_endings import WaitingRun
from automation_service.scheduling.triggers import delay_by_jitter
from shared import errors
from shared.clock import rfc3339
from shared.schedule.config import ScheduleTriggerConfig

# Of a run whose trigger is not known any more.
_DEFAULT: Final = timedelta(
    seconds=ScheduleTriggerConfig.model_fields["catchup_window_seconds"].default
)


def find_expired(waiting: Iterable[WaitingRun], now: datetime) -> dict[UUID, errors.StartExpired]:
    """Finds the runs that may not begin any more, each with its error.

    A slot's age counts from when it came due, which jitter delays; that of a backfill counts from
    when it was asked for.
    """
    expired = {}
    for run in waiting:
        due, window = _read_due_time(run)
        if now - (run.backfill_time or due) > window:
            expired[run.run] = errors.StartExpired(
                slot_time=rfc3339(run.slot_time), window_seconds=int(window.total_seconds())
            )
    return expired


def _read_due_time(run: WaitingRun) -> tuple[datetime, timedelta]:
    if run.config is None:
        return run.fire_time, _DEFAULT
    try:
        config = parse_schedule(run.config)
    except ValueError:
        return run.fire_time, _DEFAULT
    due = delay_by_jitter(config, str(run.trigger), run.slot_time, run.fire_time)
    return due, timedelta(seconds=config.catchup_window_seconds)
