"""How long a provider asks to wait: in headers, in members of its error, and in its words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import openai
import pytest

from chat_service.llm.errors import classify_error
from shared.http.retry_wait import LONGEST_WAIT, read_wait

GOOGLE = {
    "error": {
        "code": 429,
        "message": "Quota exceeded.",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
    }
}


@pytest.mark.parametrize(
    ("headers", "body", "text", "seconds"),
    [
        ({"retry-after": "20"}, None, "", 20),
        ({"retry-after": "20s"}, None, "", 20),
        ({"retry-after-ms": "1500", "retry-after": "2"}, None, "", 1.5),
        ({"retry-after": "-5"}, None, "", 0),
        ({"retry-after": "1e99"}, None, "", None),
        ({"retry-after": "soon"}, None, "", None),
        ({"x-ratelimit-reset-requests": "120ms"}, None, "", 0.12),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "1s"}, None, "", 360),
        (
            {
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
            },
            None,
            "",
            1,
        ),
        ({"x-ratelimit-reset": "7"}, None, "", 7),
        ({"x-ratelimit-reset-after": "0.5"}, None, "", 0.5),
        ({}, GOOGLE, "", 34),
        ({}, {"error": {"retry_after": 3}}, "", 3),
        ({}, {"error": {"metadata": {"retry_after_ms": 250}}}, "", 0.25),
        ({}, {"error": {"retry_after": True}}, "", None),
        ({}, None, "Rate limit reached. Please try again in 20s. Visit our page.", 20),
        ({}, None, "Please try again in 1m26.4s.", 86.4),
        ({}, None, "Please retry after 57 seconds.", 57),
        ({}, None, "Try again in 2 minutes", 120),
        ({}, None, "Please try again in 120ms", 0.12),
        ({}, None, "limit 20 requests per minute", None),
        ({}, None, "try again later", None),
        ({"retry-after": "9999999"}, None, "", LONGEST_WAIT.total_seconds()),
        ({"retry-after": "4"}, GOOGLE, "try again in 20s", 4),
        ({"x-ratelimit-reset-requests": "1s"}, None, "try again in 20s", 20),
    ],
)
def test_the_wait_that_is_asked_for(
    headers: dict[str, str], body: Any, text: str, seconds: float | None
) -> None:
    found = read_wait(headers, body, text, limited=True)

    assert found == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("header", "written"),
    [
        ("retry-after", format_datetime),
        ("x-ratelimit-reset", lambda moment: str(int(moment.timestamp()))),
        ("x-ratelimit-reset", lambda moment: str(int(moment.timestamp() * 1000))),
        ("x-ratelimit-reset-tokens", datetime.isoformat),
    ],
)
def test_a_moment_is_a_wait_until_it(header: str, written: Callable[[datetime], str]) -> None:
    headers = {header: written(datetime.now(UTC) + timedelta(seconds=3000))}

    found = read_wait(headers, None, "", limited=True)

    assert found is not None
    assert 0 < found.total_seconds() <= 3001


def test_resets_count_for_rate_limits_only() -> None:
    assert read_wait({"x-ratelimit-reset-requests": "1s"}, None, "", limited=False) is None


def test_an_error_within_a_stream_has_its_wait_too() -> None:
    request = httpx2.Request("POST", "https://models.example/v1")
    body = {"code": "rate_limit_exceeded", "message": "Please try again in 20s."}
    fault = classify_error(openai.APIError("Please try again in 20s.", request, body=body))

    assert (fault.rate_limited, fault.retry_after) == (True, timedelta(seconds=20))
