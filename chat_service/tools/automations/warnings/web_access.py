"""Tasks whose English words ask for the web, and which have no tool that reads it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

# Of other tools it isn't known whether they read the web.
_OFFLINE: Final = {"now"}
_WEB: Final = r"(?:the )?(?:web|internet|online|google|website|web ?page)"
_READ: Final = (
    r"\b(?:read|open|fetch|visit|check|load|download|get|scrape|crawl|monitor|watch|browse|query|"
    r"call|summari[sz]e)"
)
_ASKS: Final = re.compile(
    rf"\b(?:search|browse|surf|scan) {_WEB}\b"
    r"|\b(?:search|look up|look it up|find|check)\b[^.?!{}]{0,40}? on (?:the )?(?:web|internet)\b"
    r"|\b(?:do|run|with|use|using) (?:a )?web search\b"
    rf"|{_READ}\b[^.?!{{}}]{{0,40}}?https?://[^\s{{}}]{{1,60}}"
    rf"|(?:{_READ}|find|search|report|tell me|list|look up)\b(?: me| for| out| the){{0,2}} "
    r"(?:latest|current|today's|newest|top|breaking) "
    r"(?:[a-z]+ ){0,2}"
    r"(?:news|headlines?|weather|forecast|exchange rates?|(?:stock|share) prices?)\b",
    re.I,
)
_SHOWN: Final = 80

Json = Mapping[str, Any]


def find_missing_web_tools(steps: Sequence[Json]) -> Iterator[str]:
    """Yields a sentence of each such task. A task that is given what another step read is none."""
    is_offline = [_tools(step) <= _OFFLINE for step in steps]
    for step, offline in zip(steps, is_offline, strict=True):
        prompt = str(step.get("config", {}).get("prompt", ""))
        if step.get("action") != "agent_task" or not offline:
            continue
        if not all(is_offline) and "steps." in prompt:
            continue
        if asked := _ASKS.search(prompt):
            words = " ".join(asked[0].split())[:_SHOWN]
            yield (
                f"The step {step.get('step_id')} needs the web (“{words}”), and has no tool that "
                "reads it."
            )


def _tools(step: Json) -> set[str]:
    return {str(tool) for tool in step.get("config", {}).get("tools", [])}
