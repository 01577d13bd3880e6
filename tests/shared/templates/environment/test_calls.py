"""A call that has a way of its own does what Python's does."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from shared.templates.environment.calls import SEARCHES, make_mapping

TEXT = st.text(alphabet="ab,", max_size=12)
NEEDLE = st.none() | st.text(alphabet="ab,", max_size=4)
LIMIT = st.none() | st.integers(-15, 15)


def ended(act: Callable[[], Any]) -> Any:
    try:
        found = act()
    except (TypeError, ValueError) as error:
        return type(error)
    each = found if isinstance(found, list | tuple) else (found,)
    return found, [type(one) for one in each]


@pytest.mark.parametrize("name", SEARCHES)
@settings(max_examples=120, deadline=None, derandomize=True)
@given(TEXT, NEEDLE, LIMIT, LIMIT, st.sampled_from([str, Markup]))
@example("ab", "", 3, None, str)
@example("aaa", "aa", None, None, str)
def test_a_search_from_the_end_finds_what_python_finds(
    name: str, text: str, needle: str | None, first: int | None, last: int | None, kind: type[str]
) -> None:
    given_ = [needle, *(() if first is None else (first,))]
    if name in ("rfind", "rindex") and first is not None and last is not None:
        given_.append(last)
    if name == "rpartition":
        given_ = given_[:1]
    own, python = SEARCHES[name], getattr(kind(text), name)
    assert ended(lambda: own(kind(text), *given_)) == ended(lambda: python(*given_))


def test_a_mapping_is_made_as_python_makes_it() -> None:
    several: list[Any] = [[("a", 1), ("a", 2)], {"a": 1}, [[1, 2]], ()]
    for pairs in several:
        assert make_mapping(pairs, b=3) == dict(pairs, b=3)
    assert make_mapping() == {}
