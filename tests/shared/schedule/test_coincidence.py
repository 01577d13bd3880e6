"""Where two schedules fire at one moment, against a walk of every fire of both."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.schedule.coincidence import find_coincidence, list_fires
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import slots_between

START = datetime(2027, 3, 20, 7, 30, tzinfo=UTC)  # clocks change within a week
_ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")


def drawn(chance: random.Random) -> ScheduleTriggerConfig:
    if chance.random() < 0.3:
        return _drawn_interval(chance)
    minute = chance.choice(("0", "30", "0,30", "*/20", "15"))
    hour = chance.choice(("*", "9", "9-17", "*/6", "2", "3", "13,22"))
    day = chance.choice(("*", "*", "1", "15", "L", "*/2"))
    weekday = chance.choice(("*", "*", "MON", "1-5", "SUN#1"))
    more = chance.choice(({}, {}, {"max_fires": 4}, {"end_time": "2027-04-10T00:00:00Z"}))
    return ScheduleTriggerConfig.model_validate(
        {"cron": f"{minute} {hour} {day} * {weekday}", "timezone": chance.choice(_ZONES), **more}
    )


def _drawn_interval(chance: random.Random) -> ScheduleTriggerConfig:
    unit, count = chance.choice([("minutes", 90), ("hours", 2), ("days", 2), ("weeks", 1)])
    anchor = chance.choice(("2027-03-01T09:00", "2027-03-21T09:30", "2026-01-01T02:30"))
    form: dict[str, Any] = {"every": {"unit": unit, "count": count, "anchor": anchor}}
    form["excluded_dates"] = ["2027-03-28", "2027-03-29"][: chance.randrange(3)]
    if chance.random() < 0.2:
        form = {"at": "2027-03-21T09:30"}
    return ScheduleTriggerConfig.model_validate({"timezone": chance.choice(_ZONES), **form})


@pytest.mark.parametrize("seed", range(60))
def test_it_is_what_a_walk_of_both_finds(seed: int) -> None:
    chance = random.Random(seed)
    pair = drawn(chance), drawn(chance)
    fires = list_fires(pair[0], START, 30), list_fires(pair[1], START, 30)
    if not all(fires):
        assert find_coincidence(*pair, fires) is None
        return
    reach = max(fires[0][-1], fires[1][-1])
    walked = []
    for each in pair:
        slots = [slot for slot in slots_between(each, START, reach) if not slot.skipped]
        walked.append({slot.fire_time for slot in slots[: each.max_fires]})
    both = sorted(walked[0] & walked[1] & (set(fires[0]) | set(fires[1])))
    rarer = fires[int(fires[1][-1] > fires[0][-1])]
    expected = [moment for moment in both if moment in rarer]

    found = find_coincidence(*pair, fires)
    assert (found.moment if found else None) == (expected[0] if expected else None)


def test_fires_are_few_and_of_a_year() -> None:
    often = ScheduleTriggerConfig(cron="* * * * *", timezone="UTC")
    assert len(list_fires(often, START, 30)) == 30
    rare = ScheduleTriggerConfig(cron="0 9 29 2 *", timezone="UTC")
    assert list_fires(rare, START.replace(year=2028), 30) == []
    yearly = ScheduleTriggerConfig(cron="0 9 1 1 *", timezone="UTC")
    (fire,) = list_fires(yearly, START, 30)
    assert fire - START < timedelta(days=366)
