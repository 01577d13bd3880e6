"""Messages as JSON: numbers of a Struct are written as they were meant."""

import json
from typing import Any

from google.protobuf import descriptor_pool, json_format, struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.messages import message_writer

EXACT = 1 << 53
NUMBERS = (
    st.integers(-EXACT, EXACT)
    | st.sampled_from([0, -1, EXACT, -EXACT, 3.0, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    NUMBERS | st.booleans() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_a_whole_number_has_no_fraction(value: dict[str, Any]) -> None:
    text = message_writer.write(
        json_format.ParseDict(value, struct_pb2.Struct()), descriptor_pool.Default()
    )
    fractions: list[float] = []
    found = json.loads(text, parse_float=lambda digits: fractions.append(float(digits)))
    assert not [one for one in fractions if one.is_integer() and abs(one) <= EXACT]
    assert fractions or found == value
    assert json.loads(text) == value
