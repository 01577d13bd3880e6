"""Offered tools: a model with a small context gets fewer, with shorter descriptions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat_service.llm.usage import estimate_wire_tokens

# characters of a description
MAX_DESCRIPTION: Final = 300

Offered = dict[str, Any]


def shorten_tools(tools: Sequence[Offered]) -> list[Offered]:
    """Returns the tools with the first paragraphs of their descriptions."""
    return [
        {**tool, "function": {**tool["function"], "description": _first(tool["function"])}}
        for tool in tools
    ]


def fit_tools(tools: Sequence[Offered], most_tokens: int) -> list[Offered]:
    """Returns the first tools within `most_tokens` by estimate, at least one.

    A larger one is left out, and smaller ones after it are not. A chat's own come first.
    """
    found: list[Offered] = []
    left = most_tokens
    for tool in tools:
        size = estimate_wire_tokens(tool)
        if size <= left or not found:
            found.append(tool)
            left -= size
    return found


def _first(function: Mapping[str, Any]) -> str:
    first = str(function.get("description", "")).partition("\n\n")[0]
    return first if len(first) <= MAX_DESCRIPTION else f"{first[: MAX_DESCRIPTION - 1]}…"
