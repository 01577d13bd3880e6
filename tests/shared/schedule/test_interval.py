"""Times that are equally far apart, and single ones: where clocks, years and the calendar end."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import find_last_slot, find_slots_at, next_slots
from tests.support.oracles.growth import ratio

PARIS = "Europe/Paris"


def config(zone: str = PARIS, **form: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"timezone": zone, **form})


def every(count: int, unit: str, anchor: str, zone: str = PARIS, **more: Any) -> Any:
    return config(zone, every={"unit": unit, "count": count, "anchor": anchor}, **more)


def fires(schedule: ScheduleTriggerConfig, after: str, count: int = 3) -> list[str]:
    """Of the next slots: when they fire, in UTC."""
    slots = next_slots(schedule, datetime.fromisoformat(after).replace(tzinfo=UTC), count)
    return [f"{slot.fire_time:%Y-%m-%dT%H:%M:%S}" for slot in slots if not slot.skipped]


@pytest.mark.parametrize(
    ("schedule", "after", "found"),
    [
        # by elapsed time through both changes of the clock
        (
            every(90, "minutes", "2027-03-28T00:30"),
            "2027-03-27T23:00",
            ["2027-03-27T23:30:00", "2027-03-28T01:00:00", "2027-03-28T02:30:00"],
        ),
        (
            every(36, "hours", "2027-10-30T12:00"),
            "2027-10-30T09:00",
            ["2027-10-30T10:00:00", "2027-10-31T22:00:00", "2027-11-02T10:00:00"],
        ),
        # by the clock
        (
            every(2, "days", "2027-03-26T09:00"),
            "2027-03-01T00:00",
            ["2027-03-26T08:00:00", "2027-03-28T07:00:00", "2027-03-30T07:00:00"],
        ),
        (
            every(2, "weeks", "2027-03-16T09:00"),
            "2027-03-17T00:00",
            ["2027-03-30T07:00:00", "2027-04-13T07:00:00", "2027-04-27T07:00:00"],
        ),
        # a day that does not exist: its slot moves to the end of the gap
        (
            every(1, "days", "2011-12-29T09:00", "Pacific/Apia"),
            "2011-12-29T00:00",
            ["2011-12-29T19:00:00", "2011-12-30T10:00:00", "2011-12-30T19:00:00"],
        ),
        (
            every(12, "hours", "2011-12-29T12:00", "Pacific/Apia"),
            "2011-12-29T21:00",
            ["2011-12-29T22:00:00", "2011-12-30T10:00:00", "2011-12-30T22:00:00"],
        ),
        # negative summer time, and an offset with seconds
        (
            every(1, "days", "2027-10-30T01:30", "Europe/Dublin"),
            "2027-10-30T12:00",
            ["2027-10-31T00:30:00", "2027-11-01T01:30:00", "2027-11-02T01:30:00"],
        ),
        (
            every(1, "hours", "1971-01-01T00:00", "Africa/Monrovia"),
            "1970-01-01T00:00",
            ["1971-01-01T00:44:30", "1971-01-01T01:44:30", "1971-01-01T02:44:30"],
        ),
        # leap days are days
        (
            every(366, "days", "2028-02-29T09:00", "UTC"),
            "2028-01-01T00:00",
            ["2028-02-29T09:00:00", "2029-03-01T09:00:00", "2030-03-02T09:00:00"],
        ),
        # an anchor that the clock shows twice, or skips
        (
            every(1, "hours", "2027-10-31T02:30"),
            "2027-10-01T00:00",
            ["2027-10-31T00:30:00", "2027-10-31T01:30:00", "2027-10-31T02:30:00"],
        ),
        (
            every(1, "hours", "2027-03-28T02:30"),
            "2027-03-01T00:00",
            ["2027-03-28T01:30:00", "2027-03-28T02:30:00", "2027-03-28T03:30:00"],
        ),
        # the calendar ends
        (every(1, "days", "9999-12-30T09:00", "UTC"), "9999-12-30T10:00", ["9999-12-31T09:00:00"]),
        (every(9, "hours", "9999-12-31T09:00", "UTC"), "9999-12-31T10:00", ["9999-12-31T18:00:00"]),
        (every(1, "days", "9999-12-31T09:00", "UTC"), "9999-12-31T10:00", []),
        # one moment
        (config(at="2027-03-28T02:30"), "2027-03-01T00:00", ["2027-03-28T01:00:00"]),
        (config(at="2027-03-28T02:30", on_gap="skip"), "2027-03-01T00:00", []),
        (config(at="2027-10-31T02:30"), "2027-03-01T00:00", ["2027-10-31T00:30:00"]),
        (
            config(at="2027-10-31T02:30", on_fold="last"),
            "2027-03-01T00:00",
            ["2027-10-31T01:30:00"],
        ),
        (config(at="2027-03-01T09:00:30"), "2027-03-01T08:00:30", []),
        (config(at="2027-03-01T09:00:30"), "2027-03-01T08:00:29", ["2027-03-01T08:00:30"]),
        # limits
        (
            every(1, "days", "2020-01-01T09:00", start_time="2027-05-01T07:00:00Z"),
            "2027-03-01T00:00",
            ["2027-05-01T07:00:00", "2027-05-02T07:00:00", "2027-05-03T07:00:00"],
        ),
        (
            every(25, "minutes", "2020-01-01T09:00", "UTC", end_time="2027-05-01T00:50:00Z"),
            "2027-05-01T00:00",
            ["2027-05-01T00:10:00", "2027-05-01T00:35:00"],
        ),
        # excluded dates
        (
            every(
                1, "days", "2027-12-23T09:00", "UTC", excluded_dates=["2027-12-24", "2027-12-25"]
            ),
            "2027-12-23T00:00",
            ["2027-12-23T09:00:00", "2027-12-26T09:00:00", "2027-12-27T09:00:00"],
        ),
        (
            every(7, "hours", "2027-12-23T00:00", "UTC", excluded_dates=["2027-12-24"]),
            "2027-12-23T10:00",
            ["2027-12-23T14:00:00", "2027-12-23T21:00:00", "2027-12-25T01:00:00"],
        ),
        (
            config("UTC", cron="0 9 * * *", excluded_dates=["2027-12-24"]),
            "2027-12-23T08:00",
            ["2027-12-23T09:00:00", "2027-12-25T09:00:00", "2027-12-26T09:00:00"],
        ),
        # one minute after midnight the clock goes back to the day before, which is not excluded
        (
            every(
                30,
                "minutes",
                "2009-10-31T00:00",
                "America/St_Johns",
                excluded_dates=["2009-11-01", "2009-11-02"],
            ),
            "2009-11-01T01:45",
            ["2009-11-01T02:00:00", "2009-11-01T03:00:00", "2009-11-03T03:30:00"],
        ),
        # 23:30 of the 29th moves to the 30th, on which nothing fires
        (
            config("America/Scoresbysund", cron="30 23 * * *", excluded_dates=["2025-03-30"]),
            "2025-03-29T12:00",
            ["2025-04-01T00:30:00", "2025-04-02T00:30:00", "2025-04-03T00:30:00"],
        ),
    ],
)
def test_the_next_slots(schedule: ScheduleTriggerConfig, after: str, found: list[str]) -> None:
    assert fires(schedule, after) == found


@pytest.mark.parametrize("unit", ["minutes", "days"])
def test_the_next_slot_is_found_at_once_however_far_the_anchor(unit: str) -> None:
    def find(anchor: str, year: int) -> None:
        schedule = every(1, unit, anchor)
        slots = next_slots(schedule, datetime(year, 6, 1, tzinfo=UTC), 1)
        assert slots
        assert find_slots_at(schedule, slots[0].fire_time)[0] == slots[0]

    for anchor in ("0002-01-01T00:00", "1970-01-01T00:00", "9998-01-01T00:00"):
        for year in (1900, 2027, 9999):
            assert ratio(partial(find, anchor, year), partial(find, "2027-01-01T00:00", 2027)) < 8


def test_a_year_of_excluded_dates_is_passed_over_at_once() -> None:
    first = datetime(2027, 1, 1, tzinfo=UTC)
    days = [(first + timedelta(days=n)).date().isoformat() for n in range(365)]
    minutely = every(1, "minutes", "2026-12-01T00:00", "UTC", excluded_dates=days)
    by_cron = config("UTC", cron="* * * * *", excluded_dates=days)
    daily = config("UTC", cron="0 0 * * *", excluded_dates=days)

    def pass_over(schedule: ScheduleTriggerConfig) -> None:
        assert fires(schedule, "2026-12-31T23:59", 1) == ["2028-01-01T00:00:00"]

    # Of each day it looks at one slot, not at 1,440.
    for schedule in (minutely, by_cron):
        assert ratio(partial(pass_over, schedule), partial(pass_over, daily)) < 200


def test_before_the_anchor_there_is_no_slot() -> None:
    schedule = every(2, "weeks", "2027-03-16T09:00")
    assert find_last_slot(schedule, datetime(2027, 3, 16, 7, 59, tzinfo=UTC)) is None
    last = find_last_slot(schedule, datetime(2027, 3, 16, 8, tzinfo=UTC))
    assert last is not None
    assert last.local_time == "2027-03-16T09:00:00"


def test_an_instant_that_the_clock_shows_twice_says_which_it_is() -> None:
    slots = next_slots(every(1, "hours", "2027-10-31T00:30"), datetime(2027, 10, 31, tzinfo=UTC), 2)
    assert [(slot.local_time[11:16], slot.fold) for slot in slots] == [("02:30", 0), ("02:30", 1)]
    assert [slot.dst_note.rpartition(". ")[2] for slot in slots] == [
        "This is the first time.",
        "This is the second time.",
    ]
