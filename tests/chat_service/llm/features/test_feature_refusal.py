"""Which feature a refusal names, by the words of real providers."""

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.features.feature_refusal import find_refused
from tests.support.model_providers.provider_refusals import OTHER_ERRORS, OTHERS, REFUSALS, Refusal
from tests.support.model_providers.scripted_model import Refused

TOOL = {
    "name": "look",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"moment": {"type": "string", "format": "date-time"}},
        "additionalProperties": False,
    },
}
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        {"role": "tool", "content": "{}", "tool_call_id": "c"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "top_p": 1,
    "seed": 1,
    "reasoning_effort": "low",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_completion_tokens": 100,
    "max_tokens": 100,
    "tools": [{"type": "function", "function": TOOL}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "o", "strict": True}},
}
EMPTY = [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]
SIGNED = {"google": {"thought_signature": "s"}}
THOUGHT = [
    *REQUEST["messages"][:2],
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c", "extra_content": SIGNED}],
    },
    REQUEST["messages"][3],
]
IN_A_ROW = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]


def error(reply: Refused) -> openai.APIError:
    """What the client makes of a reply."""
    request = httpx2.Request("POST", "http://model/")
    body = reply.body if reply.body is not None else {"error": reply.error}
    text = body.decode() if isinstance(body, bytes) else body
    told = text.get("error", text) if isinstance(text, dict) else text
    if reply.status == 200:
        return openai.APIError("said", request=request, body=told)
    response = httpx2.Response(reply.status, request=request)
    message = f"Error code: {reply.status} - {text}"
    return openai.APIStatusError(message, response=response, body=told)


def request_with(part: str) -> dict[str, Any]:
    match part:
        case "response_format" | "json_object":
            return {**REQUEST, "response_format": {"type": "json_object"}}
        case "developer":
            first = {"role": "developer", "content": "You help."}
            return {**REQUEST, "messages": [first, *REQUEST["messages"][1:]]}
        case "roles":
            return {**REQUEST, "messages": IN_A_ROW}
        case "empty content":
            return {**REQUEST, "messages": EMPTY}
        case "thoughts" | "members of calls":
            return {**REQUEST, "messages": THOUGHT}
    return REQUEST


@pytest.mark.parametrize("refusal", [*REFUSALS.values(), *OTHERS.values()])
def test_a_refusal_names_a_feature(refusal: Refusal) -> None:
    found = find_refused(error(refusal.reply), request_with(refusal.part))

    assert found is not None
    assert found.feature == (refusal.feature or refusal.part)
    assert found.lasting == ("Invalid schema" not in str(refusal.reply.error))


@pytest.mark.parametrize("reply", OTHER_ERRORS.values(), ids=OTHER_ERRORS.keys())
def test_any_other_error_names_none(reply: Refused) -> None:
    assert find_refused(error(reply), REQUEST) is None


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_set_by_hand_or_is_not_in_the_request_is_not_left_out(refusal: Refusal) -> None:
    plain = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    feature = refusal.feature or refusal.part

    assert find_refused(error(refusal.reply), plain) is None
    found = find_refused(error(refusal.reply), request_with(refusal.part), frozenset({feature}))
    assert found is None or found.feature != feature


@given(
    st.lists(
        st.sampled_from(
            [
                *("the tools", "temperature", "is", "not", "supported", "unknown", "invalid"),
                *("stream_options", "response_format", "'strict'", "does", "system role"),
            ]
        ),
        min_size=1,
        max_size=12,
    )
)
def test_what_a_refusal_quotes_from_the_prompt_is_never_learnt(words: list[str]) -> None:
    prompt = " ".join(words)
    messages = [{"role": "user", "content": f"Hear: {prompt}"}]
    refusal = Refused(400, {"message": f"I will not read this: «{prompt}»"})

    found = find_refused(error(refusal), {**REQUEST, "messages": messages})

    assert found is None or not found.lasting


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(
                st.sampled_from(["message", "param", "loc", "error", "detail", "x"]), s
            )
        ),
        max_leaves=12,
    )
)
def test_no_body_of_an_error_breaks_the_reader(body: Any) -> None:
    json.dumps(body)

    find_refused(error(Refused(400, body=body)), REQUEST)
