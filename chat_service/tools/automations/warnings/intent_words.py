"""What English words say of a schedule, where they can be read in one way only.

It is a closed reader: what it doesn't know it leaves out. Other languages say nothing to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.schedule.cron import EVERY_WEEKDAY

_WORKDAYS: Final = 0b0111110
WEEKEND: Final = 0b1000001
# Characters of a text. Of a part of a longer one, what it says could not be told.
MOST_READ: Final = 2_000

_DAY: Final = r"(?:(mon|tues|wednes|thurs|fri|satur|sun)days?)"
_ORDER: Final = ("sun", "mon", "tues", "wednes", "thurs", "fri", "satur")
_NTH: Final = r"(?:(?:single|other|first|second|third|fourth|fifth|last|1st|2nd|3rd|4th|5th)\s+)?"
_JOIN: Final = r"(?:\s*,\s*(?:and\s+|or\s+)?|\s+and\s+(?:on\s+)?|\s*&\s*)"
_TO: Final = r"(?:\s+to\s+|\s+through\s+|\s+thru\s+|\s*[-–]\s*)"
_DAYS: Final = rf"{_DAY}(?!['’])\b(?:(?:{_JOIN}|{_TO}){_DAY}(?!['’])\b)*"
_EVERY_DAYS: Final = re.compile(rf"\b(?:every|each)\s+{_NTH}({_DAYS})", re.I)
_ON_DAYS: Final = re.compile(rf"\bon\s+{_NTH}({_DAYS})", re.I)
_PLURAL: Final = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days\b(?!['’])", re.I)
_WORKDAY: Final = re.compile(
    r"\b(?:every|each|on)\s+(?:weekdays?|workdays?|(?:business|working|work)[ -]days?)\b", re.I
)
_WEEKEND: Final = re.compile(r"\b(?:every|each|on|at)\s+(?:the\s+)?weekends?\b", re.I)
_EVERY_DAY: Final = re.compile(r"\b(?:every|each)\s+(?:single\s+)?day\b", re.I)
# A second rhythm, or none of the week: which of them the days belong to is unclear.
_OTHER_RHYTHM: Final = re.compile(
    r"\b(?:every|each)\s+(?:\w+\s+)?(?:month|morning|evening|night|afternoon|noon|hour|minute|"
    r"quarter|year|day|few|half|\d+)|\b(?:hourly|daily|monthly|yearly|tomorrow|today|tonight)\b"
    r"|\bin\s+(?:\d+|an?|one|two|three)\s+(?:minute|hour|day|week)",
    re.I,
)
# Words after which days and times are no plain statement.
_HEDGE: Final = re.compile(
    r"\b(?:except|excluding|exclude|unless|instead|rather|not|never|no|skip|other\s+than|without|"
    r"but|or|if|when|whenever|stop|remove|drop|cancel|avoid|apart|earlier|later|holidays?|"
    r"alternat\w*|only\s+if)\b|n['’]t\b",
    re.I,
)

_SENTENCE_END: Final = re.compile(r"(?<![ap]\.m)(?<![ap])[.;!?]\s|\n")
_OF_SCHEDULE: Final = re.compile(
    rf"\b{_DAY}\b|\b(?:every|each|weekdays?|weekends?|workdays?|noon|midnight|midday)\b|"
    r"\b\d{1,2}:\d\d\b|\bat\s+\d|\d\s*[ap]\.?m\b|\bof\s+(?:the|each|every)\s+month",
    re.I,
)

_AM: Final = r"(?:\s*([ap])\.?m\b\.?)"
_CLOCK: Final = rf"(\d{{1,2}})(?:[:.](\d{{2}}))?(?![\d:%/-])(?:{_AM}|\s*o['’]clock)?"
_AFTER: Final = (
    r"(?=\s*(?:$|[.;:!?)\n]|,(?!\d)|(?:on|every|each|daily|sharp|local|UTC|and|in\s+the|at\s+night|"
    r"o['’]clock|please|[A-Z][a-z]+(?:\s[A-Z][a-z]+)?\s+time)\b))"
)
_AT: Final = re.compile(
    rf"\bat\s+(?:exactly\s+)?(noon|midday|midnight|{_CLOCK})"
    rf"((?:{_JOIN}(?:at\s+)?(?:noon|midday|midnight|{_CLOCK}))*)",
    re.I,
)
_ONE: Final = re.compile(rf"(noon|midday|midnight)|{_CLOCK}", re.I)
_WITH_AM: Final = re.compile(r"\b(\d{1,2})(?:[:.](\d{2}))?\s*([ap])\.?m\b", re.I)
# Times that bound a span or stand beside one, and rhythms within a day.
_NO_TIMES: Final = re.compile(
    r"\b(?:between|from|until|till|before|after|by|since|past|half|quarter|prior\s+to|ahead\s+of|"
    r"around|about|to)\s+(?:the\s+|exactly\s+)?(?:\d{1,2}(?::\d{2})?\s*(?:[ap]\.?m\b|o['’]clock)|"
    r"\d{1,2}:\d{2}|noon|midday|midnight)"
    r"|\d\s*(?:[ap]\.?m\.?)?\s*(?:[-–]|\bto\b)\s*\d{1,2}(?::|\s*[ap]\.?m)"
    r"|\b(?:between|from)\s+\d|\b(?:hourly|twice|thrice|times\s+an?\s+day|past|half\s+past)\b"
    r"|\b(?:every|each)\s+(?:\w+\s+)?(?:hours?|minutes?)\b",
    re.I,
)

_ZONES: Final = (
    "Europe/London Europe/Paris Europe/Berlin Europe/Madrid Europe/Rome Europe/Amsterdam "
    "Europe/Brussels Europe/Vienna Europe/Zurich Europe/Stockholm Europe/Oslo "
    "Europe/Copenhagen Europe/Helsinki Europe/Warsaw Europe/Prague Europe/Budapest "
    "Europe/Athens Europe/Lisbon Europe/Dublin Europe/Istanbul Europe/Moscow Europe/Bucharest "
    "America/New_York America/Chicago America/Denver America/Los_Angeles America/Toronto "
    "America/Vancouver America/Mexico_City America/Sao_Paulo America/Bogota America/Lima "
    "Asia/Tokyo Asia/Seoul Asia/Shanghai Asia/Hong_Kong Asia/Singapore Asia/Dubai "
    "Asia/Kolkata Asia/Karachi Asia/Bangkok Asia/Jakarta Asia/Manila Asia/Taipei "
    "Asia/Jerusalem Asia/Riyadh Australia/Sydney Australia/Melbourne Australia/Brisbane "
    "Australia/Perth Pacific/Auckland Africa/Cairo Africa/Lagos Africa/Nairobi "
    "Africa/Johannesburg UTC"
)
_CITIES: Final = {
    name.rpartition("/")[2].replace("_", " ").lower(): name for name in _ZONES.split()
}
_CITY: Final = "|".join(sorted((re.escape(city) for city in _CITIES), key=len, reverse=True))
_ZONE: Final = re.compile(
    rf"\b({_CITY})\s+time\b|(?<=\d)\s*(?:[ap]\.?m\.?)?\s*\(?(UTC)\b(?![+-])|\bin\s+(UTC)\b(?![+-])",
    re.I,
)
_ZONE_NAME: Final = re.compile(r"\b(?:Europe|America|Asia|Australia|Africa|Pacific)/[A-Z]\w+\b")

_WORDS: Final = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS: Final = {
    **{word: n for n, word in enumerate(_WORDS.split())},
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "forty-five": 45,
    "fifty": 50,
    "hundred": 100,
}
_NUMBER: Final = rf"(\d{{1,6}}|{'|'.join(NUMBERS)})"
_INTERVAL: Final = re.compile(rf"\bevery\s+{_NUMBER}\s+(minute|hour)s\b", re.I)
_DAY_INTERVAL: Final = re.compile(
    rf"\b(?:every|each)\s+(?:(?:other|second)\s+(?:(day|week)|{_DAY})|{_NUMBER}\s+(day|week)s)\b"
    r"(?!\s+of\b)|\b(fortnightly)\b",
    re.I,
)
_MONTH_DAY: Final = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th)\s+(?:day\s+)?of\s+(?:the|each|every)\s+month\b"
    r"|\bmonthly\s+on\s+the\s+(\d{1,2})(?:st|nd|rd|th)\b",
    re.I,
)
_ANY_NUMBER: Final = re.compile(rf"(?<![\w.,:/#-]){_NUMBER}(?![\w:/-]|[.,]\d)", re.I)
_COUNTED: Final = re.compile(
    rf"(?<![\w.,:/#-]){_NUMBER}(?![\w:/-]|[.,]\d)\s+([a-z][a-z-]{{2,}})", re.I
)
# Words after a number that don't say what is counted, or count time.
_NOT_COUNTED: Final = (
    "second seconds minute minutes hour hours day days week weeks month months year years "
    "times and the for per from with until till each every sharp local daily weekly monthly "
    "please that this then more less other utc gmt percent times january february march april "
    "may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday weekdays send give tell get make are was were has have "
    "can should will morning evening into onto over under than but not one thing things time"
)
_MAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b", re.I)
_URL: Final = re.compile(r"\bhttps?://[^\s<>\"'`“”{}()\[\]]{3,500}", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentWords:
    """What a text says, None or empty where it says nothing or can be read in several ways.

    `weekdays` is a set as of `Cron`. Each of `times` is a set of minutes of a day, one of which is
    meant: `at 9` may be 540 or 1,260. `interval` is in minutes.
    """

    weekdays: int | None
    times: tuple[frozenset[int], ...]
    zone: str | None
    interval: int | None
    month_days: frozenset[int]


def read_intent(text: str) -> IntentWords:
    """Reads nothing of a text that is longer than `MOST_READ`."""
    text = text if len(text) <= MOST_READ else ""
    hedged = any(
        _HEDGE.search(sentence) and _OF_SCHEDULE.search(sentence)
        for sentence in _SENTENCE_END.split(text)
    )
    times = () if hedged or _NO_TIMES.search(text) else tuple(_times(text))
    return IntentWords(
        weekdays=None if hedged else _weekdays(text),
        times=times,
        zone=_zone(text),
        interval=_interval(text) if not hedged else None,
        month_days=frozenset(
            () if hedged else (int(one[1] or one[2]) for one in _MONTH_DAY.finditer(text))
        ),
    )


def counts(text: str) -> dict[str, set[int]]:
    """The numbers that stand before each noun: `10 stories` is `{"stories": {10}}`."""
    found: dict[str, set[int]] = {}
    for one in _COUNTED.finditer(text):
        noun = one[2].lower()
        if noun not in _NOT_COUNTED.split():
            found.setdefault(noun, set()).add(int_of(one[1]))
    return found


def numbers(text: str) -> set[int]:
    return {int_of(one[1]) for one in _ANY_NUMBER.finditer(text)}


def addresses(text: str) -> tuple[set[str], set[str]]:
    """The e-mail addresses and the URLs of a text, the latter without scheme and `www.`"""
    urls = {_plain_url(one[0]) for one in _URL.finditer(text)}
    return {one[0].lower() for one in _MAIL.finditer(text)}, urls


def int_of(word: str) -> int:
    return NUMBERS[word.lower()] if word.lower() in NUMBERS else int(word)


def _plain_url(url: str) -> str:
    return re.sub(r"^https?://(?:www\.)?", "", url.lower()).rstrip("/.,;:!?")


def _interval(text: str) -> int | None:
    """Minutes, if the text names one interval, and beside minutes or hours no time of day."""
    found = {
        int_of(one[1]) * (60 if one[2].lower() == "hour" else 1) for one in _INTERVAL.finditer(text)
    }
    if any(_AT.finditer(text)):
        found = set() if not found else {0, 1}  # which of them a time belongs to is unclear
    found |= {_of_days(one) for one in _DAY_INTERVAL.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _of_days(one: re.Match[str]) -> int:
    """The minutes of `every other Tuesday` or `every 3 days`."""
    unit, _, number, units, _ = one.groups()
    days = 1 if "day" in (unit or "", units or "") else 7
    return (int_of(number) if number else 2) * days * 1_440


def _weekdays(text: str) -> int | None:
    """The union of what the words name, if they are of one kind."""
    strong = [_set_of(one[1]) for one in _EVERY_DAYS.finditer(text)]
    weak = [_set_of(one[1]) for one in _ON_DAYS.finditer(text)]
    named = strong or weak
    if not weak and not strong and _PLURAL.search(text):
        return None
    kinds = [
        (bool(named), _union(named)),
        (_WORKDAY.search(text) is not None, _WORKDAYS),
        (_WEEKEND.search(text) is not None, WEEKEND),
        (_EVERY_DAY.search(text) is not None, EVERY_WEEKDAY),
    ]
    found = [days for there, days in kinds if there]
    if len(found) != 1 or (strong and weak):
        return None
    others = [one for one in _OTHER_RHYTHM.finditer(text) if not _EVERY_DAY.fullmatch(one[0])]
    return None if others else found[0]


def _union(sets: list[int]) -> int:
    bits = 0
    for each in sets:
        bits |= each
    return bits


def _set_of(words: str) -> int:
    """`Monday, Wednesday to Friday` as a set."""
    bits, last, is_range = 0, 0, False
    for one in re.finditer(rf"({_TO})|{_DAY}", words, re.I):
        if one[1]:
            is_range = True
            continue
        day = _ORDER.index(one[2].lower())
        if is_range:
            bits |= _union([1 << (last + n) % 7 for n in range((day - last) % 7 + 1)])
        bits |= 1 << day
        last, is_range = day, False
    return bits


def _times(text: str) -> Iterator[frozenset[int]]:
    """Of a text in which each time is one of these; of any other none."""
    spans = []
    for one in _AT.finditer(text):
        clear = one[1] and (one[4] or not one[2] or one[3])
        if not clear and not re.compile(_AFTER).match(text, one.end()):
            continue
        spans.append(one.span())
        part = text[one.end() : one.end() + 20].lower()
        for each in _ONE.finditer(one[0]):
            if minutes := _minutes(each, part):
                yield minutes
    for one in _WITH_AM.finditer(text):
        if not any(start <= one.start() < end for start, end in spans):
            yield from filter(None, [_of_clock(int(one[1]), int(one[2] or 0), one[3], "")])


def _minutes(one: re.Match[str], after: str) -> frozenset[int]:
    if one[1]:
        return frozenset({0 if one[1].lower() == "midnight" else 720})
    padded = one[2].startswith("0") and len(one[2]) == 2
    return _of_clock(int(one[2]), int(one[3] or 0), one[4] or "", after, padded=padded)


def _of_clock(
    hour: int, minute: int, half: str, after: str, *, padded: bool = False
) -> frozenset[int]:
    if hour > 24 or minute > 59 or (half and not 1 <= hour <= 12):
        return frozenset()
    if not half and 1 <= hour <= 12 and not padded:
        after = after.strip()
        if after.startswith("in the morning"):
            half = "a"
        elif after.startswith(("in the evening", "in the afternoon", "at night")):
            half = "p"
        else:
            return frozenset({hour % 12 * 60 + minute, (hour % 12 + 12) * 60 + minute})
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return frozenset({hour % 24 * 60 + minute})


def _zone(text: str) -> str | None:
    found = {_CITIES[next(filter(None, one.groups())).lower()] for one in _ZONE.finditer(text)}
    found |= {one[0] for one in _ZONE_NAME.finditer(text)}
    return found.pop() if len(found) == 1 else None
