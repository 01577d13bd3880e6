"""JSON without spaces: what the standard library writes, faster."""

import dataclasses
import json
import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json import compact_json

STANDARD = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Colour(StrEnum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


def _deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(_VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert json.loads(compact_json.dump(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        {"b": [1, 2.5, None, True], "a": 'ü "\\/\x00\x1f\x7f\u2028 😀'},
        {"state": Colour.RED, "at": (1, 2)},
        {"digits": 2**70, "least": -(2**63)},
        {2: "a", None: "b", True: "c"},
        {"lone": "\ud800"},
        _deep(400),
        {"usage": math.nan},
        [None, {"cost": -math.inf}],
    ],
)
def test_it_writes_what_the_standard_library_writes(value: Any) -> None:
    assert compact_json.dump(value) == STANDARD.encode(value)


@pytest.mark.parametrize("value", [datetime.now(UTC), Point(1), {1, 2}, b"x", object()])
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        compact_json.dump({"value": value})
