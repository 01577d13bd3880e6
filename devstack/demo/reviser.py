"""An automation and a change of its schedule or its delivery → the changed automation."""

import copy
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from devstack.demo.delivery import SeveralPlaces, change_steps, extract_delivery
from devstack.demo.drafter import describe_schedule, format_answer, read_prompt_time, spoil
from devstack.demo.request import Request, parse_directives, strip_directives
from devstack.demo.schedules.schedule import Schedule
from devstack.demo.schedules.schedule_parser import parse_schedule

_ASKED = re.compile(r"^The automation as it is:\n(?P<json>.*)\n\nThe change: (?P<change>.*)$", re.S)
_FIXED_TIME = re.compile(r"^\d+ \d+ ")
_TIME = re.compile(r"\b\d{1,2}:\d\d\b")
# What one form of a schedule has, and what only a schedule of several times has.
_FORM = ("cron", "at", "every", "day_match", "on_gap", "on_fold")
_OF_SEVERAL = {"start_time", "end_time", "max_fires", "excluded_dates"}
_ONLY_THAT = "The offline demo model can only change when an automation runs and where it delivers."


def revise(request: Request, now: datetime) -> str | None:
    """Returns None when the request asks for a new automation."""
    asked = [message.text for message in request.messages if message.role == "user"]
    found = _ASKED.match(asked[0]) if asked else None
    if found is None:
        return None
    wanted = parse_directives(found["change"]).get("draft")
    change = re.sub(r"^Run it ", "", strip_directives(found["change"]))
    try:
        before = json.loads(found["json"])
        new, missing = _change(before, change, request.system, now)
    except SeveralPlaces as exc:
        return format_answer(None, [str(exc)])
    if new is None or (missing and new == before):
        return format_answer(None, missing or [_ONLY_THAT])
    if wanted == "hopeless" or (wanted == "bad" and len(asked) == 1):
        spoil(new["definition"]["triggers"][0]["config"])
    return format_answer(new, missing)


def _change(
    before: dict[str, Any], change: str, system: str, now: datetime
) -> tuple[dict[str, Any] | None, Sequence[str]]:
    """Returns the changed automation, None if the change is not read, and what is not there."""
    new = copy.deepcopy(before)
    wish, change = extract_delivery(change)
    missing: Sequence[str] = ()
    if wish:
        plan, missing = change_steps(new["definition"]["plan"], wish, system)
        new["definition"]["plan"] = plan
        if not re.search(r"\w", change):
            return new, missing
    when = parse_schedule(change)
    if not isinstance(when, Schedule) or not new["definition"].get("triggers"):
        return None, missing
    return _move(new, when, system, now), missing


def _move(new: dict[str, Any], when: Schedule, system: str, now: datetime) -> dict[str, Any]:
    """Returns the automation with its first schedule as it is to be."""
    config = new["definition"]["triggers"][0]["config"]
    is_clock = when.clock and when.is_once and not when.day
    moved = is_clock and _FIXED_TIME.match(config.get("cron", ""))
    if moved and when.clock is not None:
        days = config["cron"].split(" ", 2)[2]
        config |= {"cron": f"{when.clock.minute} {when.clock.hour} {days}"}
        config |= {"timezone": when.zone or config["timezone"]}
        new["description"] = _TIME.sub(f"{when.clock:%H:%M}", new.get("description", ""))
        return new
    moment = read_prompt_time(system) or now
    fresh = when.config(moment if moment.tzinfo else moment.replace(tzinfo=UTC), config["timezone"])
    lost = set(_FORM)
    if when.is_once or "at" in config or config.get("max_fires") == 1:
        lost |= _OF_SEVERAL
    kept = {key: value for key, value in config.items() if key not in lost}
    new["definition"]["triggers"][0]["config"] = {**kept, **fresh}
    new["description"] = f"{new['display_name']}. {describe_schedule(when)}"
    return new
