"""Days and dates in words → numbers of days, dates with or without a year, and exceptions.

An exception is “… except on Friday, but not on 24 December”.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

from devstack.demo.schedules.time_zones import CUT

DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAY: Final = r"(?:mon|tue|tues|wed|wednes|thu|thurs|fri|sat|satur|sun)(?:day)?s?\b"
_MONTH: Final = (
    rf"(?:{'|'.join(MONTHS)}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"  # "may" is short
)
_NUMBER: Final = r"\d{1,2}(?:st|nd|rd|th)?\b"
_YEAR: Final = r"(?:,?\s+20\d\d\b(?!:\d))?"
DATE: Final = (
    rf"\b(?:\d{{4}}-\d\d-\d\d\b|(?:the\s+)?{_NUMBER}\s+(?:of\s+)?{_MONTH}{_YEAR}"
    rf"|{_MONTH}\s+(?:the\s+)?{_NUMBER}(?!:|\s*[ap]\.?m\b){_YEAR})"
)
MONTH: Final = rf"\b{_MONTH}"

_WEEKEND: Final = r"(?:the\s+)?weekends?\b"
_ONE: Final = rf"(?:{DATE}|{DAY}|{_WEEKEND})"
_WORDS: Final = (
    r"(?:(?:but|and)\s+)?(?:not|never|except(?:ing)?(?:\s+for)?|excluding|other\s+than|without"
    r"|save\s+for|apart\s+from)"
)
_EXCEPTION: Final = re.compile(
    rf"[\s,(]{{0,3}}\b{_WORDS}\s+(?:on\s+)?(?P<what>{_ONE}(?:\s*(?:,\s*and|,|and|or)\s+(?:on\s+)?{_ONE})*)"
    r"\)?",
    re.I,
)


class NoSuchDate(ValueError):
    """The words name a date that no calendar shows."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """`days` are numbers, Sunday is 0; `dates` are as `read_date` returns them."""

    days: Collection[int] = ()
    dates: tuple[str, ...] = ()
    words: str = ""


def day_number(word: str) -> int:
    """Returns 0 for Sunday to 6 for Saturday."""
    return next(i for i, name in enumerate(DAYS) if name.startswith(word[:3].lower()))


def read_date(words: str) -> str:
    """Returns `2027-03-03`, or `--03-03` when the words name no year. Raises NoSuchDate."""
    if iso := re.search(r"\d{4}-\d\d-\d\d", words):
        return _checked(iso[0], words)
    year = re.search(r"\b20\d\d\b", words)
    day = re.search(r"\b\d{1,2}(?!\d)", words)
    name = re.search(MONTH, words, re.I)
    if day is None or name is None:
        raise NoSuchDate(f"{words} is no date")
    month = next(i for i, each in enumerate(MONTHS, 1) if each.lower()[:3] == name[0][:3].lower())
    return _checked(f"{year[0] if year else '-'}-{month:02}-{int(day[0]):02}", words)


def find_date(said: str, since: date) -> date:
    """Returns the date; without a year, the first such date on or after `since`."""
    if not said.startswith("--"):
        return date.fromisoformat(said)
    for year in range(since.year, since.year + 9):  # 29 February comes within eight years
        try:
            found = date.fromisoformat(f"{year}{said[1:]}")
        except ValueError:
            continue
        if found >= since:
            return found
    raise NoSuchDate(f"{said} comes in no year")


def describe_date(said: str) -> str:
    """Returns `3 March 2027` or `3 March`."""
    month, day = said[-5:].split("-")
    year = "" if said.startswith("--") else f" {said[:4]}"
    return f"{int(day)} {MONTHS[int(month) - 1]}{year}"


def extract_exclusion(text: str) -> tuple[Exclusion, str]:
    """Returns what a sentence leaves out, and the sentence without it. Raises NoSuchDate."""
    days: set[int] = set()
    dates: list[str] = []
    words: list[str] = []
    while found := _EXCEPTION.search(text):
        listed = found["what"]
        for said in re.findall(DATE, listed, re.I):
            dates.append(read_date(said))
        for name in re.findall(rf"\b{DAY}", re.sub(DATE, "", listed, flags=re.I), re.I):
            days.add(day_number(name))
        if re.search(_WEEKEND, listed, re.I):
            days |= {0, 6}
        words.append(found[0].strip(" ,()"))
        text = text[: found.start()] + CUT + text[found.end() :]
    return Exclusion(sorted(days), tuple(dict.fromkeys(dates)), " ".join(words)), text


def _checked(said: str, words: str) -> str:
    try:
        date.fromisoformat(said if not said.startswith("--") else f"2028{said[1:]}")
    except ValueError:
        raise NoSuchDate(f"{words.strip()} is not a date") from None
    return said
