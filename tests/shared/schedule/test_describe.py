"""A schedule in English."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from shared.schedule import cron
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.description import describe, describe_cron, describe_moment
from tests.support.oracles.cron_oracles import draw_many
from tests.support.oracles.schedule_words import Times, read_times, read_words, split_exceptions

# Expressions of public crontabs, manifests and workflow files, each with its words.
EXPRESSIONS = [
    line.split("\t")
    for line in Path(__file__).with_name("expressions.tsv").read_text(encoding="utf-8").splitlines()
]
# A month of each form is in these years.
FIRST, YEARS = date(2024, 1, 1), timedelta(days=6 * 366)


def _assert_read_back(expression: str) -> None:
    read = cron.read(cron.check(expression))
    meaning = read_words(describe_cron(read))
    times = {
        (hour, minute) for hour in cron.values(read.hours) for minute in cron.values(read.minutes)
    }
    assert meaning.times == times, expression
    named = set(takewhile(lambda day: day < FIRST + YEARS, cron.dates_from(read, FIRST)))
    days = (FIRST + timedelta(days=n) for n in range(YEARS.days))
    assert {day for day in days if meaning.dates(day)} == named, expression


def _drawn(seed: int, count: int) -> Iterator[str]:
    for expression in draw_many(seed, count):
        try:
            yield cron.check(expression)
        except ValueError:
            continue


def test_the_time_zone_is_said() -> None:
    config = ScheduleTriggerConfig.model_validate({"cron": "0 9 * * 1-5", "timezone": "Asia/Tokyo"})
    assert describe(config) == "At 09:00 on Monday through Friday, Asia/Tokyo"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * SUN,0,7", "At 09:00 on Sunday"),
        ("0 9 * * 6-7", "At 09:00 on Saturday and Sunday"),
        ("0 9 * * 5-7,1", "At 09:00 on Friday through Monday"),
        ("0 9 * * 1,3-5,0", "At 09:00 on Monday, Wednesday through Friday and Sunday"),
        (
            "0 9 * * 1#1,1#2,5,5#3",
            "At 09:00 on Friday and on the first and second Monday of the month",
        ),
        ("0 9 1,L * *", "At 09:00 on day 1 of the month and on the last day of the month"),
        ("0 9 L * 1", "At 09:00 on the last day of the month or on Monday"),
        ("30-59 9 * * *", "Every minute from 09:30 through 09:59"),
        ("5 0-8,18-23 * * *", "At minute 5 in the hours 00 through 08 and 18 through 23"),
        (
            "*/10 8-18/2 * * *",
            "Every 10 minutes from minute 0 through 50 in every 2nd hour from 08 through 18",
        ),
        ("0 9 1-31 * 1", "At 09:00"),
        ("0 9 LW * *", "At 09:00 on the last working day of the month"),
        ("0 9 15W * *", "At 09:00 on the working day nearest to day 15 of the month"),
        ("0 9 L-1 * *", "At 09:00 on the day before the last day of the month"),
        (
            "0 9 1,L-21,L * *",
            "At 09:00 on day 1 of the month, on the 21st day before the last day of the month "
            "and on the last day of the month",
        ),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month"),
        ("0 9 * * 1#1,1L", "At 09:00 on the first and last Monday of the month"),
    ],
)
def test_sets_are_described(expression: str, words: str) -> None:
    assert describe_cron(cron.read(cron.check(expression))) == words
    _assert_read_back(expression)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"at": "2027-03-01T09:00"}, "Once, at 09:00 on Monday, 1 March 2027"),
        ({"at": "2027-03-01T09:00:05"}, "Once, at 09:00:05 on Monday, 1 March 2027"),
        ({"every": ("minutes", 90)}, "Every 90 minutes from 09:00 on 1 March 2027"),
        ({"every": ("hours", 1)}, "Every hour from 09:00 on 1 March 2027"),
        ({"every": ("days", 1)}, "Every day at 09:00 from 1 March 2027"),
        ({"every": ("days", 3)}, "Every 3 days at 09:00 from 1 March 2027"),
        ({"every": ("weeks", 2)}, "Every 2 weeks on Monday at 09:00 from 1 March 2027"),
        (
            {"cron": "0 9 * * *", "excluded_dates": ["2027-12-25", "2027-12-24"]},
            "At 09:00, except on 24 December 2027 and 25 December 2027",
        ),
        (
            {"every": ("days", 1), "excluded_dates": [f"2027-12-{n}" for n in range(21, 32)]},
            "Every day at 09:00 from 1 March 2027, except on 11 dates between 21 December 2027 "
            "and 31 December 2027",
        ),
        ({"cron": "0 9 1 12 *"}, "At 09:00 on 1 December of every year"),
        ({"cron": "0 9 1 12 *", "max_fires": 1}, "At 09:00 on 1 December"),
        (
            {"cron": "0 9 1,2 1,12 *"},
            "In January and December, at 09:00 on days 1 and 2 of the month",
        ),
        ({"cron": "0 9 31 2,3 *"}, "In February and March, at 09:00 on day 31 of the month"),
        (
            {"cron": "0 9 13 * FRI", "day_match": "all"},
            "At 09:00 on day 13 of the month, but only on Friday",
        ),
    ],
)
def test_each_form_is_described(form: dict[str, Any], words: str) -> None:
    if isinstance(every := form.get("every"), tuple):
        unit, count = every
        form = {**form, "every": {"unit": unit, "count": count, "anchor": "2027-03-01T09:00"}}
    assert describe(_config(**form)) == f"{words}, Asia/Tokyo"


def _config(**form: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"timezone": "Asia/Tokyo", **form})


def test_the_words_of_any_moment_and_interval_are_read_back() -> None:
    chance = random.Random(9)
    for _ in range(200):
        anchor = datetime(2027, 1, 1) + timedelta(seconds=chance.randrange(10**9))  # noqa: DTZ001
        unit, most = chance.choice([("minutes", 999), ("hours", 99), ("days", 366), ("weeks", 52)])
        count = chance.choice([1, chance.randint(2, most)])
        excluded = {
            FIRST + timedelta(days=chance.randrange(999)) for _ in range(chance.randrange(7))
        }
        form: dict[str, Any] = {
            "every": {"unit": unit, "count": count, "anchor": anchor.isoformat()}
        }
        meant = Times(anchor, count, unit)
        if chance.random() < 0.3:
            form, excluded, meant = {"at": anchor.isoformat()}, set(), Times(anchor)
        form["excluded_dates"] = sorted(map(str, excluded))
        words = describe(_config(**form)).removesuffix(", Asia/Tokyo")
        words, dates, number = split_exceptions(words)
        assert read_times(words) == meant
        assert number == len(excluded)
        assert dates == (excluded if number <= 3 else {min(excluded), max(excluded)})


def test_expressions_that_people_write_read_as_sentences() -> None:
    assert len(EXPRESSIONS) > 400
    for expression, words in EXPRESSIONS:
        assert describe_cron(cron.read(cron.check(expression))) == words


def test_the_words_of_what_people_write_are_read_back() -> None:
    for expression, _ in random.Random(1).sample(EXPRESSIONS, 150):
        _assert_read_back(expression)


def test_the_words_of_any_expression_are_read_back() -> None:
    for expression in _drawn(2, 300):
        _assert_read_back(expression)


def test_a_moment_is_said_to_the_second_in_its_zone() -> None:
    moment = datetime(2026, 11, 30, 23, 18, 14, 293775, tzinfo=UTC)
    assert describe_moment(moment, "Europe/Paris") == "1 December 2026 at 00:18:14, Europe/Paris"
    end = datetime.max.replace(tzinfo=UTC)
    assert describe_moment(end, "Asia/Tokyo") == "31 December 9999 at 23:59:59, UTC"
