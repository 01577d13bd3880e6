"""Words of a sentence that look like a part of its schedule and that no rule reads."""

import re
from typing import Final

from devstack.demo.schedules.dates import DATE, DAY, MONTH
from devstack.demo.schedules.time_of_day import NUMBER
from devstack.demo.schedules.time_zones import CUT

_SPAN: Final = r"(?:week|month|quarter|year|season|spring|summer|autumn|fall|winter)s?\b(?!['’])"
# Days that say so by themselves, and those that do after "on", "every" and the like.
_DAY_ALONE: Final = (
    rf"(?:{DATE}|(?:today|tonight|tomorrow)\b(?!['’])|(?:next|this)\s+(?:{_SPAN}|{DAY}(?!['’])))"
)
_DAYLIKE: Final = (
    rf"(?:{_DAY_ALONE}|{MONTH}(?!['’])|{DAY}(?!['’])|\d{{1,2}}(?:st|nd|rd|th|:\d\d|[./]\d)"
    r"|(?:christmas|easter|new\s+year|whitsun|thanksgiving|holiday)\w*"
    r"|the\s+(?:first|second|third|fourth|last|end|\d{1,2}\w*)\s+(?:of\s+)?(?:the\s+)?\w+)"
)
_AFTER_TIME: Final = rf"{CUT}[\s,]*(?:and\s+|or\s+)?"
_ZONE_LIKE: Final = r"(?-i:[A-Z])[\w/+-]*(?:\s+(?-i:[A-Z])\w*)*"
_WORD: Final = rf"(?:\s+(?:(?:to|and|through)\s+)?(?:\d[\w:]*|{DAY}))?"
# Beside a time that was read, at the start, or anywhere if the words say little else.
_UNREAD: Final = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?P<words>(?:except|excluding|unless|but\s+(?:not|never)|apart\s+from|other\s+than"
        rf"|save\s+for)\b[^.;:{CUT}]{{0,60}})",
        r"\b(?!since\s+the\s+last\s+(?:time|run)\b)"
        r"(?P<words>(?:until|till|through|starting|beginning|as\s+of|from|since)"
        rf"(?:\s+(?:on|from|at|with|the|in))?\s+(?:{_DAYLIKE}{_WORD}))",
        rf"\b(?P<words>(?:until|till|starting|beginning|from|since)\s*{CUT})",
        rf"{_AFTER_TIME}(?P<words>(?:until|till|from|between|starting|beginning)\s+"
        rf"(?:the\s+)?[\w:]+{_WORD})",
        rf"{_AFTER_TIME}(?P<words>{_DAY_ALONE}{_WORD})",
        rf"{_AFTER_TIME}(?P<words>(?:on|in|of|by|every|each)\s+{_DAYLIKE}{_WORD})",
        rf"{_AFTER_TIME}(?P<words>(?:every|each|during|within)\s+\w+{_WORD})",
        rf"{_AFTER_TIME}(?P<words>(?:for\s+)?(?:the\s+next\s+)?{NUMBER}\s+"
        r"(?:times|minutes|hours|days|weeks|months|years)\b)",
        rf"{CUT}[\s,]*(?P<words>(?:and|or)\s+(?:at\s+)?\d{{1,2}}\b(?::\d\d)?)",
        rf"{CUT}[\s,(]*(?P<words>in\s+(?:the\s+)?{_ZONE_LIKE})",
        rf"{CUT}[\s,(]*(?P<words>in\s+(?!the\b|an?\b|my\b|our\b|\d)\w+)\s*(?:[.,:;!?){CUT}]|$)",
        rf"{CUT}[\s,(]*(?P<words>(?:in\s+)?(?:the\s+)?\w+(?:\s+\w+)?\s+time(?:\s?zone)?\b)",
        rf"{CUT}[\s,(]*(?P<words>(?-i:[A-Z]{{2,5}}T)\b|(?:utc|gmt)\s*[+-]\d[\d:]*)",
        rf"^\W*(?P<words>in\s+{_ZONE_LIKE})\s*[,{CUT}]",
        rf"^\W*(?P<words>(?:on|in|every|each)\s+{_DAYLIKE}{_WORD})",
    )
]
# A single moment without a day says no day anywhere else.
_UNREAD_DAY: Final = re.compile(
    rf"\b(?P<words>(?:(?:on|in|by)\s+(?:the\s+)?(?:{_DAYLIKE}{_WORD}))|(?:next|this)\s+{_SPAN}"
    rf"|{DATE})",
    re.I,
)
_COMMAND: Final = re.compile(
    r"^\W*(?:(?:please|can you|could you|would you)\s+)?(?:pause|resume|unpause|(?:un)?skip"
    r"|(?:do\s+not|don['’]t)\s+skip|backfill|delete|roll\s*back|re-?run|reschedule"
    r"|make\s+up\s+for|catch\s+up\s+on|run\s+.*\bmissed\b|run\s+.*\bagain\b)\s",
    re.I,
)


def find_unread_words(rest: str, *, needs_day: bool) -> str:
    """Returns the words of `rest`, a sentence without what was read, that look like a schedule.

    `needs_day` is for a single moment whose day was not said.
    """
    for pattern in [*_UNREAD, *([_UNREAD_DAY] if needs_day else [])]:
        if found := pattern.search(rest):
            return found["words"].replace(CUT, "").strip(" ,.:;!?")
    return ""


def is_command(text: str) -> bool:
    """Tells whether a sentence begins as a request about an automation that exists."""
    return bool(_COMMAND.match(text))
