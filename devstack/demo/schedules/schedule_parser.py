"""Sentence → schedule, clarifying question or refusal."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

from devstack.demo.schedules.dates import (
    DATE,
    DAY,
    DAYS,
    NoSuchDate,
    day_number,
    describe_date,
    extract_exclusion,
    read_date,
)
from devstack.demo.schedules.schedule import ClarifyingQuestion, Schedule, ScheduleRefusal, exclude
from devstack.demo.schedules.time_of_day import (
    NUMBER,
    PARTS_OF_DAY,
    NoSuchTime,
    extract_time,
    parse_number,
)
from devstack.demo.schedules.time_zones import CUT, extract_zone
from devstack.demo.schedules.unread_words import find_unread_words

_DAY_LIST = rf"{DAY}(?:(?:\s*,\s*|\s+and\s+|\s*,\s*and\s+){DAY})*"
_NTH = r"(?P<nth>\d{1,2}|first|second|third)(?:st|nd|rd|th)?(?:\s+day)?"
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_OF_MONTH = r"(?:\s+(?:of|in)\s+(?:every|each|the|a)\s+month\b|\s+(?:every|each)\s+month\b)"


Reading = Schedule | ClarifyingQuestion | ScheduleRefusal | None
AT_WHAT_TIME = "At what time"
WHAT_TO_DO = "What should"
NOT_UNDERSTOOD = "I did not understand"
# What is longer is no request for this model, and a rule takes time with every word.
_LONGEST = 20_000
_GAP = re.compile(r"([\s,(])[\s,(]{8,}")
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Reading]]


def parse_schedule(text: str) -> Reading:
    """Returns the schedule in a sentence; None when the sentence names no time."""
    text = _GAP.sub(r"\1", text[:_LONGEST])
    try:
        left_out, rest = extract_exclusion(text)
        found, rest = _first(_RULES, rest)
        clock, rest = extract_time(rest)
    except (NoSuchTime, NoSuchDate) as exc:
        return ScheduleRefusal(f"{exc}.")
    if found is None and clock is not None and not _is_question(text):
        found = Schedule(phrase="once")
    if not isinstance(found, Schedule):
        return found or _event(text)
    zone, rest = extract_zone(rest)
    timed = _with_clock(found, clock)
    if timed is None:
        if found.is_once and (_is_question(text) or _event(text)):
            return _event(text)
        return ClarifyingQuestion(f"{AT_WHAT_TIME} should that happen, {found.phrase}?")
    needs_day = found.is_once and not found.day and found.after is None
    if unread := find_unread_words(rest, needs_day=needs_day):
        return _not_understood(unread)
    timed = exclude(timed, left_out)
    if timed is None:
        return _not_understood(left_out.words)
    return replace(timed, zone=zone, task=_task(rest))


def _not_understood(words: str) -> ClarifyingQuestion:
    return ClarifyingQuestion(
        f"{NOT_UNDERSTOOD} “{words}”. Please say the whole request in another way, or without it."
    )


def _with_clock(found: Schedule, clock: time | None) -> Schedule | None:
    """Returns None when the schedule lacks a time of day."""
    if found.after is not None or (found.cron and "H" not in found.cron):
        return found
    if found.unit in ("minutes", "hours"):
        return found
    if clock is not None and found.clock is not None and found.clock.hour >= 15 > clock.hour + 3:
        clock = clock.replace(hour=clock.hour + 12)  # "tonight at 9", "every evening at 6"
    clock = clock or found.clock
    if clock is None:
        return None
    return replace(
        found,
        clock=clock,
        cron=found.cron.replace("M", str(clock.minute)).replace("H", str(clock.hour)),
        phrase=f"{found.phrase} at {clock:%H:%M}",
    )


def _first(rules: list[Rule], text: str) -> tuple[Reading, str]:
    for pattern, build in rules:
        if match := pattern.search(text):
            return build(match), text[: match.start()] + CUT + text[match.end() :]
    return None, text


def _every_minutes(match: re.Match[str]) -> Reading:
    count = parse_number(match["n"])
    if count == 1:
        return Schedule(phrase="every minute", cron="* * * * *")
    if count == 60:
        return Schedule(phrase="every hour", cron="0 * * * *")
    if count == 0:
        return ScheduleRefusal("a minute is the shortest step a schedule can take.")
    if 60 % count:
        return Schedule(phrase=f"every {count} minutes", unit="minutes", count=count)
    return Schedule(phrase=f"every {count} minutes", cron=f"*/{count} * * * *")


def _every_hours(match: re.Match[str]) -> Reading:
    count = parse_number(match["n"])
    if count == 1:
        return Schedule(phrase="every hour", cron="0 * * * *")
    if count == 0:
        return ScheduleRefusal("a minute is the shortest step a schedule can take.")
    if 24 % count:
        return Schedule(phrase=f"every {count} hours", unit="hours", count=count)
    return Schedule(phrase=f"every {count} hours", cron=f"0 */{count} * * *")


def _every_other(match: re.Match[str]) -> Reading:
    words = match.groupdict()
    count = parse_number(words["n"]) if words.get("n") else 2
    what = (words.get("what") or "week").lower()
    if count == 0 or count > 52:
        return ScheduleRefusal(f"every {count} {what} is no step that a schedule can take.")
    if what.startswith("day"):
        return Schedule(phrase=f"every {count} days", unit="days", count=count)
    if what.startswith("week"):
        return Schedule(phrase=f"every {count} weeks", unit="weeks", count=count)
    day = DAYS[day_number(what)]
    return Schedule(phrase=f"every other {day.capitalize()}", unit="weeks", count=count, day=day)


def _last_workday(_match: re.Match[str]) -> Reading:
    return Schedule(phrase="on the last working day of every month", cron="M H LW * *")


def _last_day(_match: re.Match[str]) -> Reading:
    return Schedule(phrase="on the last day of every month", cron="M H L * *")


def _weekday_of_month(match: re.Match[str]) -> Reading:
    words = {key.rstrip("_"): word for key, word in match.groupdict().items() if word}
    nth, day = words["nth"].lower(), day_number(words["what"])
    number = _ORDINALS.get(nth) or (0 if nth == "last" else int(nth[0]))
    name = "last" if number == 0 else list(_ORDINALS)[number - 1]
    of_week = f"{day}#{number}" if number else f"{day}L"
    phrase = f"on the {name} {DAYS[day].capitalize()} of every month"
    return Schedule(phrase=phrase, cron=f"M H * * {of_week}")


def _yearly(match: re.Match[str]) -> Reading:
    said = read_date(match["date"] or match["date_"])
    if not said.startswith("--"):
        return ScheduleRefusal("a date with a year comes once only.")
    month, day = map(int, said[-5:].split("-"))
    return Schedule(phrase=f"every year on {describe_date(said)}", cron=f"M H {day} {month} *")


def _on_date(match: re.Match[str]) -> Reading:
    said = read_date(match["date"])
    return Schedule(phrase=f"once, on {describe_date(said)}", day=said)


def _monthly(match: re.Match[str]) -> Reading:
    day = _ORDINALS.get(match["nth"].lower()) or int(match["nth"])
    if not 1 <= day <= 31:
        return ScheduleRefusal(f"no month has a day {day}.")
    return Schedule(phrase=f"every month on day {day}", cron=f"M H {day} * *")


def _weekly(match: re.Match[str]) -> Reading:
    days = sorted({day_number(word) for word in re.findall(DAY, match[0], re.I)})
    names = " and ".join(DAYS[day].capitalize() for day in days)
    return Schedule(phrase=f"every {names}", cron=f"M H * * {','.join(map(str, days))}")


def _daily(match: re.Match[str]) -> Reading:
    part = match.groupdict().get("part")
    if part:
        part = part.lower()
        return Schedule(phrase=f"every {part}", cron="M H * * *", clock=PARTS_OF_DAY[part])
    return Schedule(phrase="every day", cron="M H * * *")


def _after(match: re.Match[str]) -> Reading:
    unit = match["unit"].lower().rstrip("s")
    unit = {"min": "minute", "sec": "second"}.get(unit, unit)
    if match["n"].lower().startswith("half"):
        return Schedule(phrase="in 30 minutes, once", after=timedelta(minutes=30))
    count = parse_number(match["n"]) or 1
    plural = "" if count == 1 else "s"
    return Schedule(
        phrase=f"in {count} {unit}{plural}, once", after=timedelta(**{f"{unit}s": count})
    )


def _on_day(match: re.Match[str]) -> Reading:
    words = match.groupdict()
    word = match["day"].lower()
    if word == "tonight":
        return Schedule(phrase="once, today", day="today", clock=time(20))
    if re.match(DAY, word):
        word = DAYS[day_number(word)]
    part = PARTS_OF_DAY.get((words.get("part") or "").lower())
    said = word if word in ("today", "tomorrow") else f"on {word.capitalize()}"
    return Schedule(phrase=f"once, {said}", day=word, clock=part)


def _rule(pattern: str, build: Callable[[re.Match[str]], Reading] | Reading) -> Rule:
    return re.compile(pattern, re.I), build if callable(build) else lambda _: build


_EACH = r"\b(?:every|each)\s+(?:single\s+)?"
_NTH_WEEKDAY = r"first|1st|second|2nd|third|3rd|fourth|4th|fifth|5th|last"
_PART_OF_DAY = r"(?P<part>morning|afternoon|evening|night)"
_RULES: list[Rule] = [
    _rule(rf"{_EACH}(?:{NUMBER}\s+)?seconds?\b(?!\s+\w+day)|\bper second\b",
          ScheduleRefusal("a minute is the shortest step a schedule can take.")),
    _rule(rf"(?:{_EACH}|\b(?:on\s+)?(?:the\s+)?)"
          rf"(?:(?P<nth>{_NTH_WEEKDAY})\s+(?P<what>{DAY}){_OF_MONTH}"
          rf"|(?:(?<=every\s)|(?<=each\s))(?P<nth_>first|1st|fourth|4th|fifth|5th|last)\s+"
          rf"(?P<what_>{DAY}))", _weekday_of_month),
    _rule(rf"(?:{_EACH}|\b(?:on\s+)?the\s+)last\s+day{_OF_MONTH}", _last_day),
    _rule(rf"(?:{_EACH}year,?\s+(?:on\s+)?|{_EACH})(?P<date>{DATE})"
          rf"|\b(?:on\s+)?(?P<date_>{DATE}),?\s+(?:of\s+)?(?:every|each)\s+year\b", _yearly),
    _rule(rf"{_EACH}(?:other|second)\s+(?P<what>day\b|week\b|{DAY})"
          r"|\b(?:fortnightly|biweekly|every fortnight)\b", _every_other),
    _rule(rf"{_EACH}(?P<n>{NUMBER})\s+(?P<what>days|weeks)\b", _every_other),
    _rule(rf"{_EACH}(?:other|second|third)\b",
          ScheduleRefusal("the demo model leaves out days and weeks only.")),
    _rule(r"\b(?:on\s+)?the\s+last\s+(?:working|business|week)\s?day\s+of\s+"
          r"(?:every|each|the)\s+month\b", _last_workday),
    _rule(rf"{_EACH}(?:full|new|blue)\s+moon\b|\b(?:sunrise|sunset|dawn|dusk)\b",
          ScheduleRefusal("it is no time that a clock or a calendar shows.")),
    _rule(rf"{_EACH}half[\s-](?:an\s+)?hour\b", Schedule(phrase="every 30 minutes",
                                                     cron="*/30 * * * *")),
    _rule(rf"{_EACH}(?P<n>{NUMBER})\s*(?:minutes?|mins?)\b", _every_minutes),
    _rule(rf"{_EACH}minute\b|\bminutely\b|\bonce a minute\b",
          Schedule(phrase="every minute", cron="* * * * *")),
    _rule(rf"{_EACH}(?P<n>{NUMBER})\s*hours?\b", _every_hours),
    _rule(rf"{_EACH}hour\b|\bhourly\b|\bonce an hour\b",
          Schedule(phrase="every hour", cron="0 * * * *")),
    _rule(rf"\b(?:on\s+)?(?:the\s+)?{_NTH}\s+of\s+(?:every|each|the)\s+month\b", _monthly),
    _rule(rf"(?:{_EACH}month|\bmonthly)\s+on\s+(?:the\s+|day\s+)?{_NTH}\b", _monthly),
    _rule(rf"{_EACH}month\b|\bmonthly\b",
          ClarifyingQuestion("On which day of the month, and at what time?")),
    _rule(rf"(?:{_EACH}|\bon\s+)?(?:\bweekdays?\b|\bwork(?:ing)?\s?days?\b)",
          Schedule(phrase="every weekday", cron="M H * * 1-5")),
    _rule(rf"(?:{_EACH}|\bon\s+|\bat\s+)(?:the\s+)?weekends?\b",
          Schedule(phrase="every Saturday and Sunday", cron="M H * * 0,6")),
    _rule(rf"(?:{_EACH}|\bweekly\s+on\s+|\bevery\s+week\s+on\s+){_DAY_LIST}", _weekly),
    _rule(r"\b(?:on\s+)?(?:mon|tues|wednes|thurs|fri|satur|sun)days\b", _weekly),
    _rule(rf"{_EACH}week\b|\bweekly\b",
          ClarifyingQuestion("On which day of the week, and at what time?")),
    _rule(rf"{_EACH}(?:day\b|{_PART_OF_DAY}\b)|\bdaily\b|\bonce a day\b", _daily),
    _rule(rf"{_EACH}years?\b|\b(?:yearly|annually)\b",
          ScheduleRefusal("the demo model knows minutes, hours, days, weeks and months only.")),
    _rule(rf"\bin\s+(?P<n>half\s+an|{NUMBER})\s*"
          r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|days?|weeks?)\b(?:\s+from\s+now)?",
          _after),
    _rule(rf"\b(?:on|next|this)\s+(?:{DAY},?\s+)?(?P<date>{DATE})", _on_date),
    _rule(rf"^\W*(?:{DAY},?\s+)?(?P<date>{DATE})", _on_date),
    _rule(rf"\b(?P<day>tomorrow)(?:\s+{_PART_OF_DAY})?\b", _on_day),
    _rule(r"\b(?P<day>today|tonight)\b", _on_day),
    _rule(rf"\b(?:on|next|this)\s+(?P<day>{DAY})", _on_day),
    _rule(rf"(?P<date>{DATE})", _on_date),
]  # fmt: skip

_EVENT = re.compile(
    r"\b(?:whenever|as soon as|every time|each time)\b"
    r"|\b(?:when|if|once|after|before)\s+(?:it|my|the|an?|some\w+|i|there|our|her|his|we|they)\b"
    r"|^\W*(?:please\s+)?(?:every|each)\s+\w+",
    re.I,
)
_QUESTION = re.compile(
    r"^\W*(?:what|who|whom|why|how|where|which|when|is|are|was|were|did|does|do|will|would|should)\b",
    re.I,
)


def _event(text: str) -> ScheduleRefusal | None:
    if _EVENT.search(text) and not (_is_question(text) and text.rstrip().endswith("?")):
        return ScheduleRefusal("it is an event, not a time.")
    return None


def _is_question(text: str) -> bool:
    return bool(_QUESTION.match(text))


_POLITE = re.compile(
    r"^(?:(?:please|kindly|hey|hi|hello|ok|okay|then|and|to|that|once|i(?:'d| would) like you to"
    r"|i want you to|(?:can|could|will|would) you|schedule|set up|create|make"
    r"|an? (?:automation|reminder|schedule) (?:to|that|which))\b|[\s,;:.!-])+",
    re.I,
)


def _task(rest: str) -> str:
    """Returns the task: the sentence without its time."""
    text = re.sub(rf"\s*[,(]*\s*{CUT}[\s{CUT}]*[,)]*\s*", " ", rest)
    text = _POLITE.sub("", text.strip())
    text = re.sub(r"\bplease\b|\bonce\s*$", "", text, flags=re.I)
    return re.sub(r"\s+", " ", text).strip(" ,;:.!?-")
