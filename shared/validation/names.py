"""The names that the templates of a step may use, and what is wrong with one that they use."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from shared.definition.execution import PlanStep
from shared.definition.states import StepStatus, TriggerType
from shared.registries.actions.types import ActionDefinition
from shared.templates.faults import describe_kind, find_near, write_path
from shared.templates.fields import FieldSchema
from shared.templates.sizes import METHOD_SIZES
from shared.templates.source import Comparison, Part, TemplateReferences, Use
from shared.validation.inputs import RUNTIME_INPUTS, collect_names

# A name is a mapping of its members, or the schema of what it holds.
Names = Mapping[str, Any]

_TEXT: Final = FieldSchema({"type": "string"})
_NUMBER: Final = FieldSchema({"type": "number"})
_TEXT_OR_NOTHING: Final = FieldSchema({"type": ["string", "null"]})
_ANY: Final = FieldSchema({})
_ERROR: Final = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "reason": {"type": "string"},
        "message": {"type": "string"},
        "metadata": {"type": "object"},
    },
    "additionalProperties": False,
}
# A step runs while no other one of its run begins.
_STATES: Final = frozenset(status.name for status in StepStatus) - {StepStatus.RUNNING.name}
_STATUS: Final = FieldSchema({"type": "string", "enum": sorted(_STATES)})
_STEP: Final[Names] = {
    "status": _STATUS,
    "error": FieldSchema(_ERROR),
    "attempts": _NUMBER,
    "started_at": _TEXT,
    "finished_at": _TEXT_OR_NOTHING,
}
_NAME: Final = FieldSchema({"type": ["string", "null"], "format": "name"})
_TIME: Final = FieldSchema({"type": ["string", "null"], "format": "time"})
_RUN: Final[Names] = {
    "id": _NAME,
    "name": _NAME,
    "slot_time": _TEXT,
    "local_date": _TEXT,
    "local_time": _TIME,
    "time_zone": _NAME,
}
_PREVIOUS: Final[Names] = {
    "run": _NAME,
    "slot_time": _TEXT_OR_NOTHING,
    "local_date": _TEXT_OR_NOTHING,
    "local_time": _TIME,
}
_FIRED: Final[Names] = {
    "trigger_id": _NAME,
    "type": _NAME,
    **dict.fromkeys(("fired_at", "scheduled_for", "last_fired_at"), _TEXT_OR_NOTHING),
}
# Formats of texts of which no date is made.
_NO_DATES: Final[Mapping[str, str]] = {
    "time": "a time",
    "duration": "a duration",
    "name": "a name",
    "uuid": "a UUID",
    "uri": "an address",
    "email": "an address",
    "hostname": "an address",
}
# The types of JSON Schema that `<` and `>` compare with each other.
_ORDERED: Final = (frozenset({"boolean", "integer", "number"}), frozenset({"string"}))
_END_ERROR: Final[Names] = {
    "step_id": _TEXT,
    "code": _NUMBER,
    "reason": _TEXT,
    "message": _TEXT,
    "metadata": _ANY,
}
# Words of other languages.
_COUNTERPARTS: Final[Mapping[Part, str]] = {
    **dict.fromkeys(("null", "NULL", "Null", "nil", "undefined", "NONE"), "none"),
    "TRUE": "true",
    "FALSE": "false",
    "NOT": "not",
}
_MAPPING_METHODS: Final = frozenset({"copy", "get", "items", "keys", "values"})
_TEXT_METHODS: Final = frozenset(METHOD_SIZES) | {"format", "format_map"}
_KINDS: Final[Mapping[str, str]] = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a number",
    "null": "nothing",
    "object": "an object",
    "number": "a number",
    "string": "a text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a step may name. `error` exists only after a failure."""

    # No output may be called so. `previous` is not among them: definitions with such an output
    # are older than that name.
    ROOTS: ClassVar[frozenset[str]] = frozenset({"inputs", "steps", "run", "trigger", "error"})

    names: Names
    steps: Names = field(default_factory=dict)
    ids: frozenset[str] = frozenset()  # of those steps, without second names
    # Of the whole definition: the ids with a hyphen, and the names of all steps.
    hyphenated: frozenset[str] = frozenset()
    every: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        schema: dict[str, Any],
        statics: list[Mapping[str, Any]],
        trigger_types: Iterable[str],
        steps: Iterable[PlanStep],
        plan: Iterable[tuple[PlanStep, ActionDefinition | None]],
    ) -> "Scope":
        """`steps` are all of a definition, `plan` those that run while nothing fails."""
        each = list(steps)
        scheduled = set(trigger_types) <= {TriggerType.SCHEDULE.value}
        names: dict[str, Any] = {
            "inputs": _list_inputs(schema, statics, scheduled=scheduled),
            "run": _RUN,
            "previous": _list_previous(plan),
            "trigger": _FIRED if scheduled else _ANY,
        }
        return cls(
            names=names,
            hyphenated=frozenset(step.step_id for step in each if "-" in step.step_id),
            every=frozenset(name for step in each for name in _names_of(step)),
        )

    def after(self, step: PlanStep, action: ActionDefinition | None) -> "Scope":
        added: dict[str, Any] = {step.step_id: _members_of(step, action)}
        if step.output_as:
            added[step.output_as] = added[step.step_id]["output"]
        return replace(self, steps={**self.steps, **added}, ids=self.ids | {step.step_id})

    def after_a_failure(self) -> "Scope":
        return replace(self, names={**self.names, "error": _END_ERROR})

    def find_faults(self, reading: TemplateReferences) -> Iterator[tuple[int, str]]:
        """Yields each use of a name that can't exist, as its line and what is wrong."""
        told = set()
        known = {**self.names, "steps": self.steps}
        for use in sorted(reading.uses, key=lambda use: (use.line, str(use.parts))):
            problem = self._fault(use, known)
            if problem is not None and problem not in told:
                told.add(problem)
                yield use.line, problem
        for compared in reading.comparisons:
            if (problem := self._state_fault(compared)) is not None:
                yield compared.line, problem

    def find_kind_faults(self, reading: TemplateReferences) -> Iterator[tuple[int, str]]:
        """Yields each value of a known type that a filter or a comparison can't take."""
        for filtered in reading.filters:
            here = self._find(filtered.parts) if filtered.name == "date" else None
            if here is not None and (problem := _date_fault(here, filtered.parts)):
                yield filtered.line, problem
        for ordering in reading.orderings:
            here = self._find(ordering.parts)
            if here is None or isinstance(ordering.literal, list):
                continue
            able = next((kinds for kinds in _ORDERED if kinds & _types_of(ordering.literal)), ())
            if here.types - {"null"} and not here.types & frozenset(able):
                path, other = write_path(list(ordering.parts)), describe_kind(ordering.literal)
                told = f"`{ordering.operator}` can't compare it with {other}"
                yield ordering.line, f"{path} is {_describe_types(here)}; {told}"

    def _find(self, parts: tuple[Part, ...]) -> FieldSchema | None:
        """Returns the schema of a name, if it has one."""
        here: Any = {**self.names, "steps": self.steps} if parts else None
        for part in parts:
            if isinstance(here, Mapping):
                here = here.get(part)
            elif isinstance(here, FieldSchema):
                here = here.item(part) if isinstance(part, int) else here.member(part)
        return here if isinstance(here, FieldSchema) else None

    def _fault(self, use: Use, known: Names) -> str | None:
        if use.parts in (("previous",), ("previous", "steps")):
            return self._bare_previous(use)
        here: Any = known
        for place, part in enumerate(use.parts):
            if isinstance(here, Mapping):
                if part in here:
                    here = here[part]
                    continue
                return self._unknown(use.parts[:place], part, here)
            problem = _member_fault(here, use.parts[:place], part)
            if problem is not None:
                return problem
            here = here.item(part) if isinstance(part, int) else here.member(part)
        if self._is_bare_step(use) or _is_previous_step(use):
            path = write_path(list(use.parts))
            return f"{path} is a step, which is no value; write {path}.output"
        return _method_fault(here, use)

    def _is_bare_step(self, use: Use) -> bool:
        is_step = use.parts[:1] == ("steps",) and use.parts[1:] and use.parts[1] in self.ids
        return bool(is_step) and len(use.parts) == 2 and not use.called and not use.more

    def _bare_previous(self, use: Use) -> str:
        if use.parts == ("previous",):
            return (
                "previous is a run, which is no value; write previous.output, or previous.run "
                "for whether there is one"
            )
        example = next(iter(self.names["previous"]["steps"]), "ID")
        return f"previous.steps is no value; write one step: previous.steps.{example}.output"

    def _unknown_before(self, part: Part, known: Iterable[str]) -> str:
        near, listed = find_near(str(part), known)
        path = write_path(["previous", "steps", part])
        if part in self.every:
            return f"{path} is not the id of a step that a run has if nothing fails; ids: {listed}"
        hint = f" (did you mean {write_path(['previous', 'steps', near])}?)" if near else ""
        return f"{path} does not exist{hint}; ids: {listed}"

    def _unknown(self, parts: tuple[Part, ...], part: Part, known: Iterable[str]) -> str:
        if parts == ("previous", "steps"):
            return self._unknown_before(part, known)
        path = write_path([*parts, part])
        near, listed = find_near(str(part), known, 0.4 if parts else 0.6)
        if parts == ("steps",) and part in self.every:
            return f"{path} is not an earlier step; earlier: {listed}"
        hint = f" (did you mean {write_path([*parts, near])}?)" if near else ""
        if not parts:
            if meant := _COUNTERPARTS.get(part):
                hint = f" (write {meant})"
            return f"{part!r} is not a name here{hint}; names: {listed}"
        if parts == ("steps",):
            return f"{path} is not an earlier step{hint}; earlier: {listed}"
        what = "inputs" if parts == ("inputs",) else f"members of {write_path(list(parts))}"
        return f"{path} does not exist{hint}; {what}: {listed}"

    def _state_fault(self, compared: Comparison) -> str | None:
        parts = compared.parts
        known = self.ids
        if parts[:1] == ("previous",):
            parts, known = parts[1:], frozenset(self.names["previous"]["steps"])
        if len(parts) != 3 or parts[0] != "steps" or parts[2] != "status":
            return None
        if parts[1] not in known or compared.text in _STATES:
            return None
        near = difflib.get_close_matches(compared.text.upper(), sorted(_STATES), n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        states = ", ".join(sorted(_STATES))
        return (
            f"{write_path(list(compared.parts))} is never {compared.text!r}{hint}; states: {states}"
        )


def _is_previous_step(use: Use) -> bool:
    is_step = len(use.parts) == 3 and use.parts[:2] == ("previous", "steps")
    return is_step and not use.called and not use.more


def _list_previous(plan: Iterable[tuple[PlanStep, ActionDefinition | None]]) -> Names:
    """The names of the last run that succeeded: of its steps those that this definition has."""
    steps = {step.step_id: _members_of(step, action) for step, action in plan}
    return {"output": _ANY, **_PREVIOUS, "steps": steps}


def _members_of(step: PlanStep, action: ActionDefinition | None) -> Names:
    output = _ANY
    if action is not None and action.describe_output is not None:
        output = FieldSchema(action.describe_output(step.config))
    return {"output": output, **_STEP}


def _names_of(step: PlanStep) -> Iterator[str]:
    yield step.step_id
    if step.output_as:
        yield step.output_as


def _list_inputs(
    schema: dict[str, Any], statics: list[Mapping[str, Any]], *, scheduled: bool
) -> Names:
    """Every name that `inputs` may have in some run. A schedule gives texts, or nothing."""
    declared = schema.get("properties")
    names: dict[str, Any] = dict.fromkeys(collect_names(schema, statics), _ANY)
    if isinstance(declared, Mapping):
        names |= {name: FieldSchema(below, schema) for name, below in declared.items()}
    return names | dict.fromkeys(RUNTIME_INPUTS, _TEXT_OR_NOTHING) if scheduled else names


def _describe_types(here: FieldSchema) -> str:
    kinds = dict.fromkeys(_KINDS.get(kind, kind) for kind in sorted(here.types - {"null"}))
    return " or ".join(kinds) or "nothing"


def _types_of(literal: Any) -> frozenset[str]:
    if isinstance(literal, str):
        return frozenset({"string"})
    return frozenset({"number"} if isinstance(literal, int | float) else ())


def _date_fault(here: FieldSchema, parts: tuple[Part, ...]) -> str | None:
    """Why no date can be made of a value of a schema, or None when one may be."""
    path = write_path(list(parts))
    if here.types and not here.types & {"string", "null"}:
        return f"{path} is {_describe_types(here)}, which `date` does not take"
    formats = [schema["format"] for schema in here.schemas if "format" in schema]
    words = [_NO_DATES[each] for each in formats if isinstance(each, str) and each in _NO_DATES]
    if not words or len(words) < len(here.schemas):
        return None
    moment = write_path([*parts[:-1], "slot_time"])
    hint = f"; write {moment} | date('%H:%M')" if here is _TIME else ""
    return f"{path} is {words[0]}, which `date` does not take{hint}"


def _member_fault(here: FieldSchema, parts: tuple[Part, ...], part: Part) -> str | None:
    """Why a value of a schema can't have a member, or None when it may."""
    types = here.types
    path = write_path(list(parts))
    able = {"object"} if isinstance(part, str) else {"array", "object", "string"}
    if types and not types & able:
        return f"{path} is {_describe_types(here)}, so {write_path([*parts, part])} does not exist"
    if "object" not in types or not isinstance(part, str):
        return None
    names: set[str] = set()
    for schema in here.schemas:
        kind = schema.get("type")
        if kind != "object" and not (isinstance(kind, list) and "object" in kind):
            continue
        if schema.get("additionalProperties") is not False:
            return None
        names.update(schema.get("properties") or ())
    if part in names:
        return None
    near, listed = find_near(part, names)
    hint = f" (did you mean {write_path([*parts, near])}?)" if near else ""
    return f"{write_path([*parts, part])} does not exist{hint}; members of {path}: {listed}"


def _method_fault(here: Any, use: Use) -> str | None:
    if not use.called:
        return None
    path = write_path(list(use.parts))
    if isinstance(here, Mapping):
        known: frozenset[str] = _MAPPING_METHODS
        kind = "an object"
    elif here.types - {"null"} == {"string"}:
        known, kind = _TEXT_METHODS, "a text"
    else:
        return None
    if use.called in known:
        return None
    near, listed = find_near(use.called, known)
    hint = f" (did you mean {near}()?)" if near else ""
    return f"{path} is {kind}, which has no {use.called}(){hint}; methods: {listed}"
