"""Requests about existing automations → calls of the tools that manage them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from devstack.demo.delivery import is_delivery
from devstack.demo.schedules.dates import DAYS
from devstack.demo.schedules.moment import names_day, parse_coming_moment, parse_moment
from devstack.demo.schedules.schedule import Schedule, ScheduleRefusal
from devstack.demo.schedules.schedule_parser import parse_schedule

LIST_TOOL: Final = "list_automations"
LIST_DESTINATIONS_TOOL: Final = "list_destinations"
UPDATE_TOOL: Final = "update_automation"
PAUSE_TOOL: Final = "pause_automation"
RESUME_TOOL: Final = "resume_automation"
SKIP_TOOL: Final = "skip_next_slot"
UNSKIP_TOOL: Final = "unskip_slots"
EXPLAIN_TOOL: Final = "explain_slot"
BACKFILL_TOOL: Final = "backfill_slots"
ROLL_BACK_TOOL: Final = "roll_back_automation"
DELETE_TOOL: Final = "delete_automation"
INBOX_TOOL: Final = "list_inbox"
EXPLAIN_RESULT_TOOL: Final = "explain_result"
MANAGEMENT_TOOLS: Final = frozenset(
    {
        LIST_TOOL,
        UPDATE_TOOL,
        PAUSE_TOOL,
        RESUME_TOOL,
        SKIP_TOOL,
        UNSKIP_TOOL,
        EXPLAIN_TOOL,
        BACKFILL_TOOL,
        ROLL_BACK_TOOL,
        DELETE_TOOL,
        INBOX_TOOL,
        EXPLAIN_RESULT_TOOL,
    }
)

_PLEASE = r"^\W*(?:(?:please|can you|could you|would you)\s+)?"
_LIST = re.compile(
    rf"{_PLEASE}(?:(?:list|show)\b.*\b(?:automations?|schedules?)\b"
    r"|(?:what|which)\b.*\b(?:do i have|have i|is|are)\b.*\bscheduled\b"
    r"|(?:what|which)\b.*\bautomations\b)",
    re.I,
)
_LIST_DESTINATIONS = re.compile(
    rf"{_PLEASE}(?:(?:list|show)\b.*\bdestinations?\b|(?:what|which)\b.*\bdestinations\b"
    r"|where\s+(?:can|could|do)\b.*\b(?:results?|it|them)\b.*\b(?:go|sent|delivered|send|deliver)\b)",
    re.I,
)
_CHANGE = re.compile(
    rf"{_PLEASE}(?:change|move|reschedule|shift)\s+(?P<name>.+?)\s+to\s+(?P<change>.+?)\W*$", re.I
)
_TURN = re.compile(
    rf"{_PLEASE}(?P<verb>pause|resume|unpause|restart)\s+(?P<name>.+?)"
    r"(?:\s+(?:until|till)\s+(?P<until>.+?))?(?:,?\s+because\s+(?P<note>.+?))?[.!?\s]*$",
    re.I,
)
_SKIP = re.compile(
    rf"{_PLEASE}skip\s+(?:(?P<one>the\s+next\s+(?:one|run|time))|(?:the\s+next\s+(?:run|time|slot)"
    r"\s+of|(?P<day>today|tomorrow)['’]?s?|the\s+next)\s+(?P<name>.+?))(?:,?\s+because\s+(?P<note>.+?))?[.!?\s]*$",
    re.I,
)
_UNSKIP = re.compile(
    rf"{_PLEASE}(?:(?:do\s+not|don['’]t)\s+skip|unskip"
    r"|(?:undo|take\s+back)\s+(?:the|(?P<every>all))\s+(?:skips?\s+(?:of|for)|skipped\s+\w+\s+of))\s+"
    r"(?:(?P<all>(?:all|any)(?:\s+(?:runs?|times?|slots?))?(?:\s+of)?)\s+"
    r"|the\s+next\s+(?:run|time|slot)\s+of\s+"
    rf"|(?P<day>today|tomorrow|{'|'.join(DAYS)})(?:['’]s?)?\s+(?:(?:run|time|slot)\s+of\s+)?)?"
    r"(?P<name>.+?)(?:,?\s+after\s+all)?[.!?\s]*$",
    re.I,
)
_ONE: Final = frozenset(
    {"run", "one", "time", "slot", "the next one", "the next run", "the next time"}
)
_WHY = re.compile(
    r"^\W*(?:why\s+)?(?:did|has|was)(?:n['’]t)?\s+(?P<name>.+?)\s+(?:not\s+)?"
    r"(?:run|fire|fired|start)(?:\s+(?P<moment>.+?))?[\s?.!]*$",
    re.I,
)
_MISSED = r"(?:the\s+|all\s+|its\s+)*missed\s+(?:slots?|runs?|times?)\s+of"
_BACKFILL = re.compile(
    rf"{_PLEASE}(?:(?:backfill|make up for|catch up on)(?:\s+{_MISSED})?|re-?run\s+{_MISSED}"
    rf"|run\s+{_MISSED})\s+(?P<name>.+?)"
    r"(?:\s+(?:of|for|from|between|since)\s+(?P<moment>.+?)"
    r"(?:\s+(?:to|until|till|and)\s+(?P<end>.+?))?)?[.!?\s]*$",
    re.I,
)
_ROLL_BACK = re.compile(
    rf"{_PLEASE}(?:roll\s*back|revert|roll\s+(?P<between>.+?)\s+back)(?:\s+(?P<name>.+?))??"
    r"(?:\s+to\s+(?:(?:the\s+)?(?:version\s+before|previous\s+version)"
    r"|(?:version|revision)\s+(?P<version>\d+)))?[.!?\s]*$",
    re.I,
)
_DELETE = re.compile(rf"{_PLEASE}delete\s+(?P<name>.+?)[.!?\s]*$", re.I)
_INBOX = re.compile(
    rf"{_PLEASE}(?:what(?:['’]s|\s+is|\s+has)?\s+(?:came\s+in|come\s+in|arrived|new\s+in\s+my\s+inbox)"
    r"|(?:show|list)\s+(?:me\s+)?my\s+inbox|what(?:['’]s|\s+is)\s+(?P<unread>unread))"
    r"(?:\s+(?P<span>today|yesterday|this\s+week))?[?.!\s]*$",
    re.I,
)
_FAILURES = re.compile(
    rf"{_PLEASE}(?:what(?:['’]s|\s+has|\s+have)?\s+failed|(?:did|has)\s+(?:anything|something)\s+fail(?:ed)?"
    r"|(?:which|what)\s+(?:runs?|automations?)\s+(?:have\s+|has\s+)?failed)"
    r"(?:\s+(?P<span>today|yesterday|this\s+week))?[?.!\s]*$",
    re.I,
)
_WHY_THIS = re.compile(
    r"^\W*(?:why\s+did\s+i\s+get|where\s+does)\s+(?P<name>.+?)(?:\s+come\s+from)?[?.!\s]*$", re.I
)
_THIS: Final = frozenset({"this", "that", "it"})
# What a sentence has in place of an automation's name.
_PRONOUN: Final = frozenset({"it", "them", "that", "this", "the result", "the results"})
_DELIVER = re.compile(
    rf"{_PLEASE}(?:(?:do\s+not|don['’]t|stop|no\s+longer)\s+)?"
    r"(?:send(?:ing)?|post(?:ing)?|deliver(?:ing)?|e-?mail(?:ing)?|mail(?:ing)?|put(?:ting)?)\s+"
    r"(?:(?:me|us)\s+)?(?P<name>.+?)(?P<rest>(?:\s+(?:to|in|into|on|by|via|here|too|also|as\s+well"
    r"|instead|any\s?more|only|nowhere)\b.*)?)$",
    re.I,
)
_ONLY_WHEN = re.compile(
    rf"{_PLEASE}(?:(?:tell|send|notify|mail|e-?mail)\s+(?:me|us)\s+|let\s+me\s+know\s+)"
    r"(?:(?:of|about)\s+(?P<name>.+?)\s+)?only\s+(?:when|if)\s+.+$",
    re.I,
)
_OF_IT = re.compile(r"\b(?:of|about)\s+it\s+")
WHICH_ONE: Final = "Which automation do you mean?"
WHEN_WAS_IT: Final = "When should it have run?"
UNTIL_WHEN: Final = "Until when should it be paused?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementCall:
    """One call, or the question that comes before it."""

    tool: str = ""
    arguments: dict[str, Any]
    question: str = ""


def parse_management_call(
    text: str, tools: Collection[str], now: datetime, last: str = ""
) -> ManagementCall | None:
    """Returns None when the text asks for something else, or the tool is not offered.

    `now` is on the person's clock. `last` is the name of the automation that "it" means.
    """
    for found in (
        _list_call(text),
        _list_destinations_call(text),
        _update_call(text),
        _delivery_call(text, last),
        _pause_or_resume_call(text, now),
        _skip_call(text, now),
        _unskip_call(text, now),
        _explain_call(text, now),
        _backfill_call(text, now),
        _roll_back_call(text),
        _delete_call(text),
        _inbox_call(text, now),
        _explain_result_call(text),
    ):
        if found is not None and found.tool in tools:
            return found
    return None


def _list_call(text: str) -> ManagementCall | None:
    match parse_schedule(text):
        case Schedule(cron=cron) if cron:  # "list my automations every day at 9"
            return None
    return ManagementCall(tool=LIST_TOOL, arguments={}) if _LIST.search(text) else None


def _list_destinations_call(text: str) -> ManagementCall | None:
    if isinstance(parse_schedule(text), Schedule) or not _LIST_DESTINATIONS.search(text):
        return None
    return ManagementCall(tool=LIST_DESTINATIONS_TOOL, arguments={})


def _update_call(text: str) -> ManagementCall | None:
    found = _CHANGE.search(text)
    if found is None or not _is_time(found["change"]):
        return None
    change = f"Run it {found['change']}."
    return ManagementCall(
        tool=UPDATE_TOOL, arguments={"automation": _name(found["name"]), "change": change}
    )


def _delivery_call(text: str, last: str) -> ManagementCall | None:
    """Returns the change of where an automation delivers, or when it does."""
    if isinstance(parse_schedule(text), Schedule):
        return None
    found = _DELIVER.search(text) or _ONLY_WHEN.search(text)
    if found is None:
        return None
    named = _name(found["name"] or "it")
    is_last = named.lower() in _PRONOUN
    change = text if is_last else _OF_IT.sub("", text.replace(found["name"], "it", 1))
    if not is_delivery(change):
        return None
    if not (name := last if is_last else named):
        return ManagementCall(tool=UPDATE_TOOL, arguments={}, question=WHICH_ONE)
    return ManagementCall(tool=UPDATE_TOOL, arguments={"automation": name, "change": change})


def _pause_or_resume_call(text: str, now: datetime) -> ManagementCall | None:
    found = _TURN.search(text)
    if found is None:
        return None
    until = parse_coming_moment(found["until"], now) if found["until"] else None
    reading = parse_schedule(text)
    is_work = isinstance(reading, Schedule) and not (found["until"] and reading.is_once)
    if until is None and is_work:
        return None
    arguments = {"automation": _name(found["name"])}
    if found["verb"].lower() != "pause":
        return ManagementCall(tool=RESUME_TOOL, arguments=arguments)
    if found["until"]:
        if until is None:
            return ManagementCall(tool=PAUSE_TOOL, arguments={}, question=UNTIL_WHEN)
        arguments["until"] = until.isoformat()
    if found["note"]:
        arguments["note"] = found["note"]
    return ManagementCall(tool=PAUSE_TOOL, arguments=arguments)


def _skip_call(text: str, now: datetime) -> ManagementCall | None:
    found = _SKIP.search(text)
    if found is None or isinstance(parse_schedule(text), Schedule):
        return None
    arguments = {"automation": "it" if found["one"] else _name(found["name"])}
    if found["day"]:
        days = int(found["day"].lower() == "tomorrow")
        arguments["day"] = (now.date() + timedelta(days=days)).isoformat()
    if found["note"]:
        arguments["note"] = found["note"]
    return ManagementCall(tool=SKIP_TOOL, arguments=arguments)


def _unskip_call(text: str, now: datetime) -> ManagementCall | None:
    found = _UNSKIP.search(text)
    if found is None or _recurs(text):
        return None
    name = _name(found["name"])
    arguments = {"automation": "it" if name.lower() in _ONE else name}
    if found["day"]:
        arguments["day"] = _coming_day(found["day"], now)
    elif found["all"] or found["every"]:
        arguments["day"] = "all"
    return ManagementCall(tool=UNSKIP_TOOL, arguments=arguments)


def _coming_day(word: str, now: datetime) -> str:
    """Returns the date of `today`, or of the next day that a word names."""
    coming = parse_coming_moment(word, now)
    return (coming or now).date().isoformat()


def _explain_call(text: str, now: datetime) -> ManagementCall | None:
    found = _WHY.search(text)
    if found is None:
        return None
    moment = parse_moment(found["moment"] or "", now)
    if moment is None:
        return ManagementCall(tool=EXPLAIN_TOOL, arguments={}, question=WHEN_WAS_IT)
    arguments = {"automation": _name(found["name"]), "moment": moment.time.isoformat()}
    if moment.zone:
        arguments["time_zone"] = moment.zone
    return ManagementCall(tool=EXPLAIN_TOOL, arguments=arguments)


def _backfill_call(text: str, now: datetime) -> ManagementCall | None:
    found = _BACKFILL.search(text)
    if found is None or _recurs(text):
        return None
    start = parse_moment(found["moment"], now) if found["moment"] else None
    said = found["end"]
    end = (parse_moment(said, now) or parse_moment(f"at {said}", now)) if said else None
    if start is None or (said and end is None):
        return ManagementCall(tool=BACKFILL_TOOL, arguments={}, question=WHEN_WAS_IT)
    arguments = {"automation": _name(found["name"]), "start": start.time.isoformat()}
    if end is not None:
        last = end.time
        if not names_day(said):  # the day of the start, or the one after
            last = datetime.combine(start.time.date(), last.time(), start.time.tzinfo)
            last += timedelta(days=int(last < start.time))
        arguments["end"] = last.isoformat()
    return ManagementCall(tool=BACKFILL_TOOL, arguments=arguments)


def _roll_back_call(text: str) -> ManagementCall | None:
    found = _ROLL_BACK.search(text)
    if found is None or isinstance(parse_schedule(text), Schedule):
        return None
    name = found["between"] or found["name"] or "it"
    version = {"version": found["version"]} if found["version"] else {}
    return ManagementCall(tool=ROLL_BACK_TOOL, arguments={"automation": _name(name), **version})


def _delete_call(text: str) -> ManagementCall | None:
    found = _DELETE.search(text)
    if found is None or isinstance(parse_schedule(text), Schedule):
        return None
    return ManagementCall(tool=DELETE_TOOL, arguments={"automation": _name(found["name"])})


def is_about_failures(text: str) -> bool:
    """Returns whether a sentence asks which runs failed."""
    return bool(_FAILURES.search(text))


def _inbox_call(text: str, now: datetime) -> ManagementCall | None:
    found = _INBOX.search(text) or _FAILURES.search(text)
    if found is None:
        return None
    arguments = {"state": "unread"} if found.groupdict().get("unread") else {}
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match " ".join((found["span"] or "").casefold().split()):
        case "today":
            arguments["start"] = today.isoformat()
        case "yesterday":
            arguments["start"] = (today - timedelta(days=1)).isoformat()
            arguments["end"] = today.isoformat()
        case "this week":
            arguments["start"] = (today - timedelta(days=today.weekday())).isoformat()
    return ManagementCall(tool=INBOX_TOOL, arguments=arguments)


def _explain_result_call(text: str) -> ManagementCall | None:
    found = _WHY_THIS.search(text)
    if found is None:
        return None
    name = _name(found["name"])
    meant = {} if name.casefold() in _THIS else {"result": name}
    return ManagementCall(tool=EXPLAIN_RESULT_TOOL, arguments=meant)


def _recurs(text: str) -> bool:
    reading = parse_schedule(text)
    return isinstance(reading, Schedule) and not reading.is_once


def _is_time(text: str) -> bool:
    """True if the text names a time and nothing else."""
    match parse_schedule(text):
        case Schedule(task=task):
            return not task
        case ScheduleRefusal():
            return True
    return False


def _name(text: str) -> str:
    return text.strip(" “”\"'’")
