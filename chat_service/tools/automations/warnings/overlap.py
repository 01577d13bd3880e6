"""Slots that meet other slots, or the runs of earlier ones."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from typing import Any, Final

from pydantic import ValidationError

from shared.definition.execution import ON_FAILURE_SECONDS
from shared.schedule import zones
from shared.schedule.coincidence import Coincidence, find_coincidence, list_fires
from shared.schedule.config import ScheduleTriggerConfig

# All schedules of an automation share so many slots that are gone through.
_MOST_SLOTS: Final = 120
_MOST_PAIRS: Final = 3
_DEFAULT_SECONDS: Final = 600
_MEANWHILE: Final = {
    "drop_if_running": "is skipped",
    "queue": "waits in line",
    "always": "runs beside it",
    "cancel_running": "cancels it and runs after its end",
}
_AT_ONCE: Final = {
    "drop_if_running": "one of the two runs, and the slot of the other is skipped",
    "queue": "one of the two waits for the other",
    "always": "both run at once",
    "cancel_running": "the run of one replaces the run of the other",
}

Json = Mapping[str, Any]


def find_overlaps(triggers: Sequence[Json], execution: Json, now: datetime) -> Iterator[str]:
    """Says which of the enabled schedules meet, and whether a run may last past the next slot."""
    policy = str(execution.get("concurrency", "drop_if_running"))
    schedules = list(_read(triggers))
    most = _MOST_SLOTS // max(len(schedules), 1)
    fires = [list_fires(config, now, most) for _, config in schedules]
    pairs = combinations(zip(schedules, fires, strict=True), 2)
    met = [
        _coincidence(first, second, found, one.timezone, policy)
        for ((first, one), own), ((second, two), others) in pairs
        if not one.jitter_seconds and not two.jitter_seconds
        if (found := find_coincidence(one, two, (own, others)))
    ]
    yield from met[:_MOST_PAIRS]
    if len(met) > _MOST_PAIRS:
        yield f"{len(met) - _MOST_PAIRS} more pairs of its triggers fire in the same minute."
    plan = int(execution.get("timeout_seconds", _DEFAULT_SECONDS))
    after = ON_FAILURE_SECONDS if execution.get("on_failure") else 0
    yield from _of_gaps(fires, plan, after, policy)


def _read(triggers: Sequence[Json]) -> Iterator[tuple[str, ScheduleTriggerConfig]]:
    for trigger in triggers:
        try:
            config = ScheduleTriggerConfig.model_validate(trigger["config"])
        except ValidationError:
            continue
        yield str(trigger.get("trigger_id")), config


def _coincidence(first: str, second: str, found: Coincidence, zone: str, policy: str) -> str:
    local = found.moment.astimezone(zones.load(zone))
    when = "" if found.always is None else f" whenever {(first, second)[found.always]} fires"
    return (
        f"The triggers {first} and {second} fire in the same minute{when}, first at "
        f"{local:%Y-%m-%d %H:%M} {zone}: {_AT_ONCE[policy]}."
    )


def _of_gaps(
    fires: Sequence[Sequence[datetime]], plan: int, after: int, policy: str
) -> Iterator[str]:
    moments = sorted({moment for each in fires for moment in each})
    least = min((after - before for before, after in pairwise(moments)), default=None)
    if least is not None and least < timedelta(seconds=plan + after):
        more = f" and {_span(after)} more for on_failure" if after else ""
        yield (
            f"Slots come {_span(int(least.total_seconds()))} apart, and a run may take "
            f"{_span(plan)}{more}: a slot that comes while a run goes on "
            f"{_MEANWHILE[policy]}."
        )


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{seconds} seconds"
