"""Requests without an optional feature: what is left says the same."""

from typing import Any

import pytest

from chat_service.llm.features.request_features import adapt_request

CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "You help."},
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "Blue.", "tool_call_id": "c"},
    {"role": "assistant", "content": ""},
    {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    {"role": "user", "content": "Well?"},
]
PARAMETERS = {
    "type": "object",
    "properties": {"format": {"type": "string", "format": "date", "pattern": "x"}},
    "additionalProperties": False,
}
TOOL = {"name": "look", "strict": True, "parameters": PARAMETERS}
FORM = {"type": "json_schema", "json_schema": {"name": "o", "schema": PARAMETERS, "strict": False}}
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": MESSAGES,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "max_completion_tokens": 9,
    "tools": [{"type": "function", "function": TOOL}],
    "tool_choice": "auto",
    "response_format": FORM,
}


def adapt(*left_out: str, **more: Any) -> dict[str, Any]:
    return adapt_request({**REQUEST, **more}, frozenset(left_out), no_tools="No tools.")


def roles(*left_out: str) -> list[str]:
    return [message["role"] for message in adapt(*left_out)["messages"]]


def test_nothing_changes_without_need() -> None:
    assert adapt() == REQUEST


@pytest.mark.parametrize("name", ["temperature", "stream_options", "tool_choice", "top_p"])
def test_a_member_is_left_out(name: str) -> None:
    assert adapt(name, top_p=1) == {k: v for k, v in {**REQUEST, "top_p": 1}.items() if k != name}


def test_neither_the_model_nor_the_messages_are_left_out() -> None:
    assert adapt("model", "messages") == REQUEST


def test_a_schema_becomes_an_object_and_then_words() -> None:
    assert adapt("json_schema")["response_format"] == {"type": "json_object"}
    assert "response_format" not in adapt("json_schema", "response_format")


def test_the_limit_of_an_answer_has_its_older_name() -> None:
    old = adapt("max_completion_tokens")
    neither = adapt("max_completion_tokens", "max_tokens")

    assert (old["max_tokens"], "max_completion_tokens" in old) == (9, False)
    assert not {"max_tokens", "max_completion_tokens"} & set(neither)


def test_without_a_stream_nothing_is_said_of_it() -> None:
    assert adapt("stream")["stream"] is False
    assert "stream_options" not in adapt("stream")


def test_strict_is_left_out_wherever_it_is() -> None:
    assert "strict" not in str(adapt("strict"))


def test_a_keyword_is_left_out_of_schemas_and_a_property_of_its_name_stays() -> None:
    adapted = adapt("schema.format", "schema.additionalProperties")
    kept = {
        "type": "object",
        "properties": {"format": {"type": "string", "pattern": "x"}},
    }

    assert adapted["tools"][0]["function"]["parameters"] == kept
    assert adapted["response_format"]["json_schema"]["schema"] == kept


def test_earlier_calls_are_told_as_text_where_there_are_no_tools() -> None:
    adapted = adapt("tools")

    assert not {"tools", "tool_choice"} & set(adapted)
    assert [(m["role"], m["content"]) for m in adapted["messages"][:5]] == [
        ("developer", "You help.\n\nNo tools."),
        ("user", "Look."),
        ("assistant", '[look {"at": "sky"}]'),
        ("user", "[The result of a tool]\nBlue."),
        ("assistant", ""),
    ]
    assert "No tools." not in str(adapt_request({**REQUEST, "tools": []}, {"tools"}, no_tools="No"))


def test_contents_are_filled() -> None:
    assert [m["content"] for m in adapt("null_content")["messages"][2:5]] == ["", "Blue.", ""]
    assert [m["content"] for m in adapt("empty_content")["messages"][2:5]] == ["-", "Blue.", "-"]


def test_roles_are_those_that_a_model_knows() -> None:
    assert roles("developer_role")[0] == "system"
    assert roles("system_role")[0] == "user"
    assert adapt("system_role")["messages"][0]["content"] == "You help.\n\nLook."
    assert roles("role_order") == ["developer", "user", "assistant", "tool", "assistant", "user"]
    assert adapt("role_order")["messages"][-1]["content"] == [
        {"type": "text", "text": "And now?"},
        {"type": "text", "text": "Well?"},
    ]


def test_the_request_itself_stays_as_it_is() -> None:
    before = repr(REQUEST)
    adapt("tools", "strict", "system_role", "null_content", "schema.format", "json_schema")

    assert repr(REQUEST) == before
