"""An automation and a change of its schedule or its delivery → the changed automation."""

import copy
import json
import re
from datetime import UTC, datetime
from typing import Any

from devstack.demo.delivery import NoSuchPlace, change_steps, extract_delivery
from devstack.demo.drafter import describe_schedule, read_prompt_time, spoil
from devstack.demo.request import Request, parse_directives, strip_directives
from devstack.demo.schedule import Schedule
from devstack.demo.schedule_parser import parse_schedule

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
        new = _change(json.loads(found["json"]), change, request.system, now)
    except NoSuchPlace as exc:
        return json.dumps({"draft": None, "issues": [str(exc)]}, ensure_ascii=False)
    if new is None:
        return json.dumps({"draft": None, "issues": [_ONLY_THAT]})
    if wanted == "hopeless" or (wanted == "bad" and len(asked) == 1):
        spoil(new["definition"]["triggers"][0]["config"])
    return json.dumps(new, ensure_ascii=False)


def _change(
    before: dict[str, Any], change: str, system: str, now: datetime
) -> dict[str, Any] | None:
    new = copy.deepcopy(before)
    wish, change = extract_delivery(change)
    if wish:
        new["definition"]["plan"] = change_steps(new["definition"]["plan"], wish, system)
        if not re.search(r"\w", change):
            return new
    when = parse_schedule(change)
    if not isinstance(when, Schedule) or not new["definition"].get("triggers"):
        return None
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
