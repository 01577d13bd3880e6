"""Chunks that are errors, and chunks that only look like some."""

from typing import Any

import pytest

from chat_service.llm.stream.error import find_error
from tests.support.model_providers.scripted_model import ends, says


@pytest.mark.parametrize(
    "chunk",
    [
        says("Hello."),
        ends("stop"),
        ends("length"),
        {**says("a"), "error": None},
        {**says("a"), "error": {}},
        {**says("a"), "error": {"message": None, "code": None}},
        {**says("a"), "code": 0, "message": "ok"},
        {**says("a"), "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"object": "chat.completion.chunk", "choices": []},
        {"type": "ping"},
        {"code": 200, "message": "success"},
        {"message": "You are third in line."},
        {"status": "ok", "message": "queued"},
        {},
    ],
)
def test_a_chunk_of_an_answer_is_no_error(chunk: dict[str, Any]) -> None:
    assert find_error(chunk) is None


@pytest.mark.parametrize(
    ("chunk", "error"),
    [
        (
            {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}},
            {"code": 429, "message": "m"},
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            {"type": "overloaded_error", "message": "m"},
        ),
        (
            {"detail": [{"loc": ["body", "top_p"], "msg": "m"}]},
            {"param": "body.top_p", "message": "m"},
        ),
        ({"error": "m"}, {"message": "m"}),
        ({"error": True, "message": "m"}, {"message": "m"}),
        ({"object": "error", "message": "m", "param": "p"}, {"message": "m", "param": "p"}),
        ({"status": 503, "message": "m"}, {"code": 503, "message": "m"}),
    ],
)
def test_an_error_has_the_names_of_the_openai_api(
    chunk: dict[str, Any], error: dict[str, Any]
) -> None:
    assert find_error(chunk) == error


@pytest.mark.parametrize(
    "chunk",
    [
        {"status": "failed", "reason": "oops"},
        {"state": "ERRORED", "error_message": "oops"},
        {"type": "response.failed", "response": {}},
        {"event": "aborted"},
        {"exception": "oops", "traceback": "x"},
        {"fault": {"faultstring": "oops"}},
        {"errorMessage": "oops"},
    ],
)
def test_a_failure_in_a_form_of_its_own_is_an_error(chunk: dict[str, Any]) -> None:
    assert find_error(chunk) is not None
