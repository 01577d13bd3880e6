"""The limits that providers tell, in their lists of models and in their refusals."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import openai

from chat_service.llm.stream.error import list_errors

CONTEXT: Final = "context_tokens"
OUTPUT: Final = "max_tokens"
_LEAST: Final[Mapping[str, int]] = {CONTEXT: 1_000, OUTPUT: 16}
_MOST: Final = 10_000_000
_MOST_TEXT: Final = 4_000
# in the lists of OpenRouter, vLLM, Groq, Mistral, Together, LM Studio, llama.cpp and Gemini
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    CONTEXT: (
        *("context_length", "max_model_len", "context_window", "max_context_length"),
        *("context_size", "inputTokenLimit", "input_token_limit", "max_input_tokens", "n_ctx"),
    ),
    OUTPUT: (
        *("max_completion_tokens", "max_output_tokens", "outputTokenLimit"),
        "output_token_limit",
    ),
}
_NESTED: Final = ("top_provider", "meta", "limits", "capabilities", "model_info")
_NUMBER: Final = r"(\d{1,3}(?:,\d{3})+|\d{2,9})"
_TOLD: Final[Mapping[str, tuple[re.Pattern[str], ...]]] = {
    CONTEXT: (re.compile(rf"context[ _-]?(?:length|window|size)\D{{0,40}}{_NUMBER}", re.I),),
    OUTPUT: (
        re.compile(
            rf"(?:at most|up to|less than or equal to|no more than|<=|maximum(?: value)?(?: of)?"
            rf"(?: is)?)[\s:`']*{_NUMBER}",
            re.I,
        ),
        re.compile(rf"\[\s*\d+\s*,\s*{_NUMBER}\s*\]"),
        re.compile(rf"\d\s*>\s*{_NUMBER}"),
    ),
}


def read_list(body: Any, model: str) -> dict[str, int]:
    """Returns the limits of a model in a list of models."""
    listed = body.get("data", body.get("models")) if isinstance(body, Mapping) else body
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and model in (one.get("id"), one.get("name")):
            return _limits(one)
    return {}


def read_error(exc: openai.APIError, *, asked: int) -> dict[str, int]:
    """Returns the limits that a refusal of `asked` tokens tells."""
    said = [exc.message, *(str(one.get("message", "")) for one in list_errors(exc.body or ""))]
    text = "\n".join(said)[:_MOST_TEXT]
    found: dict[str, int] = {}
    for name, patterns in _TOLD.items():
        if name == OUTPUT and not re.search(r"max\w*tokens|completion|output", text, re.I):
            continue
        for number in (int(m[1].replace(",", "")) for p in patterns for m in p.finditer(text)):
            if number != asked and _LEAST[name] <= number <= _MOST:
                found.setdefault(name, number)
    if found.get(OUTPUT) == found.get(CONTEXT):
        found.pop(OUTPUT, None)
    return found


def _limits(told: Mapping[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in (told, *_inner(told)):
        for limit, names in _NAMES.items():
            for value in map(one.get, names):
                if isinstance(value, int) and _LEAST[limit] <= value <= _MOST:
                    found.setdefault(limit, value)
    return found


def _inner(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _NESTED:
        if isinstance(inner := told.get(name), Mapping):
            yield inner
