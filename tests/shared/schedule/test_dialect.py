"""Cron, zones and moments as other systems write them."""

import random
import re
from typing import Any

import pytest
from pydantic import ValidationError

from shared.schedule import cron, dialect, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.cron import DAY, HOUR, MINUTE, MONTH, WEEKDAY, Field
from shared.schedule.notes import find_notes
from shared.validation.violations import from_pydantic

PARIS = {"cron": "0 9 * * *", "timezone": "Europe/Paris"}


def refusal(**config: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        ScheduleTriggerConfig.model_validate(PARIS | config)
    return "; ".join(one.message for one in from_pydantic(refused.value, "", ScheduleTriggerConfig))


def suggested(expression: str) -> str:
    found = re.search(r"; write '([^']+)'", refusal(cron=expression))
    assert found, expression
    assert dialect.check(found[1]) == found[1]
    return found[1]


@pytest.mark.parametrize(
    ("expression", "works"),
    [
        ("@daily", "0 0 * * *"),
        (" @Midnight ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@every 15m", "*/15 * * * *"),
        ("@every 6h", "0 */6 * * *"),
        ("rate(1 day)", "0 0 * * *"),
        # seconds, years, ?
        ("0 0 9 * * 1", "0 9 * * 1"),
        ("0 9 * * 1 2027", "0 9 * * 1"),
        ("0 0 9 ? * MON-FRI", "0 9 * * MON-FRI"),
        ("0 0 9 ? * 2-6 *", "0 9 * * MON-FRI"),
        ("cron(0 9 ? * 2-6 *)", "0 9 * * MON-FRI"),
        ("0 0 9 1/5 * ?", "0 9 1/5 * *"),
        ("0 9 ? * 2#1", "0 9 * * MON#1"),
        ("0 9 1 * ?", "0 9 1 * *"),
        # zones
        ("TZ=Europe/Paris 0 9 * * *", "0 9 * * *"),
        ("CRON_TZ=Asia/Tokyo @daily", "0 0 * * *"),
        # hashes
        ("H 9 * * *", "17 9 * * *"),
        ("H H * * *", "17 3 * * *"),
        ("H/15 * * * *", "*/15 * * * *"),
        ("H(0-29)/10 * * * *", "0-29/10 * * * *"),
        ("R 9 * * *", "17 9 * * *"),
        # ranges that wrap around
        ("0 9 * * FRI-MON", "0 9 * * FRI-SUN,MON"),
        ("0 9 * * 6-2", "0 9 * * 6-7,1-2"),
        ("0 22-6 * * *", "0 22-23,0-6 * * *"),
        ("0 23-1 * * *", "0 23,0-1 * * *"),
        ("0 22-6/2 * * *", "0 0,2,4,6,22 * * *"),
        ("0 9 * NOV-MAR *", "0 9 * NOV-DEC,JAN-MAR *"),
        # names and numbers
        ("0 9 * JANUARY MONDAY", "0 9 * JAN MON"),
        ("0 9 * * TUES,THURS", "0 9 * * TUE,THU"),
        ("0 24 * * *", "0 0 * * *"),
        ("*/60 * * * *", "0 * * * *"),
        ("0 */24 * * *", "0 0 * * *"),
        ("5-5/2 * * * *", "5 * * * *"),
        ("0 0 9 ? * 6L", "0 9 * * FRIL"),
        ("0 0 9 LW * ?", "0 9 LW * *"),
        ("0 9 * * L5", "0 9 * * 5L"),
        ("0 9 WL * *", "0 9 LW * *"),
        ("0 9 * * FRIDAYL", "0 9 * * FRIL"),
        ("0 9 1, 15 * *", "0 9 1,15 * *"),
        ("'0 9 * * *'", "0 9 * * *"),
    ],
)
def test_a_spelling_from_elsewhere_is_refused_with_one_that_works(
    expression: str, works: str
) -> None:
    assert suggested(expression) == works


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("@every 7m", "use every, 7 minutes from an anchor, instead of cron"),
        ("rate(5 days)", "use every, 5 days from an anchor, instead of cron"),
        ("0 9 1 3 ? 2027", "use at '2027-03-01T09:00' instead of cron"),
        ("0 0 9 1 3 ? 2027", "use at '2027-03-01T09:00' instead of cron"),
        ("TZ=Asia/Tokyo 0 9 1 3 * 2027", "instead of cron and 'Asia/Tokyo' as timezone"),
    ],
)
def test_what_another_form_says_is_refused_with_that_form(expression: str, said: str) -> None:
    assert said in refusal(cron=expression)


