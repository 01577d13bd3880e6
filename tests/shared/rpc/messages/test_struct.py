"""Structs, which hold more numbers than JSON does."""

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from hypothesis import given as given_of
from hypothesis import settings
from hypothesis import strategies as st
from rota.automation.v1 import automation_pb2 as pb

from shared.json import canonical_json
from shared.rpc.messages import struct


def test_whole_numbers_are_integers_and_come_back_as_they_were() -> None:
    given = {"a": [1, 2.5, {"b": None}], "c": -0.0}
    assert struct.to_json(struct.to_struct(given)) == {"a": [1, 2.5, {"b": None}], "c": 0}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 2.0**60, 1e300])
def test_a_number_that_json_can_not_say_is_not_canonical(number: float) -> None:
    given = Struct()
    given.fields["n"].number_value = number
    with pytest.raises(canonical_json.NotCanonical):
        struct.to_json(given)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-99, 99)
    | st.floats(-9, 9)
    | st.text("aü ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=9,
)


@settings(max_examples=40)
@given_of(st.lists(st.dictionaries(st.text("ab"), _VALUES, max_size=3), min_size=3, max_size=3))
def test_a_message_with_structs_is_the_json_of_protobuf(given: list[dict[str, object]]) -> None:
    message = pb.AutomationDefinition(
        metadata=struct.to_struct(given[0]),
        triggers=[pb.TriggerSpec(trigger_id="t", config=struct.to_struct(given[1]))],
        plan=[pb.PlanStep(step_id="s"), pb.PlanStep(config=struct.to_struct(given[2]))],
    )
    before = message.SerializeToString(deterministic=True)
    assert struct.to_dict(message) == canonical_json.normalise(
        json_format.MessageToDict(message, preserving_proto_field_name=True)
    )
    assert message.SerializeToString(deterministic=True) == before


def test_a_message_with_a_number_that_json_can_not_say_is_not_canonical() -> None:
    message = pb.AutomationDefinition()
    message.metadata.fields["n"].number_value = float("nan")
    with pytest.raises(canonical_json.NotCanonical):
        struct.to_dict(message)
