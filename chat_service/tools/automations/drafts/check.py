"""Every fault of a draft at once, each with what mends it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pydantic import ValidationError

from shared.definition.envelope import AutomationCreate
from shared.errors import FieldReason
from shared.json import json_schema
from shared.json.json_path import join_path
from shared.registries.catalogue import Catalogue
from shared.registries.catalogue_form import NoForm, dump_catalogue, load_catalogue
from shared.sandbox.failure import JobFailed
from shared.schedule.config import ScheduleTriggerConfig
from shared.validation import never_fires
from shared.validation.check import TRIGGERS, check
from shared.validation.violations import TOO_LONG, Violation

if TYPE_CHECKING:  # a sandbox's process imports this module, and needs no service around it
    from shared.validation.check_runner import CheckRunner

_REQUIRED: Final = re.compile(r"'(\w+)' is a required property")
# by the reason of a fault
_REMEDIES: Final[Mapping[FieldReason, str]] = {
    FieldReason.REQUIRED: "add it",
    FieldReason.UNKNOWN_FIELD: "leave it out",
    FieldReason.UNKNOWN_TRIGGER: "use a trigger that is listed",
    FieldReason.UNKNOWN_ACTION: "use an action that is listed",
    FieldReason.UNKNOWN_TOOL: "use a tool that is listed, or leave it out",
    FieldReason.DUPLICATE_ID: "give it an id of its own",
    FieldReason.SHADOWED_NAME: "give it a name of its own",
    FieldReason.PLACEHOLDER: "write the value, or say in `issues` that it is missing",
    FieldReason.NOT_CANONICAL: "write a plain JSON value",
    FieldReason.INVISIBLE_CHARACTER: "write it without that character",
    FieldReason.TOO_LARGE: "make it shorter",
    FieldReason.INVALID_INPUT: "change `static_inputs` or `inputs.schema`",
    FieldReason.INVALID_SCHEMA: "write a valid JSON Schema of an object",
    FieldReason.UNPRICED_MODEL: "name a model with a price, or say in `issues` that no budget "
    "can be kept",
    FieldReason.NEVER_FIRES: "change the time",
}
_NO_TRIGGER: Final = "has no trigger, so it would never run"
_DESTINATION: Final = re.compile(r"\.config\.to\[\d+\]$")
_NAME_PLACE: Final = (
    "use a place that is listed; in place of one that is not there write `thread`, and say in "
    "`issues` which is missing"
)
_ADD_TRIGGER: Final = (
    'add one, such as {"trigger_id": "…", "type": "schedule", "config": {"cron": "…", '
    '"timezone": "…"}}, or say in `issues` that the time is missing'
)


def find_faults(
    draft: Mapping[str, Any],
    schema: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    needs_trigger: bool,
    now: datetime | None = None,
) -> list[Violation]:
    """Returns the faults of a draft against its schema and the catalogue, by field.

    With `now` it is a new automation, whose schedules have to fire after it.
    """
    found = check(draft, catalogue)
    if needs_trigger and not has_trigger(draft):
        found = [Violation(TRIGGERS, FieldReason.NO_TRIGGER, _NO_TRIGGER), *found]
    if now is not None:
        found += _never(draft, now)
    for fault in _by_schema(schema, draft):
        if not any(_is_said(fault.field, one.field) for one in found):
            found.append(fault)
    return found


class DraftJob(TypedDict):
    """The arguments of `find_faults` as JSON."""

    draft: Mapping[str, Any]
    schema: Mapping[str, Any]
    catalogue: Mapping[str, Any]
    needs_trigger: bool
    now: str | None


def check_draft(job: DraftJob) -> list[list[str]]:
    """Returns the field, the reason and the message of each fault of a draft."""
    found = find_faults(
        job["draft"],
        job["schema"],
        load_catalogue(job["catalogue"]),
        needs_trigger=job["needs_trigger"],
        now=None if job["now"] is None else datetime.fromisoformat(job["now"]),
    )
    return [[one.field, one.reason, one.message] for one in found]


async def find_draft_faults(
    checks: "CheckRunner",
    draft: Mapping[str, Any],
    schema: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    needs_trigger: bool,
    now: datetime | None,
    workspace: str,
) -> list[Violation]:
    """Returns what `find_faults` does, without holding the loop. Raises ServiceUnavailable."""
    try:
        form = dump_catalogue(catalogue)
    except NoForm:
        return find_faults(draft, schema, catalogue, needs_trigger=needs_trigger, now=now)
    job: DraftJob = {
        "draft": draft,
        "schema": schema,
        "catalogue": form,
        "needs_trigger": needs_trigger,
        "now": None if now is None else now.isoformat(),
    }
    try:
        found = await checks.do(check_draft, job, workspace=workspace)
    except JobFailed:
        return [Violation("definition", FieldReason.TOO_LARGE, TOO_LONG)]
    return [Violation(at, FieldReason(reason), said) for at, reason, said in found]


def format_faults(found: Sequence[Violation]) -> Iterator[tuple[str, str]]:
    """Yields the field of each fault, and what is wrong with what mends it."""
    for one in found:
        remedy = _find_remedy(one)
        yield one.field, f"{one.message}; {remedy}" if remedy else one.message


def _find_remedy(fault: Violation) -> str:
    if _DESTINATION.search(fault.field):
        return _NAME_PLACE
    if fault.reason == FieldReason.NO_TRIGGER:
        return _ADD_TRIGGER
    return _REMEDIES.get(fault.reason, "")


def has_trigger(draft: Mapping[str, Any]) -> bool:
    definition = draft.get("definition")
    return isinstance(definition, Mapping) and bool(definition.get("triggers"))


def _never(draft: Mapping[str, Any], now: datetime) -> list[Violation]:
    try:
        definition = AutomationCreate.model_validate(dict(draft)).definition
    except ValidationError:
        return []
    valid = {one.trigger_id: 0 for one in definition.triggers if _is_schedule(one.config)}
    return list(never_fires.find_violations(definition, now, valid))


def _is_schedule(config: Mapping[str, Any]) -> bool:
    try:
        ScheduleTriggerConfig.model_validate(config)
    except ValidationError:
        return False
    return True


def _by_schema(schema: Mapping[str, Any], draft: Mapping[str, Any]) -> Iterator[Violation]:
    for path, message in json_schema.find_faults(schema, draft):
        if required := _REQUIRED.match(message):
            yield Violation(join_path(path, [required[1]]), FieldReason.REQUIRED, "is required")
        else:
            yield Violation(path, FieldReason.INVALID, message)


def _is_said(field: str, by: str) -> bool:
    """Returns whether a fault at `by` is the same one, or one of a part or of the whole."""
    return field == by or _within(by, field) or _within(field, by)


def _within(field: str, whole: str) -> bool:
    return field.startswith((f"{whole}.", f"{whole}[")) or not whole
