"""Schedules against an oracle that walks every minute, over all zones and many years."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.schedule import zones
from tests.support.oracles.slot_oracle import (
    DAY,
    MINUTE,
    Case,
    Oracle,
    draw,
    find_changes,
    find_difference,
    list_slots,
)

# the same cases every time: a run proves what it proved before
BOUNDED = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@st.composite
def _starts(draw: st.DrawFn, zone: str) -> datetime:
    # near a change where the zone has one that year: that is where the rules are
    year = draw(st.integers(1973, 2037))
    changes = find_changes(zone, year)
    if changes:
        day = draw(st.sampled_from(changes)) - DAY
    else:
        day = datetime(year, 1, 1, tzinfo=UTC) + draw(st.integers(0, 360)) * DAY
    return day + draw(st.integers(0, 1439)) * MINUTE


def _values(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = (
        st.tuples(st.integers(low, high), st.integers(low, high))
        .filter(lambda pair: pair[0] < pair[1])
        .map(lambda pair: f"{pair[0]}-{pair[1]}")
    )
    return st.lists(number | span, min_size=1, max_size=3).map(",".join)


_MINUTES = st.sampled_from(["0", "30", "*/15", "*", "5,35", "20-40/10"]) | _values(0, 59)
_HOURS = st.sampled_from(["*", "0", "1", "2", "3", "0-4", "*/2", "1-23/2", "2,3"]) | _values(0, 23)
_DATES = st.sampled_from(["* * *", "* * *", "1,15 * 1-5", "* * 0,7", "L * *", "* 3,10,11 *"])


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(sorted(zones.all_names())))
    return Case(
        cron=f"{draw(_MINUTES)} {draw(_HOURS)} {draw(_DATES)}",
        zone=zone,
        start=draw(_starts(zone)),
        on_fold=draw(st.sampled_from([None, "first", "last", "both"])),
        on_gap=draw(st.sampled_from(["shift", "skip"])),
    )


@BOUNDED
@given(_cases())
def test_what_fires_is_what_a_walk_over_every_minute_finds(case: Case) -> None:
    slots = list_slots(case)
    assert [slot.fire_time for slot in slots if not slot.skipped] == Oracle(case).fires()


@BOUNDED
@given(_cases())
def test_slots_are_ordered_unique_and_accounted_for(case: Case) -> None:
    _assert_accounted_for(case)


def test_what_fires_in_any_form_is_what_a_walk_over_every_minute_finds() -> None:
    chance = random.Random(46)
    for _ in range(120):
        case = draw(chance)
        assert find_difference(case) is None
        _assert_accounted_for(case)


def _assert_accounted_for(case: Case) -> None:
    slots = list_slots(case)
    fire_times = [slot.fire_time for slot in slots]
    assert fire_times == sorted(fire_times)
    assert len({slot.slot_time for slot in slots}) == len(slots)
    running = {slot.slot_time for slot in slots if not slot.skipped}
    for slot in slots:
        assert bool(slot.reason) == slot.skipped
        assert slot.coincides_with is None or slot.coincides_with in running
        local = datetime.fromisoformat(slot.local_time)
        named = local.replace(tzinfo=zones.load(case.zone), fold=slot.fold)
        assert slot.slot_time - named.astimezone(UTC) in (
            timedelta(0),
            timedelta(microseconds=1),
        )
