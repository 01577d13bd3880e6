"""Limits in providers' lists and refusals."""

from typing import Any

import httpx2
import openai
import pytest

from chat_service.llm.probe.limits import read_error, read_list

ASKED = 100_000_000


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        ({"data": [{"id": "m", "max_model_len": 32768}]}, {"context_tokens": 32768}),
        (
            {
                "data": [
                    {"id": "o", "context_length": 9999},
                    {
                        "id": "m",
                        "context_length": 65536,
                        "top_provider": {"max_completion_tokens": 8192},
                    },
                ]
            },
            {"context_tokens": 65536, "max_tokens": 8192},
        ),
        ({"models": [{"name": "m", "inputTokenLimit": 1048576}]}, {"context_tokens": 1048576}),
        ([{"id": "m", "meta": {"n_ctx": 4096}}], {"context_tokens": 4096}),
        ({"data": [{"id": "m", "context_length": "many"}, 7, None]}, {}),
        ({"data": [{"id": "m", "context_length": 10**12}]}, {}),
        ([[[]]], {}),
        ({"data": {"m": 1}}, {}),
        ("no", {}),
        (None, {}),
    ],
)
def test_a_list_of_models_tells_the_limits_of_one(body: Any, limits: dict[str, int]) -> None:
    assert read_list(body, "m") == limits


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        (
            "max_tokens is too large: 100000000. This model supports at most 16384 completion "
            "tokens, whereas you provided 100000000.",
            {"max_tokens": 16384},
        ),
        (
            "This model's maximum context length is 16,385 tokens. However, you requested "
            "100000012 tokens (12 in the messages, 100000000 in the completion).",
            {"context_tokens": 16385},
        ),
        ("max_tokens: 100000000 > 8192, which is the maximum", {"max_tokens": 8192}),
        ("Invalid max_tokens value, the valid range is [1, 8192]", {"max_tokens": 8192}),
        ("`max_tokens` must be less than or equal to `40960`", {"max_tokens": 40960}),
        ("max_tokens is at most 100000000", {}),
        ("You have at most 1000 requests a day", {}),
        ("too much", {}),
    ],
)
def test_a_refusal_of_too_many_tokens_tells_the_limit(said: str, limits: dict[str, int]) -> None:
    request = httpx2.Request("POST", "http://model/")
    exc = openai.APIError(said, request=request, body={"message": said})

    assert read_error(exc, asked=ASKED) == limits
