"""The canonical form."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json.canonical_json import NotCanonical, canonical_bytes, digest, normalise

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_keys_are_sorted_and_integral_floats_are_integers() -> None:
    assert canonical_bytes({"b": 2.0, "a": [1.5, -0.0, True, None, "é"]}) == (
        '{"a":[1.5,0,true,null,"é"],"b":2}'.encode()
    )


def test_the_digest_is_the_sha256_of_the_canonical_bytes() -> None:
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({}) == empty
    assert digest({"a": 1.0, "b": 2}) == digest({"b": 2.0, "a": 1})


@given(_JSON)
def test_reading_the_canonical_bytes_back_gives_the_same_bytes(value: object) -> None:
    first = canonical_bytes(value)
    assert canonical_bytes(json.loads(first)) == first
    assert normalise(normalise(value)) == normalise(value)


@given(_JSON)
def test_a_normalised_value_shares_no_container_with_the_value(value: object) -> None:
    def containers(of: object) -> set[int]:
        inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else None
        return set() if inner is None else {id(of)}.union(*map(containers, inner))

    assert containers(value).isdisjoint(containers(normalise(value)))


@pytest.mark.parametrize(
    "bad",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        2.0**53,
        1e300,
        "a\x00b",
        "\ud800",
        {1: 2},
        b"x",
        {1, 2},
        object(),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_path(bad: object) -> None:
    with pytest.raises(NotCanonical) as caught:
        canonical_bytes({"plan": [{"config": bad}]})
    assert caught.value.path == "plan[0].config"


def test_a_key_that_json_cannot_carry_is_refused_with_the_path_of_its_value() -> None:
    with pytest.raises(NotCanonical) as caught:
        canonical_bytes({"plan": [{"config": {"a\x00": 1}}]})
    assert caught.value.path == r'plan[0].config["a\u0000"]'


def test_the_largest_safe_integers_are_accepted() -> None:
    assert normalise([2**53 - 1, -(2**53) + 1, 2.0**53 - 1]) == [
        2**53 - 1,
        -(2**53) + 1,
        2**53 - 1,
    ]


def test_nesting_is_bounded() -> None:
    deep: object = 1
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(NotCanonical, match="deep"):
        normalise(deep)
