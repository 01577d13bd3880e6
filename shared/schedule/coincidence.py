"""Where two schedules fire at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from shared.schedule import cron, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import read_cron, slots_between

# How far ahead slots are looked for.
HORIZON = timedelta(days=366)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coincidence:
    """`always`: which of two schedules of one zone, 0 or 1, fires only when the other does.

    It goes by the fires that were given.
    """

    moment: datetime
    always: int | None


def list_fires(config: ScheduleTriggerConfig, start: datetime, most: int) -> list[datetime]:
    """The first `most` moments after `start` at which a schedule fires, within a year."""
    most = min(most, config.max_fires or most)
    slots = slots_between(config, start, start + HORIZON)
    return list(islice((slot.fire_time for slot in slots if not slot.skipped), most))


def find_coincidence(
    first: ScheduleTriggerConfig,
    second: ScheduleTriggerConfig,
    fires: tuple[Sequence[datetime], Sequence[datetime]],
) -> Coincidence | None:
    """Finds the first moment at which both fire. `fires` are those of each, by `list_fires`.

    It goes through the fires of the schedule whose own reach further, so its time is bounded by
    theirs. Jitter counts as none.
    """
    if not fires[0] or not fires[1] or _are_apart(first, second):
        return None
    rarer = int(fires[1][-1] > fires[0][-1])
    other, known = (first, second)[1 - rarer], fires[1 - rarer]
    met = [moment for moment in fires[rarer] if _fires_at(other, known, moment)]
    if not met:
        return None
    always = len(met) == len(fires[rarer]) and first.timezone == second.timezone
    return Coincidence(moment=met[0], always=rarer if always else None)


def _are_apart(first: ScheduleTriggerConfig, second: ScheduleTriggerConfig) -> bool:
    """Whether no minute of one zone can be of both. Moved slots fire on the clock of a change."""
    if first.timezone != second.timezone or first.cron is None or second.cron is None:
        return False
    one, two = read_cron(first), read_cron(second)
    return not (one.minutes & two.minutes and one.hours & two.hours and one.months & two.months)


def _fires_at(config: ScheduleTriggerConfig, known: Sequence[datetime], moment: datetime) -> bool:
    if moment <= known[-1] or config.max_fires is not None:
        return moment in known
    if config.cron is None:
        near = slots_between(config, moment - _TICK, moment)
        return any(slot.fire_time == moment and not slot.skipped for slot in near)
    if config.end_time is not None and moment > config.end_time:
        return False
    local = moment.astimezone(zones.load(config.timezone))
    if local.fold or local.date() in config.excluded_dates:
        return False
    return cron.matches(read_cron(config), local.replace(tzinfo=None))
