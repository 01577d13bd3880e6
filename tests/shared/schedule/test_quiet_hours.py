"""Quiet hours, on clocks that change."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.schedule import zones
from shared.schedule.quiet_hours import WEEK, QuietHours, find_end, find_instant

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
# Changes by an hour, by half an hour, at midnight, on the other half of the earth, and none.
ZONES: Final = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kolkata",
    "UTC",
)
CHANGES: Final = (
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 4, 5, 3, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
)
clocks = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(*divmod(minutes, 60)))
moments = st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-3 * 24 * 60, 3 * 24 * 60),
)
hours = st.builds(
    QuietHours,
    time_zone=st.sampled_from(ZONES),
    start=clocks,
    end=clocks,
    days=st.frozensets(st.integers(0, 6), min_size=1),
).filter(lambda quiet: not quiet.is_endless)


def berlin(text: str, fold: int = 0) -> datetime:
    local = datetime.fromisoformat(text).replace(tzinfo=zones.load("Europe/Berlin"), fold=fold)
    return local.astimezone(UTC)


def nights(**said: object) -> QuietHours:
    values = {"time_zone": "Europe/Berlin", "start": time(22), "end": time(7), **said}
    return QuietHours(**values)  # type: ignore[arg-type]


def is_quiet(quiet: QuietHours, moment: datetime) -> bool:
    """By the clock alone: which of the last days' hours have begun and have not ended."""
    zone = zones.load(quiet.time_zone)
    local = moment.astimezone(zone).replace(tzinfo=None)
    for back in range(-1, 3):
        day = local.date() - back * DAY
        if day.weekday() not in quiet.days:
            continue
        last = day if quiet.end > quiet.start else day + DAY
        begun = first_at_or_after(datetime.combine(day, quiet.start), quiet.time_zone)
        ended = first_at_or_after(datetime.combine(last, quiet.end), quiet.time_zone)
        if begun <= moment < ended:
            return True
    return False


def first_at_or_after(local: datetime, zone: str) -> datetime:
    """The first minute of the world at which the clock shows a time or has gone past it."""
    moment = local.replace(tzinfo=UTC) - DAY
    step = timedelta(minutes=15)
    while shown(moment, zone) < local:
        moment += step
    moment -= step
    while shown(moment, zone) < local:
        moment += MINUTE
    return moment


def shown(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(zones.load(zone)).replace(tzinfo=None)


@settings(max_examples=150, deadline=None)
@given(hours, moments)
def test_a_moment_is_held_just_when_the_clock_says_so(quiet: QuietHours, now: datetime) -> None:
    assert (find_end(quiet, now) is not None) == is_quiet(quiet, now)


@settings(max_examples=150, deadline=None)
@given(hours, moments)
def test_the_end_is_the_first_moment_that_is_not_quiet(quiet: QuietHours, now: datetime) -> None:
    end = find_end(quiet, now)
    if end is None:
        return
    assert now < end <= now + 8 * DAY
    assert not is_quiet(quiet, end)
    assert is_quiet(quiet, end - MINUTE)
    assert find_end(quiet, end) is None
    between = (now + (end - now) / 3).replace(second=0, microsecond=0)
    assert find_end(quiet, between) == end


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), st.dates(date(2026, 1, 1), date(2026, 12, 31)), clocks, clocks)
def test_instants_keep_the_order_of_the_clock(zone: str, day: date, one: time, other: time) -> None:
    first, last = sorted((one, other))
    at = zones.load(zone)
    assert find_instant(day, first, at) <= find_instant(day, last, at)
    assert find_instant(day, last, at) <= find_instant(day + DAY, first, at)


@pytest.mark.parametrize(
    ("now", "end", "long"),
    [
        ("2026-03-28T22:00", "2026-03-29T07:00", 8),  # the clock goes forward at 2:00
        ("2026-10-24T22:00", "2026-10-25T07:00", 10),  # the clock goes back at 3:00
        ("2026-11-24T22:00", "2026-11-25T07:00", 9),
    ],
)
def test_a_night_is_as_long_as_the_clock_makes_it(now: str, end: str, long: int) -> None:
    found = find_end(nights(), berlin(now))
    assert found == berlin(end)
    assert found - berlin(now) == timedelta(hours=long)


def test_a_time_that_is_skipped_is_the_moment_of_the_change() -> None:
    quiet = nights(start=time(22), end=time(2, 30))
    assert find_end(quiet, berlin("2026-03-29T01:00")) == berlin("2026-03-29T03:00")
    quiet = nights(start=time(2, 30), end=time(7))
    assert find_end(quiet, berlin("2026-03-29T01:59")) is None
    assert find_end(quiet, berlin("2026-03-29T03:00")) == berlin("2026-03-29T07:00")


def test_a_time_that_comes_twice_is_the_first() -> None:
    quiet = nights(end=time(2, 30))
    assert find_end(quiet, berlin("2026-10-25T02:29", fold=0)) == berlin("2026-10-25T02:30", fold=0)
    assert find_end(quiet, berlin("2026-10-25T02:29", fold=1)) is None


def test_days_that_follow_upon_each_other_are_one() -> None:
    weekend = nights(start=time(0), end=time(0), days=frozenset({5, 6}))
    assert find_end(weekend, berlin("2026-11-28T00:00")) == berlin("2026-11-30T00:00")
    assert find_end(weekend, berlin("2026-11-27T23:59")) is None


def test_what_would_never_end_holds_nothing() -> None:
    assert find_end(nights(start=time(9), end=time(9)), berlin("2026-11-27T12:00")) is None
    week = nights(start=time(9), end=time(9), days=WEEK - {2})
    assert find_end(week, berlin("2026-11-26T12:00")) == berlin("2026-12-02T09:00")


def test_the_ends_of_the_calendar_hold_nothing() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert find_end(nights(), first) is None
    assert find_end(nights(), last) is None
    assert find_end(None, berlin("2026-11-27T12:00")) is None
