"""The slots of a schedule that fire, where clock changes skip some of them or all."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot, fires_after, slots_after
from tests.support.oracles.slot_oracle import ZONES, draw

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PARIS, NEW_YORK = "Europe/Paris", "America/New_York"
# Its 41 years have as many clock changes, and one at each end.
MOST_LOOKED_AT = 45
NEVER: list[dict[str, Any]] = [
    {"timezone": PARIS, "cron": "30 2 * 3 0L"},
    {"timezone": PARIS, "cron": "* 2 * 3 0L"},
    {"timezone": PARIS, "cron": "* 2 25-31 3 0", "day_match": "all"},
    {"timezone": PARIS, "cron": "30 2 31 3 0", "day_match": "all"},
    {"timezone": PARIS, "cron": "30 2 * 3 0L", "start_time": "2500-01-01T00:00:00Z"},
    {"timezone": PARIS, "cron": "30 2 * 3 0L", "end_time": "2040-01-01T00:00:00Z"},
    {"timezone": NEW_YORK, "cron": "30 2 * 3 0#2"},
    {"timezone": "Australia/Lord_Howe", "cron": "0-29 2 * 10 0#1"},
    {"timezone": PARIS, "at": "2027-03-28T02:30:30"},
]
AT_LAST: list[tuple[dict[str, Any], str]] = [
    ({"timezone": PARIS, "cron": "30 2 28 3 *"}, "2028-03-28T00:30:00"),
    ({"timezone": PARIS, "cron": "* 2 28 3 *"}, "2028-03-28T00:00:00"),
    # The clock of New York jumps on another Sunday.
    ({"timezone": NEW_YORK, "cron": "30 2 * 3 0L"}, "2027-03-28T06:30:00"),
    (
        {
            "timezone": PARIS,
            "every": {"unit": "weeks", "count": 52, "anchor": "2027-03-28T02:30"},
        },
        "2030-03-24T01:30:00",
    ),
    # The time behind the gap, to which its last one moves, is its own.
    ({"timezone": PARIS, "cron": "30 2,3 * 3 0L"}, "2027-03-28T01:30:00"),
    ({"timezone": PARIS, "cron": "0 2,3 * 3 0L"}, "2027-03-28T01:00:00"),
    (
        {
            "timezone": PARIS,
            "cron": "0 0 29 2 0#5",
            "day_match": "all",
            "start_time": "2089-01-01T00:00:00Z",
        },
        "2128-02-28T23:00:00",
    ),
]


def config(**said: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"on_gap": "skip", **said})


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The local times that were asked for a gap, or made to slots."""
    seen: list[datetime] = []
    for name in ("_find_gap_end", "_slots_of"):
        real = getattr(slots, name)

        def see(where: Any, local: datetime, real: Any = real) -> Any:
            seen.append(local)
            return real(where, local)

        monkeypatch.setattr(slots, name, see)
    return seen


@pytest.mark.parametrize("said", NEVER, ids=str)
def test_a_schedule_whose_times_are_all_skipped_has_no_fire_and_the_search_ends_soon(
    said: dict[str, Any], looked_at: list[datetime]
) -> None:
    assert next(fires_after(config(**said), NOW), None) is None
    assert len(looked_at) <= MOST_LOOKED_AT


@pytest.mark.parametrize(("said", "first"), AT_LAST, ids=str)
def test_a_schedule_with_some_times_skipped_fires_at_the_first_other_one(
    said: dict[str, Any], first: str, looked_at: list[datetime]
) -> None:
    found = next(fires_after(config(**said), NOW))
    assert found.fire_time.isoformat().startswith(first)
    assert len(looked_at) <= MOST_LOOKED_AT


def test_a_minute_of_a_gap_is_looked_at_once_for_all_of_the_gap(looked_at: list[datetime]) -> None:
    every_minute = config(timezone=PARIS, cron="* 2 * 3 0L,1L")
    assert len(list(islice(fires_after(every_minute, NOW), 60))) == 60
    assert sum(local.day == 28 for local in looked_at) == 1


def _that_fire(found: Iterator[PlannedSlot]) -> list[PlannedSlot]:
    return list(islice((slot for slot in islice(found, 3_000) if not slot.skipped), 5))


def test_what_fires_is_what_is_not_skipped_of_all_slots() -> None:
    chance = random.Random(11)
    for _ in range(400):
        case = replace(draw(chance), on_gap=chance.choice(["skip", "skip", "shift"]))
        found = list(islice(fires_after(case.config, case.start), 5))
        assert found == _that_fire(slots_after(case.config, case.start)), case


@pytest.mark.parametrize("start", [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_have_fires_or_none(start: datetime) -> None:
    for zone in ZONES:
        every_minute = config(timezone=zone, cron="* * * * *")
        found = list(islice(fires_after(every_minute, start), 3))
        assert found == list(islice(slots_after(every_minute, start), 3))
