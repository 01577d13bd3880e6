"""Ids that sort by a clock that replicas share."""

from datetime import UTC, datetime, timedelta

from shared.resources import SortableIds

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_an_id_tells_when_it_was_made() -> None:
    made = SortableIds().at(NOW + timedelta(milliseconds=7))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(NOW.timestamp() * 1000) + 7


def test_ids_of_one_moment_sort_as_they_were_made() -> None:
    ids = SortableIds()
    made = [ids.at(NOW) for _ in range(1_000)]
    assert sorted(made) == made
    assert len(set(made)) == 1_000


def test_ids_of_two_replicas_sort_by_the_clock_they_share() -> None:
    here, there = SortableIds(), SortableIds()
    made = [ids.at(NOW + timedelta(milliseconds=n)) for n, ids in enumerate([here, there] * 50)]
    assert sorted(made) == made
