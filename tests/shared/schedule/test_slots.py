"""Which moments a schedule names, example by example."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.schedule import slots as slots_module
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import (
    PlannedSlot,
    find_last_slot,
    find_slots_at,
    jitter,
    next_slots,
    slots_after,
    slots_between,
)

PARIS = "Europe/Paris"
HOUR = timedelta(hours=1)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _config(cron: str, zone: str = PARIS, **more: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig(cron=cron, timezone=zone, **more)


def _slots(cron: str, after: str, count: int, zone: str = PARIS, **more: Any) -> list[PlannedSlot]:
    return next_slots(_config(cron, zone, **more), _at(after), count)


def _fires(slots: list[PlannedSlot]) -> list[str]:
    return [f"{slot.fire_time:%dT%H:%M}" for slot in slots if not slot.skipped]


def test_an_ordinary_slot_fires_at_its_nominal_time() -> None:
    [slot] = _slots("0 9 * * 1-5", "2027-01-08T12:00Z", 1)  # a Friday
    assert slot == PlannedSlot(
        slot_time=_at("2027-01-11T08:00Z"),
        fire_time=_at("2027-01-11T08:00Z"),
        local_time="2027-01-11T09:00:00",
        utc_offset="+01:00",
    )


def test_the_moment_itself_is_not_after_itself() -> None:
    assert _fires(_slots("0 9 * * *", "2027-01-08T08:00Z", 1)) == ["09T08:00"]
    assert _fires(_slots("0 9 * * *", "2027-01-08T07:59:59.999Z", 1)) == ["08T08:00"]


def test_a_fixed_time_in_a_gap_moves_to_the_first_instant_after_it() -> None:
    before, slot, later = _slots("30 2 * * *", "2027-03-27T00:00Z", 3)
    assert slot.slot_time == _at("2027-03-28T01:30Z")  # 02:30 with the offset before the gap
    assert slot.fire_time == _at("2027-03-28T01:00Z")
    assert (slot.local_time, slot.utc_offset) == ("2027-03-28T02:30:00", "+02:00")
    assert "02:30 does not exist" in slot.dst_note
    assert "03:00" in slot.dst_note
    assert (before.dst_note, later.dst_note) == ("", "")
    assert _fires([before, slot, later]) == ["27T01:30", "28T01:00", "29T00:30"]


def test_slots_that_a_gap_moves_onto_one_instant_run_once() -> None:
    first, second = _slots("0,30 2 * * *", "2027-03-28T00:00Z", 2)
    assert first.fire_time == second.fire_time == _at("2027-03-28T01:00Z")
    assert (first.skipped, second.skipped) == (False, True)
    assert second.coincides_with == first.slot_time
    assert "2027-03-28T02:00:00" in second.reason


def test_a_slot_that_exists_wins_over_one_that_a_gap_moves_onto_it() -> None:
    slots = _slots("0 2,3 * * *", "2027-03-28T00:00Z", 2)
    gap = next(slot for slot in slots if slot.local_time.endswith("02:00:00"))
    real = next(slot for slot in slots if slot.local_time.endswith("03:00:00"))
    assert (gap.skipped, real.skipped) == (True, False)
    assert gap.coincides_with == real.slot_time
    assert gap.slot_time != real.slot_time


def test_gap_slots_can_be_skipped() -> None:
    slot, later = _slots("30 2 * * *", "2027-03-27T12:00Z", 2, on_gap="skip")
    assert (slot.skipped, later.skipped) == (True, False)
    assert slot.coincides_with is None
    assert "skip" in slot.reason


def test_a_group_on_one_instant_is_not_separated_by_the_count() -> None:
    slots = _slots("*/10 2 * * *", "2027-03-28T00:00Z", 1)
    assert len(slots) == 6
    assert len({slot.slot_time for slot in slots}) == 6
    assert _fires(slots) == ["28T01:00"]


def test_a_fixed_time_in_a_fold_runs_the_first_time() -> None:
    slot, later = _slots("30 2 * * *", "2027-10-30T12:00Z", 2)
    assert slot.slot_time == slot.fire_time == _at("2027-10-31T00:30Z")
    assert "twice" in slot.dst_note
    assert later.local_time == "2027-11-01T02:30:00"


def test_on_fold_last_keeps_the_nominal_time_and_runs_the_second_time() -> None:
    slot, later = _slots("30 2 * * *", "2027-10-30T12:00Z", 2, on_fold="last")
    assert slot.slot_time == _at("2027-10-31T00:30Z")
    assert (slot.fire_time, slot.utc_offset, slot.fold) == (_at("2027-10-31T01:30Z"), "+01:00", 0)
    assert later.local_time == "2027-11-01T02:30:00"


def test_on_fold_both_gives_two_slots_of_their_own() -> None:
    first, second, later = _slots("30 2 * * *", "2027-10-30T12:00Z", 3, on_fold="both")
    assert (first.slot_time, first.fold) == (_at("2027-10-31T00:30Z"), 0)
    assert (second.slot_time, second.fold) == (_at("2027-10-31T01:30Z"), 1)
    assert first.local_time == second.local_time
    assert later.local_time == "2027-11-01T02:30:00"


@pytest.mark.parametrize("day", ["2027-03-27T20:00Z", "2027-10-30T20:00Z"])
@pytest.mark.parametrize(
    ("cron", "every"),
    [("*/15 * * * *", timedelta(minutes=15)), ("0 * * * *", HOUR), ("7 */1 * * *", HOUR)],
)
def test_every_n_follows_elapsed_time_through_gap_and_fold(
    cron: str, every: timedelta, day: str
) -> None:
    slots = _slots(cron, day, 40)
    assert not any(slot.skipped for slot in slots)
    assert {b.fire_time - a.fire_time for a, b in pairwise(slots)} == {every}


def test_every_second_hour_keeps_its_distance_through_a_gap() -> None:
    slots = _slots("30 */2 * * *", "2027-03-27T22:00Z", 2)
    assert [slot.local_time[11:16] for slot in slots] == ["00:30", "02:30"]
    assert slots[1].fire_time - slots[0].fire_time == 2 * HOUR


def test_lord_howe_shifts_by_half_an_hour() -> None:
    [slot] = _slots("15 2 * * *", "2026-10-03T12:00Z", 1, "Australia/Lord_Howe")
    assert slot.fire_time == _at("2026-10-03T15:30Z")
    assert "02:30" in slot.dst_note
    first, second = _slots("45 1 * * *", "2027-04-03T12:00Z", 2, "Australia/Lord_Howe")
    assert first.fire_time == _at("2027-04-03T14:45Z")
    assert second.local_time == "2027-04-05T01:45:00"


def test_midnight_that_does_not_exist_in_sao_paulo() -> None:
    slots = _slots("0 0 * * *", "2018-11-03T12:00Z", 2, "America/Sao_Paulo")
    assert _fires(slots) == ["04T03:00", "05T02:00"]
    assert "01:00" in slots[0].dst_note


def test_negative_daylight_saving_in_casablanca() -> None:
    # clocks go back at 03:00 when Ramadan begins, forward at 02:00 when it has ended
    fold, _ = _slots("30 2 * * *", "2026-02-14T12:00Z", 2, "Africa/Casablanca")
    assert (fold.fire_time, fold.utc_offset) == (_at("2026-02-15T01:30Z"), "+01:00")
    gap, _ = _slots("30 2 * * *", "2026-03-21T12:00Z", 2, "Africa/Casablanca")
    assert (gap.fire_time, gap.utc_offset) == (_at("2026-03-22T02:00Z"), "+01:00")


def test_the_day_that_apia_never_had() -> None:
    slots = _slots("0 9 * * *", "2011-12-29T00:00Z", 3, "Pacific/Apia")
    assert [slot.local_time[:10] for slot in slots] == ["2011-12-29", "2011-12-30", "2011-12-31"]
    assert _fires(slots) == ["29T19:00", "30T10:00", "30T19:00"]
    assert len({slot.slot_time for slot in slots}) == 3


def test_day_of_month_and_day_of_week_mean_either() -> None:
    slots = _slots("0 9 13 * 5", "2027-08-01T00:00Z", 5)
    assert [slot.local_time[8:10] for slot in slots] == ["06", "13", "20", "27", "03"]


def test_february_29_waits_for_a_leap_year() -> None:
    slots = _slots("0 12 29 2 *", "2026-01-01T00:00Z", 2, "UTC")
    assert [slot.local_time[:10] for slot in slots] == ["2028-02-29", "2032-02-29"]


def test_start_and_end_bound_the_slots_inclusively() -> None:
    bounds = {"start_time": "2027-01-02T09:00Z", "end_time": "2027-01-04T09:00Z"}
    slots = _slots("0 9 * * *", "2026-01-01T00:00Z", 10, "UTC", **bounds)
    assert _fires(slots) == ["02T09:00", "03T09:00", "04T09:00"]
    assert _slots("0 9 * * *", "2027-01-04T09:00Z", 10, "UTC", **bounds) == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak", "Asia/Kolkata"])
def test_the_calendar_begins_and_ends_without_an_error_in_every_zone(zone: str) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for expression in ("0 * * * *", "59 23 31 12 *", "0 0 1 1 *"):
        for moment in (first, first + 3 * HOUR, first + 30 * HOUR, last - 30 * HOUR, last - HOUR):
            config = _config(expression, zone)
            found = [*next_slots(config, moment, 3), *find_slots_at(config, moment)]
            assert all(first <= slot.fire_time <= last for slot in found)
            assert find_last_slot(config, last) is not None


def test_the_calendar_ends_without_an_error() -> None:
    assert _slots("0 9 * * *", "9999-12-31T23:59Z", 1, "UTC") == []
    assert next_slots(_config("0 9 * * *"), datetime.max.replace(tzinfo=UTC), 1) == []
    assert len(next_slots(_config("0 9 * * *"), datetime.min.replace(tzinfo=UTC), 1)) == 1


def test_no_slots_are_asked_for() -> None:
    assert _slots("0 9 * * *", "2027-01-01T00:00Z", 0) == []


def test_going_on_from_the_last_fire_time_misses_and_repeats_nothing() -> None:
    config = _config("*/20 1-3 * * *", on_fold="both")
    for start in ("2027-03-27T12:00Z", "2027-10-30T12:00Z"):
        whole = next_slots(config, _at(start), 30)
        pieces: list[PlannedSlot] = []
        cursor = _at(start)
        while len(pieces) < len(whole):
            pieces += next_slots(config, cursor, 1)
            cursor = pieces[-1].fire_time
        assert pieces[: len(whole)] == whole


def test_slots_after_is_lazy_and_endless() -> None:
    walk = slots_after(_config("* * * * *", "UTC"), _at("2027-01-01T00:00Z"))
    assert [next(walk).fire_time.minute for _ in range(3)] == [1, 2, 3]


def test_jitter_is_bounded_and_the_same_for_a_slot() -> None:
    slot = _at("2027-01-01T09:00Z")
    seen = {jitter(f"trigger-{i}", slot, 60) for i in range(200)}
    assert jitter("trigger-1", slot, 60) == jitter("trigger-1", slot, 60)
    assert len(seen) > 150
    assert all(timedelta(0) <= late < timedelta(seconds=60) for late in seen)
    assert jitter("trigger-1", slot + HOUR, 60) != jitter("trigger-1", slot, 60)
    assert jitter("trigger-1", slot, 0) == timedelta(0)


def test_the_last_slot_of_a_rare_schedule_is_found_decades_back() -> None:
    leap = _config("0 0 29 2 *", "UTC")
    found = find_last_slot(leap, datetime(1903, 6, 1, tzinfo=UTC))
    assert found is not None
    assert found.fire_time == datetime(1896, 2, 29, tzinfo=UTC)
    mondays = _config("0 0 * 2 1#5", "UTC")
    found = find_last_slot(mondays, datetime(2044, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.fire_time == datetime(2016, 2, 29, tzinfo=UTC)
    assert find_last_slot(leap, datetime.min.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "expression", ["*/9 * * * *", "*/7 3,4 * * *", "0 0 29 2 *", "*/5 * * 1 *", "30 1-3 * * 0"]
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Apia"])
def test_a_search_finds_what_a_walk_finds(expression: str, zone: str) -> None:
    config = _config(expression, zone)
    moments = [_at("2011-12-30T10:00Z"), _at("2026-03-29T01:30Z"), _at("2026-10-25T01:00Z")]
    for moment in moments:
        walk = list(slots_between(config, moment - timedelta(days=2), moment))
        if walk:
            assert find_last_slot(config, moment) == walk[-1]
        near = list(slots_between(config, moment - timedelta(days=2), moment + timedelta(days=2)))
        assert near == sorted(near, key=lambda slot: slot.fire_time)
        for slot in near[:: max(1, len(near) // 5)]:
            for second in (slot.slot_time.replace(microsecond=0), slot.fire_time):
                assert slot in find_slots_at(config, second)


def test_a_search_goes_through_few_slots_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = 0
    original = slots_module.slots_after

    def counted(*arguments: Any) -> Iterator[PlannedSlot]:
        nonlocal seen
        for slot in original(*arguments):
            seen += 1
            yield slot

    monkeypatch.setattr(slots_module, "slots_after", counted)
    for expression in ("* * * * *", "* * * 1 *", "* * 29 2 *", "0 0 29 2 *", "*/5 * 1 1 *"):
        for zone in ("UTC", "Europe/Paris"):
            config, moment = _config(expression, zone), datetime(2026, 11, 23, 8, tzinfo=UTC)
            seen = 0
            assert find_last_slot(config, moment) is not None
            find_slots_at(config, moment)
            assert seen <= 500
