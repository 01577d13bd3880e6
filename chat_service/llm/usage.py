"""Token usage as providers report it, in counts that can be summed and stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages.ai import UsageMetadata

# above any real call; a year of such calls fits in 64 bits
MAX_TOKENS: Final = 1_000_000_000
_OTHER_NAMES: Final = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}


def normalize_counts(usage: Any) -> dict[str, Any] | None:
    """Returns the usage of a chunk with valid counts, by the names of the OpenAI API."""
    if not isinstance(usage, Mapping):
        return None
    counts = {
        str(key): normalize_counts(value) if isinstance(value, Mapping) else _tokens(value)
        for key, value in usage.items()
    }
    for name, other in _OTHER_NAMES.items():
        if other in counts:
            counts.setdefault(name, counts[other])
    return counts


def find_usage(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the usage that a chunk tells: its own, its choice's or Groq's."""
    choices, groq = chunk.get("choices"), chunk.get("x_groq")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for told in (chunk, choice, groq):
        usage = told.get("usage") if isinstance(told, Mapping) else None
        if isinstance(usage, Mapping) and usage:
            return usage
    return None


def greatest_counts(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the greater of each count of two usages; a provider may tell running totals."""
    greatest = dict(one)
    for key, value in other.items():
        known = greatest.get(key)
        if isinstance(value, Mapping):
            greatest[key] = greatest_counts(known if isinstance(known, Mapping) else {}, value)
        elif isinstance(value, int):
            greatest[key] = max(known if isinstance(known, int) else 0, value)
    return greatest


def normalize_usage(usage: Mapping[str, Any]) -> UsageMetadata:
    """Returns the usage of a whole answer with valid counts."""
    read, written = (_tokens(usage.get(key)) for key in ("input_tokens", "output_tokens"))
    cached = _tokens((usage.get("input_token_details") or {}).get("cache_read"))
    return UsageMetadata(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_token_details={"cache_read": min(cached, read)},
    )


def _tokens(told: Any) -> int:
    if not isinstance(told, int | float) or told != told:
        return 0
    return int(max(0, min(told, MAX_TOKENS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsage:
    """The usage of one model call of any part of the agent."""

    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    config: int = 0  # id of the model's configuration
    premium: bool = False
    call: str = ""  # id of the call; a usage that is sent twice has the same
    estimated: bool = False  # the provider reported none


@dataclass(frozen=True, slots=True, kw_only=True)
class UncheckpointedUsage(ModelUsage):
    """A usage that no checkpoint holds, such as a drafter's."""
