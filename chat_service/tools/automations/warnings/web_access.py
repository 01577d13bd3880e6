"""Tasks whose English words ask for the web, and which have no tool that reads it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chat_service.tools.automations.warnings.intent_words import MOST_READ

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
# What is told anew each day, and stands on some page: no model has it of itself.
_CHANGING: Final = (
    r"(?:news|headlines?|weather(?: forecast| report)?|forecasts?|temperatures?|pollen(?: count)?|"
    r"air quality|tides?|traffic|road works|train delays|delays|departures|flight status|"
    r"exchange rates?|interest rates?|inflation rate|stock markets?|markets?|"
    r"(?:stock|share|bitcoin|crypto|gold|silver|oil|gas|fuel|petrol|diesel|electricity|power|"
    r"energy|house|ticket|flight|hotel|market|closing|spot)[ -](?:prices?|fares?)|fares?|"
    r"prices? (?:of|for)|(?:stock|share)s?|"
    r"(?:football|soccer|tennis|match|game|league|sports?|final|live|cricket|nba|nfl|nhl)[ -]"
    r"(?:scores?|results?|standings?|fixtures?|table)|scores?|standings?|fixtures?|"
    r"earthquakes?|lottery numbers|job (?:ads|offers|openings)|vacancies|"
    r"(?:concert|train|cinema|theatre|festival) tickets|trending (?:topics|repositories)|"
    r"home ?page|front page|status page|web ?sites?|web ?pages?|(?:rss )?feeds?|blogs?|"
    r"(?:the|this|that|their|its) (?:site|page)|hacker news)"
)
_LEARN: Final = (
    r"(?:get|fetch|check|read|monitor|watch|track|follow|find|look up|look at|report|list|collect|"
    r"gather|compare|sum up|summari[sz]e|recap|review|analy[sz]e|scan|(?:tell|give|send|show|"
    r"bring|brief|update|inform|alert|notify|mail|e-?mail) (?:me|us))"
)
_DIGEST: Final = (
    r"(?:(?:a|an|the|me|us|short|brief|daily|weekly|quick|one-paragraph) ){0,4}"
    r"(?:summary|overview|digest|round-?up|recap|briefing|update|report|list) (?:of|on|about|with) "
)
_MAKE: Final = (
    r"(?:write|make|create|compile|prepare|produce|draft|send|give|post|mail|e-?mail)"
    r"(?: (?:me|us))?"
)
# Words that may stand before the noun: no verb, and nothing that would make it a mere subject.
_BEFORE: Final = (
    r"(?:(?:if|when|whether|what|how|on|about|out|up|for|with|for me|for us|is|are|it) ){0,2}"
    r"(?:(?!(?:about|of|a|an|from|like|to|and|or|joke|poem|story|haiku|song|quiz|my|our|your)\b)"
    r"(?:[\w'’.-]+|\{\{[^{}]{1,60}\}\}),? ){0,4}?"
)
# The material is given, or the noun belongs to another one.
_NOT_AFTER: Final = (
    r"(?!['’-]|(?: [a-z]+){0,2} (?:below|above|in the attach|i (?:paste|sen)|from \{\{ ?inputs)"
    r"| (?:team|article|text|post|writer|lists?|notes?|manager|folder|file|plan|section|channel|"
    r"desk|letter|item|sheet|board|room|conditions of|visit|template|draft|budget|goals?)\b)"
)
_NOW: Final = re.compile(
    rf"\b(?:{_LEARN} (?:{_DIGEST})?|{_MAKE} {_DIGEST}){_BEFORE}\b{_CHANGING}\b{_NOT_AFTER}", re.I
)
_SENTENCE: Final = re.compile(r"(?:[^.!?\n]|\.(?=\S))+")
# What a person is to do, or what is made up, needs nothing from outside.
_NO_TASK: Final = re.compile(
    r"^\W*(?:please )?(?:remind|ask|wish|say|pretend|imagine|translate|don['’]?t|do not|never)\b"
    r"|\b(?:fictional|invented|imaginary|made[- ]up|joke|poem|haiku|fake|pretend)\b",
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
        if asked := _ASKS.search(prompt) or _find_changing(prompt):
            words = " ".join(asked[0].split())[:_SHOWN]
            yield (
                f"The step {step.get('step_id')} needs the web (“{words}”), and has no tool that "
                "reads it."
            )


def _find_changing(prompt: str) -> re.Match[str] | None:
    """Finds where a prompt wants to know what changes with time."""
    for sentence in _SENTENCE.findall(" ".join(prompt[:MOST_READ].split(" "))):
        if not _NO_TASK.search(sentence) and (found := _NOW.search(" ".join(sentence.split()))):
            return found
    return None


def _tools(step: Json) -> set[str]:
    return {str(tool) for tool in step.get("config", {}).get("tools", [])}
