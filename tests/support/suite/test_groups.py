"""The groups that start first are groups of tests."""

import pytest

from tests.support.suite.groups import FIRST, FOLDERS, TESTS


@pytest.mark.parametrize("name", FIRST)
def test_a_group_that_starts_first_has_tests(name: str) -> None:
    assert name == "live" or name in FOLDERS.values() or (TESTS / name).with_suffix(".py").is_file()


def test_no_group_starts_first_twice() -> None:
    assert len(FIRST) == len(set(FIRST))
