"""Names of resources, and ids that sort by a clock that replicas share."""

from datetime import UTC, datetime, timedelta

import pytest

from shared import errors, resources
from shared.resources import SortableIds

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_name_matches_its_pattern_and_a_workspace() -> None:
    name = "workspaces/w/threads/t"
    assert resources.THREAD.match(name) == {"workspace": "w", "thread": "t"}
    assert resources.THREAD.match(name, workspace="w") == resources.THREAD.parse(name)
    assert resources.THREAD.match(name, workspace="other") is None
    assert resources.THREAD.match(name, workspace="") is None
    assert resources.THREAD.match("workspaces/w/destinations/t") is None
    with pytest.raises(errors.ResourceNotFound):
        resources.THREAD.parse("workspaces/w/destinations/t")


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
