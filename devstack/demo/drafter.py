"""Intent → the JSON of an AutomationCreate, as a drafter model writes it."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from devstack.demo.delivery import SeveralPlaces, extract_delivery, find_step
from devstack.demo.request import Request, parse_directives, strip_directives
from devstack.demo.schedules.schedule import Schedule
from devstack.demo.schedules.schedule_parser import parse_schedule

_NOW = re.compile(r"Now \(UTC\):\s*(\S+)")
_ZONE = re.compile(r"Person's time zone:\s*([A-Za-z0-9_+/-]+)")
_CORRECTION = re.compile(
    r"violation|not valid|invalid|definition[.\[]|correct(?:ed)? (?:it|the|these)", re.I
)
_CHANGES = re.compile(
    r"\b(?:what(?:['’]s| is| has| was)?|anything|everything|all that(?:['’]s| is| has)?)\s+"
    r"(?:new|changed|different|happened|been added)\b(?:[^.;]|\.\w){0,200}?"
    r"\bsince\s+(?:yesterday|(?:the\s+)?(?:last|previous)\s+(?:time|run|week|day|month|hour)|then)\b",
    re.I,
)
_UNKNOWN = "REPLACE_ME"


def draft(request: Request, now: datetime) -> str:
    """`<<draft=bad>>` in the intent makes the first draft invalid, `<<draft=hopeless>>` all."""
    intent, corrected = _intent(request)
    wanted = parse_directives(intent).get("draft")
    try:
        envelope, issues = _envelope(strip_directives(intent), request.system, now)
    except SeveralPlaces as exc:
        return format_answer(None, [str(exc)])
    if wanted == "hopeless" or (wanted == "bad" and not corrected):
        spoil(envelope["definition"]["triggers"][0]["config"])
    return format_answer(envelope, issues)


def format_answer(draft: dict[str, Any] | None, issues: Sequence[str]) -> str:
    """Returns the answer of a drafter: a draft alone, or with what is missing."""
    answer = {"draft": draft, "issues": list(issues)} if issues or draft is None else draft
    return json.dumps(answer, ensure_ascii=False)


def spoil(config: dict[str, Any]) -> None:
    """Makes a schedule invalid: its cron has six fields, the first of them seconds."""
    cron = config.get("cron", "* * * * *")
    for form in ("at", "every"):
        config.pop(form, None)
    config["cron"] = f"0 {cron}"


def _intent(request: Request) -> tuple[str, bool]:
    """The intent, and whether the last message points out what is wrong with its draft."""
    asked = [message.text for message in request.messages if message.role == "user"]
    for index in range(len(asked) - 1, 0, -1):
        if not _CORRECTION.search(asked[index]):
            return asked[index], index < len(asked) - 1
    return (asked[0] if asked else ""), len(asked) > 1


def _envelope(intent: str, system: str, now: datetime) -> tuple[dict[str, Any], Sequence[str]]:
    wish, intent = extract_delivery(intent)
    deliver, missing = find_step(wish, system)
    when = parse_schedule(intent)
    task = _plain((when.task if isinstance(when, Schedule) else "") or intent or _UNKNOWN)[:1500]
    sentence = f"{task[0].upper()}{task[1:]}"
    name = sentence if len(sentence) <= 60 else f"{sentence[:59].rstrip()}…"
    envelope = {
        "display_name": name,
        "description": f"{sentence}. {describe_schedule(when)}",
        "definition": {
            "name": name,
            "goal": f"{sentence}.",
            "triggers": [
                {
                    "trigger_id": "schedule",
                    "type": "schedule",
                    "config": _config(when, system, now),
                }
            ],
            "plan": [
                {"step_id": "task", "action": "agent_task", "config": _step(sentence, system)},
                *([deliver] if deliver else []),
            ],
            "metadata": {"created_from_nl": True},
        },
    }
    return envelope, missing


def describe_schedule(when: object) -> str:
    if not isinstance(when, Schedule):
        return "When, is not known."
    return f"{when.phrase[0].upper()}{when.phrase[1:]}."


def _config(when: object, system: str, now: datetime) -> dict[str, object]:
    home = _home_zone(system)
    if not isinstance(when, Schedule):
        return {"cron": _UNKNOWN, "timezone": home}
    moment = read_prompt_time(system) or now
    return when.config(moment if moment.tzinfo else moment.replace(tzinfo=UTC), home)


def read_prompt_time(system: str) -> datetime | None:
    """Returns the current time that the prompt names."""
    said = _NOW.search(system)
    return datetime.fromisoformat(said[1]) if said else None


def read_local_time(system: str, now: datetime) -> datetime:
    """Returns the time that the prompt names, or else `now`, on the person's clock."""
    moment = read_prompt_time(system) or now
    return moment.astimezone(ZoneInfo(_home_zone(system)))


def _home_zone(system: str) -> str:
    zone = _ZONE.search(system)
    return zone[1] if zone else "UTC"


def _step(sentence: str, system: str) -> dict[str, Any]:
    config: dict[str, Any] = {"prompt": f"{sentence}."}
    tools = [
        tool
        for tool, wanted in (("fetch_url", "http"), ("now", "time is it"))
        if wanted in sentence and tool in system
    ]
    if _CHANGES.search(sentence):
        config["memory"] = "previous"
    return {**config, "tools": tools} if tools else config


def _plain(text: str) -> str:
    # A prompt is a template; what a person typed is not.
    return text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
