"""Words for a moment → the instant."""

from datetime import UTC, datetime

import pytest

from chat_service.tools.automations.moment_parser import has_own_zone, read_moment

NOW = datetime(2026, 11, 25, 13, 20, tzinfo=UTC)  # a Wednesday, 14:20 in Paris


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T09:00", "2026-11-23T09:00:00+01:00"),
        ("2026-11-23 09:00?", "2026-11-23T09:00:00+01:00"),
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00+00:00"),
        ("2026-11-23T09:00:00-05:00", "2026-11-23T09:00:00-05:00"),
        ("at 9 yesterday", "2026-11-24T09:00:00+01:00"),
        ("yesterday at 9:30 pm", "2026-11-24T21:30:00+01:00"),
        ("yesterday at noon", "2026-11-24T12:00:00+01:00"),
        ("today at 9", "2026-11-25T09:00:00+01:00"),
        ("tomorrow at 9", "2026-11-26T09:00:00+01:00"),
        ("Monday 18:30", "2026-11-23T18:30:00+01:00"),
        ("on Wednesday at 9", "2026-11-25T09:00:00+01:00"),
        ("on Wednesday at 18:00", "2026-11-18T18:00:00+01:00"),
        ("at 9", "2026-11-25T09:00:00+01:00"),
        ("18:00", "2026-11-24T18:00:00+01:00"),
        ("12am today", "2026-11-25T00:00:00+01:00"),
        ("2026-11-20 at 9", "2026-11-20T09:00:00+01:00"),
        ("yesterday at 9 Asia/Tokyo", "2026-11-24T09:00:00+09:00"),
        ("2026-11-23t09:00 GMT", "2026-11-23T09:00:00+00:00"),
        ("2026-11-24T09:00 (yesterday)", "2026-11-24T09:00:00+01:00"),
        ("Friday, 2026-11-20 at 9 o'clock", "2026-11-20T09:00:00+01:00"),
        ("last Wednesday at 9", "2026-11-18T09:00:00+01:00"),
        ("this morning at 9", "2026-11-25T09:00:00+01:00"),
        ("Monday morning, 9:00 a.m.", "2026-11-23T09:00:00+01:00"),
        ("yesterday afternoon at 3", "2026-11-24T15:00:00+01:00"),
        ("at 12 in the afternoon", "2026-11-25T12:00:00+01:00"),
        ("the 18:00 run", "2026-11-24T18:00:00+01:00"),
    ],
)
def test_a_moment_is_read_as_people_mean_it(text: str, expected: str) -> None:
    found = read_moment(text, NOW, "Europe/Paris")

    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "last week", "at 25:00", "2026-11-20", "2026-13-40 at 9", "soon"]
)
def test_what_names_no_time_of_day_is_no_moment(text: str) -> None:
    assert read_moment(text, NOW, "Europe/Paris") is None


@pytest.mark.parametrize(
    "text",
    [
        "on 22 November at 9:00",
        "November 22 9:00",
        "22.11.2026 09:00",
        "11/22/2026 9am",
        "at 9 on the 21st",
        "3 days ago at 9",
        "the day before yesterday at 9",
        "next Monday at 9",
        "last night at 9",
        "in 3 minutes",
        "between 9 and 10",
        "at 9 in Paris",
        "at 9 Later/Never",
        "2026-11-23T09:00 Paris time",
        "yesterday evening at 12",
        "at 12 in the morning",
        "yesterday morning at 9 pm",
    ],
)
def test_what_may_mean_another_moment_is_not_guessed(text: str) -> None:
    assert read_moment(text, NOW, "Europe/Paris") is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "0001-01-01 at 0", "9999-12-31T23:59-12:00"])
def test_what_no_calendar_holds_is_no_moment(text: str) -> None:
    assert read_moment(text, NOW, "Europe/Paris") is None


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("2026-11-23T09:00Z", True),
        ("yesterday at 9 Asia/Tokyo", True),
        ("at 9 UTC", True),
        ("2026-11-23T09:00", False),
        ("yesterday at 9", False),
        ("at 9 and/or Later/Never", False),
    ],
)
def test_a_text_may_say_itself_on_whose_clock_it_is(text: str, own: bool) -> None:
    assert has_own_zone(text) is own
