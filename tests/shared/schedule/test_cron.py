"""What a cron expression names."""

import random
from datetime import date, datetime, timedelta
from itertools import islice, takewhile

import pytest

from shared.schedule import cron
from tests.support.oracles.cron_oracles import FIRST, LAST, draw_many, find_difference

YEAR = timedelta(days=366)


def days(expression: str, start: str = "2026-11-01", until: str = "2026-11-30") -> list[int]:
    found = cron.dates_from(cron.read(cron.check(expression)), date.fromisoformat(start))
    return [day.day for day in takewhile(lambda day: day <= date.fromisoformat(until), found)]


SUNDAYS, MONDAYS = [1, 8, 15, 22, 29], [2, 9, 16, 23, 30]
EVERY_DAY = list(range(1, 31))


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        # a range of one value is that value
        ("0 9 * * SUN-SUN", SUNDAYS),
        ("0 9 * * 0-0", SUNDAYS),
        ("0 9 * * 7-7", SUNDAYS),
        ("0 9 * * MON-MON", MONDAYS),
        ("0 9 5-5 * *", [5]),
        # a range may end on Sunday, which is 0 and 7
        ("0 9 * * SAT-SUN", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 9 * * 6-7", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 9 * * 0-7", EVERY_DAY),
        ("0 9 * * */7", SUNDAYS),
        # two kinds of days: either, unless a field starts with *
        ("0 9 13 * MON", [2, 9, 13, 16, 23, 30]),
        ("0 9 13 * MON#1", [2, 13]),
        ("0 9 L * MON#1", [2, 30]),
        ("0 9 1-31/2 * MON", sorted({*range(1, 31, 2), *MONDAYS})),
        ("0 9 1-31 * MON", EVERY_DAY),
        ("0 9 13 * 0-6", EVERY_DAY),
        ("0 9 */2 * MON", [9, 23]),
        ("0 9 */2,16 * MON", [9, 16, 23]),
        ("0 9 13 * */5", [13]),
        ("0 9 */2 * 0-6", list(range(1, 31, 2))),
        ("0 9 */2 * 1#2", [9]),
        ("0 9 */2 * 1#1,5#3", []),
        ("0 9 */2 * */2", [1, 3, 5, 7, 15, 17, 19, 21, 29]),
        # nth weekdays beside whole ones
        ("0 9 * * 1,3#2", [2, 9, 11, 16, 23, 30]),
        ("0 9 * * 0#5", [29]),
        ("0 9 * * FRI#5", []),
        ("0 9 1,L * *", [1, 30]),
        # days that depend on the month: November 2026 ends on a Monday
        ("0 9 LW * *", [30]),
        ("0 9 L-3 * *", [27]),
        ("0 9 L-29,L-30 * *", [1]),
        ("0 9 1W * *", [2]),
        ("0 9 14W,15W * *", [13, 16]),
        ("0 9 31W * *", []),
        ("0 9 * * 1L", [30]),
        ("0 9 * * SUNL,7L,0L", [29]),
        ("0 9 1,LW * 5L", [1, 27, 30]),
        # a step after a single value goes on to the end, of a week to Saturday
        ("0 9 5/10 * *", [5, 15, 25]),
        ("0 9 * * 5/2", [6, 13, 20, 27]),
        ("0 9 * * SUN/3", [1, 4, 7, 8, 11, 14, 15, 18, 21, 22, 25, 28, 29]),
    ],
)
def test_the_days_of_an_expression(expression: str, named: list[int]) -> None:
    assert days(expression) == named


def test_a_working_day_is_sought_in_its_month() -> None:
    assert days("0 9 1W * *", "2026-08-01", "2026-08-31") == [3]  # the 1st is a Saturday
    assert days("0 9 31W * *", "2026-05-01", "2026-05-31") == [29]  # the 31st is a Sunday
    assert days("0 9 LW * *", "2026-01-01", "2026-02-28") == [30, 27]  # Saturdays
    assert days("0 9 LW * *", "2026-05-01", "2026-05-31") == [29]  # a Sunday


@pytest.mark.parametrize(
    ("expression", "any_of", "all_of"),
    [
        ("0 9 13 * FRI", {6, 13, 20, 27}, {13}),
        ("0 9 1-7 * MON", {1, 2, 3, 4, 5, 6, 7, 9, 16, 23, 30}, {2}),
        ("0 9 */2 * MON", {*range(1, 31, 2), *MONDAYS}, {9, 23}),
        ("0 9 LW * FRI", {6, 13, 20, 27, 30}, set()),
        # a lone * is no day that is given
        ("0 9 * * FRI", {6, 13, 20, 27}, {6, 13, 20, 27}),
        ("0 9 13 * *", {13}, {13}),
    ],
)
def test_days_match_any_or_all(expression: str, any_of: set[int], all_of: set[int]) -> None:
    for match, wanted in (("any", any_of), ("all", all_of)):
        found = cron.dates_from(cron.read(expression, match), date(2026, 11, 1))
        assert {day.day for day in takewhile(lambda day: day.month == 11, found)} == wanted


@pytest.mark.parametrize("expression", ["0 0 */10 * 3#4", "0 0 */3 2 1#5", "0 0 31 2,4,6,9,11 *"])
def test_days_that_never_meet_are_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="never comes"):
        cron.check(expression)


@pytest.mark.parametrize(
    "expression", ["0 0 29 2 *", "0 0 * 2 1#5", "0 0 */7 2 0#5", "0 0 */31,L * 1#4"]
)
def test_days_that_meet_once_in_decades_are_accepted(expression: str) -> None:
    found = cron.dates_from(cron.read(cron.check(expression)), date(2097, 1, 1))
    assert next(found) < date(2097, 1, 1) + 40 * YEAR


@pytest.mark.parametrize(
    ("expression", "start", "found"),
    [
        ("*/20 9,17 * * *", "2026-11-30T09:20:00", ["30T09:20", "30T09:40", "30T17:00"]),
        ("*/20 9,17 * * *", "2026-11-30T09:20:01", ["30T09:40", "30T17:00", "30T17:20"]),
        ("*/20 9,17 * * *", "2026-11-30T18:00:00", ["01T09:00", "01T09:20", "01T09:40"]),
        ("59 23 31 12 *", "9998-12-31T23:59:00", ["31T23:59", "31T23:59"]),
        ("* * * * *", "9999-12-31T23:59:00", ["31T23:59"]),
        ("* * * * *", "9999-12-31T23:59:30", []),
    ],
)
def test_a_walk_goes_on_from_any_moment(expression: str, start: str, found: list[str]) -> None:
    walk = cron.minutes_from(cron.read(expression), datetime.fromisoformat(start))
    assert [f"{minute:%dT%H:%M}" for minute in islice(walk, 3)] == found


def test_a_walk_finds_what_matches() -> None:
    chance = random.Random(4)
    for expression in draw_many(4, 200):
        try:
            read = cron.read(cron.check(expression))
        except ValueError:
            continue
        start = datetime.fromisoformat("2028-02-28T00:00")
        minutes = [start + timedelta(minutes=chance.randrange(3 * 1440)) for _ in range(20)]
        for minute in minutes:
            assert cron.matches(read, minute) == (next(cron.minutes_from(read, minute)) == minute)


def test_debian_cronsim_and_croniter_name_the_same() -> None:
    chance = random.Random(5)
    for expression in draw_many(6, 400):
        first = FIRST + timedelta(days=chance.randrange((LAST - FIRST).days - 400))
        assert find_difference(expression, first, first + YEAR) is None, expression
