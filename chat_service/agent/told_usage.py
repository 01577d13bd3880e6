"""What a provider says that a call used → counts that can be added up and stored."""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages.ai import UsageMetadata

# more than any call reads or writes, and few enough that a year of them fits in 64 bits
MOST_TOKENS: Final = 1_000_000_000


def readable(usage: Any) -> dict[str, Any] | None:
    """The usage of a chunk, with counts for whatever numbers it has."""
    if not isinstance(usage, Mapping):
        return None
    return {
        str(key): readable(value) if isinstance(value, Mapping) else _tokens(value)
        for key, value in usage.items()
    }


def believable(usage: Mapping[str, Any]) -> UsageMetadata:
    """The usage of a whole answer."""
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
    return int(max(0, min(told, MOST_TOKENS)))
