"""JSON that a person wrote becomes a message, or its fault is told at its field."""

import contextlib
import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota_client.gen.rota.chat.v1 import ModelConfig, RequestSettings
from rota_client.message_parser import BadJson, parse_message

_FIELDS = tuple(field.name for field in dataclasses.fields(RequestSettings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strict": "true"}, 'strict takes true or false, not "true"'),
        ({"parallel_tool_calls": "yes"}, 'parallel_tool_calls takes true or false, not "yes"'),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls takes true or false, not 1"),
        ({"extra_body": "x"}, 'extra_body takes an object, not "x"'),
        ({"extra_body": [1]}, "extra_body takes an object, not [1]"),
        ({"leave_out": "abc"}, 'leave_out takes a list, not "abc"'),
        ({"leave_out": ["tools", 7]}, "leave_out[1] takes a text, not 7"),
        ({"leave_out": [None]}, "leave_out[0] takes a text, not null"),
        ({"temperature": "hot"}, 'temperature takes a number, not "hot"'),
        ({"temperature": True}, "temperature takes a number, not true"),
        ({"max_tokens": 1.5}, "max_tokens takes a whole number, not 1.5"),
        ({"max_tokens": 2**40}, "max_tokens takes a whole number from"),
        ({"tool_choice": 1}, "tool_choice takes a text, not 1"),
        ({"temprature": 1}, "temprature is no field: is temperature meant?"),
        ({"topP": 1, "top_p": 1}, "top_p is there twice"),
    ],
)
def test_a_fault_names_the_field_and_what_it_takes(settings: dict[str, object], said: str) -> None:
    with pytest.raises(BadJson, match=re.escape(said)) as refused:
        parse_message(RequestSettings, json.dumps(settings))
    assert "\n" not in str(refused.value)
    with pytest.raises(BadJson, match=re.escape(said.replace(next(iter(settings)), "", 1))):
        parse_message(ModelConfig, json.dumps({"settings": settings}))


def test_what_fits_is_read_and_null_is_absent() -> None:
    read = parse_message(
        RequestSettings,
        '{"temperature": 1, "maxTokens": 5.0, "strict": false, "top_p": null, '
        '"leave_out": ["tools"], "extra_body": {"seed": 7}}',
    )
    assert (read.temperature, read.max_tokens, read.strict, read.top_p) == (1, 5, False, None)
    assert read.leave_out == ["tools"]
    assert bytes(read)


@given(
    st.dictionaries(
        st.sampled_from(_FIELDS),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=4,
        ),
    ).map(json.dumps)
)
def test_any_json_is_a_message_that_can_be_sent_or_is_refused(text: str) -> None:
    with contextlib.suppress(BadJson):
        bytes(parse_message(RequestSettings, text))
