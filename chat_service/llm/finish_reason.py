"""Why an answer ended: providers' finish reasons, in the words of the OpenAI API."""

import re
from collections.abc import Mapping
from typing import Any, Final

from chat_service.llm.text import one_line

LENGTH: Final = "length"
CONTENT_FILTER: Final = "content_filter"
ERROR: Final = "error"
# reasons that may cut an answer or a tool call
CUT: Final = frozenset({LENGTH, CONTENT_FILTER})
_MOST_CHARACTERS: Final = 40
_PREFIX: Final = re.compile(r"^(?:finish_?reason|stop_?reason)[_.]+")

_ITSELF: Final = frozenset({"stop", "tool_calls", "function_call", LENGTH, CONTENT_FILTER})
_STOP: Final = frozenset(
    {"end_turn", "end_of_turn", "end", "stop_sequence", "stop_token", "stop_str", "eos"}
    | {"eos_token", "end_of_text", "end_of_sequence", "complete", "completed", "done", "finish"}
    | {"finished", "success", "tool_call", "tool_use", "tool"}
)
_LENGTH: Final = frozenset(
    {"max_tokens", "max_token", "max_length", "max_output_tokens", "max_completion_tokens"}
    | {"max_new_tokens", "model_length", "model_max_length", "max_model_len", "token_limit"}
    | {"length_limit", "length_capped", "context_length", "context_length_exceeded"}
    | {"context_window_exceeded", "model_context_window_exceeded", "truncated", "error_limit"}
)
_FILTER: Final = frozenset(
    {"content_filtered", "filtered", "filter", "safety", "image_safety", "refusal", "sensitive"}
    | {"recitation", "blocklist", "prohibited_content", "spii", "language", "moderation"}
    | {"guardrail_intervened", "guardrails", "error_toxic", "blocked"}
)
_ERROR: Final = frozenset(
    {"abort", "aborted", "cancel", "canceled", "cancelled", "fail", "failed", "failure"}
    | {"timeout", "time_out", "overloaded", "unavailable", "insufficient_system_resource"}
    | {"insufficient_system_resources", "malformed_function_call", "unexpected_tool_call"}
    | {"exception", "server_shutdown", "preempted"}
)


def normalize_reason(told: Any) -> str:
    """Returns the OpenAI API's word, or ERROR; empty if there is none.

    A reason of no known meaning is returned as it was told, in at most 40 characters.
    """
    if isinstance(told, Mapping):
        told = told.get("type") or told.get("reason")
    if told is None or not str(told).strip():
        return ""
    named = one_line(str(told), _MOST_CHARACTERS)
    word = _PREFIX.sub("", re.sub(r"[\s.-]+", "_", named.lower()).strip("_"))
    if word in ("null", "none", "unspecified", "in_progress"):
        return ""
    if word in _ITSELF:
        return word
    for reasons, meaning in ((_STOP, "stop"), (_LENGTH, LENGTH), (_FILTER, CONTENT_FILTER)):
        if word in reasons:
            return meaning
    if word in _ERROR or "error" in word.split("_"):
        return ERROR
    return named


def is_known(reason: str) -> bool:
    """Returns whether a normalized reason has a known meaning; an absent one has."""
    return not reason or reason == ERROR or reason in _ITSELF
