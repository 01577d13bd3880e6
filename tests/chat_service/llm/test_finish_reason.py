"""Finish reasons, by whatever name."""

import pytest

from chat_service.llm.finish_reason import is_known, normalize_reason


@pytest.mark.parametrize(
    ("told", "meaning"),
    [
        *[(word, word) for word in ("stop", "tool_calls", "function_call", "length")],
        *[(word, "stop") for word in ("STOP", "end_turn", "eos", "COMPLETE", "tool_use")],
        *[(word, "length") for word in ("max_tokens", "MAX_TOKENS", "model_length")],
        *[(word, "length") for word in ("FINISH_REASON_MAX_TOKENS", "max-output-tokens")],
        *[(word, "content_filter") for word in ("SAFETY", "RECITATION", "content-filter")],
        *[(word, "error") for word in ("error", "abort", "insufficient_system_resource")],
        *[(word, "error") for word in ("network_error", "Server Error", "cancelled")],
        (None, ""),
        ({}, ""),
        *[(word, "") for word in ("", " ", "null", "None")],
        ({"type": "max_tokens"}, "length"),
        ("terrorism", "terrorism"),
        ("a\nb", "a b"),
        ("x" * 99, "x" * 39 + "…"),
    ],
)
def test_a_reason_has_the_name_of_the_openai_api(told: object, meaning: str) -> None:
    assert normalize_reason(told) == meaning


def test_a_reason_without_a_meaning_is_known_to_have_none() -> None:
    assert not is_known(normalize_reason("lunch"))
    assert all(is_known(normalize_reason(told)) for told in ("eos", "MAX_TOKENS", "SAFETY", None))
