"""Paths into JSON: what is told leads to the value that is meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json.json_path import append_path, join_path, read_path

_PARTS = st.lists(
    st.text(max_size=6) | st.integers(0, 99) | st.sampled_from(["plan", "a b", "a.b"])
)


@given(_PARTS)
def test_a_path_is_read_as_it_was_told(parts: list[str | int]) -> None:
    assert read_path(join_path("", parts)) == parts


@given(_PARTS, _PARTS)
def test_paths_are_put_together(first: list[str | int], second: list[str | int]) -> None:
    told = append_path(join_path("", first), join_path("", second))
    assert told == join_path("", [*first, *second])
    assert read_path(told) == [*first, *second]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["definition", "plan", 0, "config", "prompt"], "definition.plan[0].config.prompt"),
        (["labels", "a b"], 'labels["a b"]'),
        (["über", "x"], '["über"].x'),
        (['a"b', "7"], r'["a\"b"]["7"]'),
        (["a\u202eb", ""], r'["a\u202eb"][""]'),
    ],
)
def test_a_key_that_is_no_word_is_quoted(parts: list[Any], told: str) -> None:
    assert join_path("", parts) == told


@pytest.mark.parametrize("text", ["a..b", ".a", "a b", "a[", "a[b]", "[1]a", 'a["b]', "a.[1]"])
def test_what_is_no_path_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ours is one
        read_path(text)
