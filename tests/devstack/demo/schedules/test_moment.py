"""A sentence → the past moment that it names."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from devstack.demo.schedules.moment import parse_moment

NOW = datetime(2026, 11, 25, 14, 20, tzinfo=ZoneInfo("Europe/Paris"))  # a Wednesday


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("at 9 yesterday", "2026-11-24T09:00:00+01:00"),
        ("yesterday at 9:30 pm", "2026-11-24T21:30:00+01:00"),
        ("yesterday at noon", "2026-11-24T12:00:00+01:00"),
        ("today at 9", "2026-11-25T09:00:00+01:00"),
        ("Monday 18:30", "2026-11-23T18:30:00+01:00"),
        ("on Wednesday at 9", "2026-11-25T09:00:00+01:00"),
        ("on Wednesday at 18:00", "2026-11-18T18:00:00+01:00"),
        ("at 9", "2026-11-25T09:00:00+01:00"),
        ("at 18:00", "2026-11-24T18:00:00+01:00"),
        ("2026-07-20 at 9", "2026-07-20T09:00:00+02:00"),
        ("at 3 in the afternoon", "2026-11-24T15:00:00+01:00"),
    ],
)
def test_a_moment_is_read_on_the_persons_clock(text: str, time: str) -> None:
    found = parse_moment(text, NOW)

    assert found is not None
    assert (found.time.isoformat(), found.zone) == (time, "")


@pytest.mark.parametrize(
    ("text", "time", "zone"),
    [
        ("yesterday at 9 Asia/Tokyo", "2026-11-24T09:00:00+09:00", "Asia/Tokyo"),
        ("today at 9 in New York", "2026-11-25T09:00:00-05:00", "America/New_York"),
        ("at 9 UTC", "2026-11-25T09:00:00+00:00", "UTC"),
    ],
)
def test_a_moment_is_read_on_the_clock_of_the_named_zone(text: str, time: str, zone: str) -> None:
    found = parse_moment(text, NOW)

    assert found is not None
    assert (found.time.isoformat(), found.zone) == (time, zone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "last week",
        "at 25:00",
        "2026-11-20",
        "2026-13-40 at 9",
        "soon",
        "on 22 November at 9:00",
        "3 days ago at 9",
        "the day before yesterday at 9",
        "at 9 Later/Never",
    ],
)
def test_what_names_no_single_moment_is_none(text: str) -> None:
    assert parse_moment(text, NOW) is None
