"""“Ask the researcher …” → calls of the `delegate` tool."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

DELEGATE_TOOL: Final = "delegate"
_ASKED = re.compile(
    r"^\W*(?:(?:please|can you|could you|would you)\s+)?"
    r"(?:ask|have|let|get|tell)\s+(?:the|your|a|another)\s+(?P<name>\w+?)s?\b[\s:,]*"
    r"(?:(?:to|about|for)\s+)?(?P<task>\S.*)$",
    re.I | re.S,
)


def parse_delegation(
    parts: Sequence[str], tools: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Returns the arguments of each call; [] unless every part asks a known subagent."""
    known = tools.get(DELEGATE_TOOL, {}).get("properties", {}).get("subagent", {}).get("enum", [])
    found = [_ASKED.match(part) for part in parts]
    calls = [
        {"subagent": asked["name"].lower(), "task": asked["task"].strip()}
        for asked in found
        if asked and asked["name"].lower() in known
    ]
    return calls if len(calls) == len(parts) else []
