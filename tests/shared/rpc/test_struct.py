"""Structs, which hold more numbers than JSON does."""

import pytest
from google.protobuf.struct_pb2 import Struct

from shared import canonical_json
from shared.rpc import struct


def test_whole_numbers_are_integers_and_come_back_as_they_were() -> None:
    given = {"a": [1, 2.5, {"b": None}], "c": -0.0}
    assert struct.to_json(struct.to_struct(given)) == {"a": [1, 2.5, {"b": None}], "c": 0}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 2.0**60, 1e300])
def test_a_number_that_json_can_not_say_is_not_canonical(number: float) -> None:
    given = Struct()
    given.fields["n"].number_value = number
    with pytest.raises(canonical_json.NotCanonical):
        struct.to_json(given)
