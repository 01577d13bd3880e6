"""Token usage: as providers report it, in counts that can be summed and stored, or by estimate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages.ai import UsageMetadata

from shared.json import compact_json

# above any real call; a year of such calls fits in 64 bits
MAX_TOKENS: Final = 1_000_000_000
# of UTF-8 text; close for English and code, too low for some scripts, exact for no model
BYTES_PER_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1_000
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


def estimate_tokens(size: int) -> int:
    """Estimates tokens for `size` bytes of UTF-8 text."""
    return -(-size // BYTES_PER_TOKEN)


def estimate_request_tokens(asked: Mapping[str, Any]) -> int:
    """Estimates the input tokens of a request: messages, tools and response format."""
    read = (asked.get("messages"), asked.get("tools"), asked.get("response_format"))
    return estimate_json_tokens(read)


def estimate_wire_tokens(value: Any) -> int:
    """Estimates the tokens of a value whose JSON a model reads as it is: tools, a schema."""
    return estimate_tokens(len(compact_json.dump(value).encode(errors="replace"))) if value else 0


def estimate_text_tokens(asked: Mapping[str, Any]) -> int:
    """Estimates the tokens of a request without its images, which cost less in some models."""
    said, _ = _measured(asked.get("messages"))
    beside = (asked.get("tools"), asked.get("response_format"))
    return estimate_tokens(said) + sum(map(estimate_wire_tokens, beside))


def estimate_json_tokens(value: Any) -> int:
    """Estimates the tokens of a JSON value."""
    size, images = _measured(value)
    return estimate_tokens(size) + images * IMAGE_TOKENS


def _measured(value: Any) -> tuple[int, int]:
    """Returns the bytes of text and the number of images."""
    match value:
        case str():
            return (0, 1) if value.startswith("data:") else (len(value.encode()), 0)
        case Mapping():
            parts = [_measured(part) for part in (*value.keys(), *value.values())]
        case list() | tuple():
            parts = [_measured(part) for part in value]
        case _:
            return 0, 0
    return sum(size for size, _ in parts), sum(images for _, images in parts)
