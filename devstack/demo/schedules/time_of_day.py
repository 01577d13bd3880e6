"""Words → numbers and times of day."""

import re
from datetime import time

from devstack.demo.schedules.time_zones import CUT

_COUNT = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: value for value, word in enumerate(_COUNT.split())}
NUMBERS |= {"a": 1, "an": 1, "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60}
NUMBER = rf"(?:\d{{1,4}}|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"

_PART = r"(?:\s+(?:in\s+the\s+(?P<part>morning|afternoon|evening)|at\s+(?P<night>night)))?"
_HALF = r"(?:\s*(?P<half>[ap]\.?m\b\.?|o'clock))?"
_CLOCKS = [
    re.compile(r"\b(?:at\s+)?(?P<name>noon|midday|midnight)\b", re.I),
    re.compile(
        rf"(?:\bat\s+|@\s*)(?P<hour>{NUMBER})(?:[:.h](?P<minute>[0-5]\d))?{_HALF}(?!\w|:\d){_PART}",
        re.I,
    ),
    re.compile(rf"\b(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d){_HALF}(?!\w|:\d){_PART}", re.I),
    re.compile(r"\b(?P<hour>\d{1,2})\s*(?P<half>[ap]\.?m\b\.?)", re.I),
]
_NAMED = {"noon": time(12), "midday": time(12), "midnight": time(0)}
PARTS_OF_DAY = {"morning": time(8), "afternoon": time(15), "evening": time(18), "night": time(22)}


class NoSuchTime(ValueError):
    """The words name a time of day that no clock shows."""


def parse_number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS[word.lower()]


def extract_time(text: str) -> tuple[time | None, str]:
    """Returns the time of day in a sentence, and the sentence without it. Raises NoSuchTime."""
    for pattern in _CLOCKS:
        if found := pattern.search(text):
            return _clock(found), text[: found.start()] + CUT + text[found.end() :]
    return None, text


def _clock(found: re.Match[str]) -> time:
    words = found.groupdict()
    if name := words.get("name"):
        return _NAMED[name.lower()]
    hour, minute = parse_number(words["hour"]), int(words.get("minute") or 0)
    half = (words.get("half") or "").replace(".", "").lower()
    later = half == "pm" or words.get("night") or words.get("part") in ("afternoon", "evening")
    if later and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    try:
        return time(hour, minute)
    except ValueError:
        raise NoSuchTime(f"{hour:02}:{minute:02} is not a time of day") from None
