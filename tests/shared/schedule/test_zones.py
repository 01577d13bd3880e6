"""Time zones and the cron walk."""

from datetime import datetime

import pytest

from shared.schedule import cron, zones


def test_every_listed_zone_loads() -> None:
    assert len(zones.all_names()) > 400
    for name in zones.all_names():
        assert zones.load(name).key == name


@pytest.mark.parametrize(
    "name", ["Europe", "/etc/passwd", "../tzdata", "Europe/Nowhere", "Factory"]
)
def test_a_zone_that_is_not_known_is_a_clear_error(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zones.load(name)


def test_the_version_is_that_of_the_database() -> None:
    assert zones.VERSION[:4].isdigit()
    assert zones.VERSION[4:].isalpha()


def test_a_walk_begins_at_its_start() -> None:
    start = datetime.fromisoformat("2027-01-01T09:00")
    assert next(cron.minutes_from(cron.read("0 9 * * *"), start)) == start
    assert cron.matches(cron.read("0 9 * * *"), start)
    assert not cron.matches(cron.read("0 9 * * *"), start.replace(second=30))
    assert not cron.matches(cron.read("0 9 * * *"), start.replace(minute=1))


@pytest.mark.parametrize(
    ("expression", "every_n"),
    [
        ("0 9 * * *", False),
        ("*/5 9-17 * * *", False),
        ("0 * * * *", True),
        ("0 8-20/4 * * *", True),
    ],
)
def test_every_n_is_told_by_the_hour_field(expression: str, every_n: bool) -> None:
    assert cron.read(expression).every_n_hours is every_n