def test_the_zone_of_an_expression_is_named_as_the_time_zone() -> None:
    assert "'Asia/Tokyo' as timezone" in refusal(cron="TZ=Asia/Tokyo 0 9 * * *")


def test_where_sunday_is_1_the_refusal_says_so() -> None:
    assert "Sunday is 1" in refusal(cron="0 0 9 ? * 2-6")
    assert "Sunday is 1" not in refusal(cron="0 0 9 1 * ?")


@pytest.mark.parametrize(
    "expression", ["@reboot", "@every 7m", "0 9 L-3W * *", "0 9 L/2 * *", "nonsense!", "0 0 30 2 *"]
)
def test_what_has_no_counterpart_gets_no_advice(expression: str) -> None:
    assert "write" not in refusal(cron=expression)


@pytest.mark.parametrize("field", [MINUTE, HOUR, DAY, MONTH, WEEKDAY], ids=lambda one: one.name)
def test_a_range_that_wraps_around_is_refused_with_the_same_values(field: Field) -> None:
    chance = random.Random(7)
    for _ in range(40):
        last, first = sorted(chance.sample(range(field.low, field.high + 1), 2))
        if field is WEEKDAY and last == 0:
            continue  # a range may end on Sunday
        step = chance.choice((1, 1, 2, 3))
        at = cron.FIELDS.index(field)
        written = ["0", "9", "*", "*", "*"]
        written[at] = f"{first}-{last}" + (f"/{step}" if step > 1 else "")
        size = 7 if field is WEEKDAY else field.high - field.low + 1
        around = range(first, last + size + 1 if first < field.low + size else last + 1, step)
        if field is WEEKDAY and first == 7:
            around = range(0, last + 1, step)
        wanted = {(value - field.low) % size + field.low for value in around}
        read = cron.read(suggested(" ".join(written)))
        sets = (read.minutes, read.hours, read.days, read.months, read.weekdays)
        assert set(cron.values(sets[at])) == wanted, written


@pytest.mark.parametrize(
    ("zone", "works"),
    [
        ("PST", "America/Los_Angeles"),
        ("edt", "America/New_York"),
        ("CST", "America/Chicago or Asia/Shanghai"),
        ("CEST", "Europe/Berlin or Europe/Paris"),
        ("Z", "UTC"),
        ("utc", "UTC"),
        ("europe/paris", "Europe/Paris"),
        ("America/New York", "America/New_York"),
        (" Europe / Paris ", "Europe/Paris"),
        ("Tokyo", "Asia/Tokyo"),
        ("Europe/Pariss", "Europe/Paris"),
        ("UTC+2", "Etc/GMT-2"),
        ("-05:00", "Etc/GMT+5"),
    ],
)
def test_a_zone_is_refused_with_the_name_that_works(zone: str, works: str) -> None:
    assert f"; write {works}" in refusal(timezone=zone)
    assert set(works.split(" or ")) <= zones.all_names()


def test_every_place_that_is_advised_is_a_zone() -> None:
    for name, places in zones.PLACES.items():
        assert name not in zones.all_names()
        assert set(places) <= zones.all_names()


@pytest.mark.parametrize(
    ("field", "value", "works"),
    [
        ("end_time", "2027-12-31", "2027-12-31T23:59:59+01:00"),
        ("start_time", "2027-07-01", "2027-07-01T00:00:00+02:00"),
        ("end_time", "2027-07-01T09:30", "2027-07-01T09:30:00+02:00"),
        ("end_time", "2027-07-01 09:30:00", "2027-07-01T09:30:00+02:00"),
    ],
)
def test_a_date_is_refused_with_the_moment_that_works(field: str, value: str, works: str) -> None:
    assert f"write {works!r}" in refusal(**{field: value})
    ScheduleTriggerConfig.model_validate(PARIS | {field: works})


@pytest.mark.parametrize("value", ["tomorrow", "31.12.2027", "1700000000", 1700000000])
def test_what_is_no_date_is_refused_with_an_example(value: Any) -> None:
    assert "RFC 3339 time such as 2027-01-31T09:00:00+01:00" in refusal(end_time=value)


def test_zones_without_summer_time_are_said_to_have_none() -> None:
    def notes(zone: str) -> list[str]:
        return find_notes(ScheduleTriggerConfig(cron="0 9 * * *", timezone=zone))

    assert notes("EST") == ["EST has no summer time; America/New_York has."]
    assert notes("Etc/GMT+5") == ["Etc/GMT+5 is UTC-05:00 all year, without summer time."]
    assert notes("America/New_York") == []
