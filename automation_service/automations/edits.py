"""Edits of an automation, as functions from JSON to JSON."""

import contextlib
import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from automation_service.automations.lifecycle import Edit
from automation_service.persistence.records import Automation
from shared import errors, resources
from shared.aip import is_whole, require_same, resolve_mask

FIELDS: Final = ("display_name", "description", "definition")
_STATE_CALLS: Final = "PauseAutomation, ResumeAutomation and ArchiveAutomation"
_CALLS: Final = {
    **dict.fromkeys(("state", "resume_time", "pause_note"), _STATE_CALLS),
    "triggers": "CreateTrigger, UpdateTrigger and DeleteTrigger",
}
_IN_TRIGGER: Final = re.compile(r"^automation\.definition\.triggers\[[0-9]+\]")
TRIGGER_FIELDS: Final = ("config", "static_inputs", "enabled")


def update_automation(
    said: Mapping[str, Any], paths: Sequence[str], *, kind: type[Message], state: str = ""
) -> Edit:
    """Replaces the masked fields of a `kind`. Keeps display_name and definition.name equal.

    Raises InvalidRequest for a `state` other than the present one, unless a mask leaves it out.
    """
    present = [name for name in FIELDS if said.get(name)]
    fields = resolve_mask(
        paths,
        allowed=FIELDS,
        present=present,
        prefix="automation",
        kind=kind,
        calls=_CALLS,
    )

    def edit(found: Automation) -> dict[str, Any]:
        if state and is_whole(paths):
            require_same("automation.state", state, found.status.name, by=_STATE_CALLS)
        new = {**_as_said(found), **{name: said.get(name) for name in fields}}
        if new["definition"] is None:
            raise errors.invalid(
                "automation.definition", "is required", errors.FieldReason.REQUIRED
            )
        if "definition" not in fields:
            new["definition"]["name"] = new["display_name"]
        elif "display_name" not in fields:
            new["display_name"] = new["definition"].get("name") or found.name
        return new

    return edit


def add_trigger(spec: Mapping[str, Any]) -> Edit:
    def edit(found: Automation) -> dict[str, Any]:
        new = _as_said(found)
        triggers = new["definition"].setdefault("triggers", [])
        if any(t["trigger_id"] == spec["trigger_id"] for t in triggers):
            raise errors.ResourceExists(found.trigger_name(spec["trigger_id"]))
        triggers.append(dict(spec))
        return new

    return edit


def update_trigger(
    name: str, said: Mapping[str, Any], paths: Sequence[str], *, kind: type[Message]
) -> Edit:
    """Replaces the masked fields of a `kind`. Raises InvalidRequest for another type, unless a mask
    leaves it out."""
    present = [field for field in TRIGGER_FIELDS if field in said]
    fields = resolve_mask(
        paths,
        allowed=TRIGGER_FIELDS,
        present=present,
        prefix="trigger",
        kind=kind,
        calls={"skipped_slots": "SkipNextSlot"},
    )

    def edit(found: Automation) -> dict[str, Any]:
        new = _as_said(found)
        spec = find_trigger_spec(new["definition"], name)
        if said.get("type") and is_whole(paths):
            require_same("trigger.type", said["type"], spec["type"])
        for field in fields:
            if field in said:
                spec[field] = said[field]
            else:
                spec.pop(field, None)
        return new

    return edit


def remove_trigger(name: str) -> Edit:
    def edit(found: Automation) -> dict[str, Any]:
        new = _as_said(found)
        gone = find_trigger_spec(new["definition"], name)
        new["definition"]["triggers"].remove(gone)
        return new

    return edit


@contextlib.contextmanager
def use_trigger_paths() -> Iterator[None]:
    """Translates field paths of violations to those of a trigger RPC."""
    try:
        yield
    except errors.InvalidRequest as refusal:
        raise errors.InvalidRequest(
            [
                dataclasses.replace(v, field=_IN_TRIGGER.sub("trigger", v.field))
                for v in refusal.violations
            ],
            more=refusal.more_violations,
        ) from refusal


def find_trigger_spec(definition: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Finds the trigger that has a resource name. Raises ResourceNotFound."""
    trigger_id = resources.TRIGGER.parse(name)["trigger"]
    for spec in definition.get("triggers", []):
        if spec["trigger_id"] == trigger_id:
            found: dict[str, Any] = spec
            return found
    raise errors.ResourceNotFound(name)


def _as_said(found: Automation) -> dict[str, Any]:
    return {
        "display_name": found.name,
        "description": found.description,
        "definition": copy.deepcopy(found.definition),
    }
