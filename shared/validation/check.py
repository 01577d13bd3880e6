"""A definition against the registries → what is wrong with it, field by field."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from shared import resources
from shared.definition.envelope import (
    MAX_PLAN_STEPS,
    AutomationCreate,
    AutomationDefinition,
    TriggerSpec,
    dump,
)
from shared.definition.execution import PlanStep
from shared.definition.states import TriggerType
from shared.definition.step_paths import ON_FAILURE, PLAN, list_steps
from shared.errors import FieldReason
from shared.json import json_schema
from shared.json.canonical_json import NotCanonical, canonical_bytes, normalise
from shared.json.json_path import join_path
from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.catalogue import Catalogue
from shared.templates.marks import is_template
from shared.text.invisible_characters import name_fault, text_fault
from shared.validation.inputs import check_static
from shared.validation.names import Scope
from shared.validation.templates import check_step, find_excess, list_templates
from shared.validation.violations import Violation, from_faults, from_pydantic

MAX_BYTES = 256 * 1024
MAX_VALUES = 20_000
# In the units of json_schema: of one value that is read, and so many characters for one unit.
_VALUE_COST = 32
_TEXT_COST = 32
# of one character of a text that is not ASCII, where what nobody sees is looked for
_OTHER_COST = 2
PLACEHOLDER = "REPLACE_ME"
TRIGGERS = "definition.triggers"
SCHEMA = "definition.inputs.schema"
BUDGET = "definition.execution.budget_cap_usd"


def check(
    create: AutomationCreate | AutomationDefinition | Mapping[str, Any], catalogue: Catalogue
) -> list[Violation]:
    """Every fault found; none when the definition may be saved.

    Never raises for what is in `create`. A mapping is read as an AutomationCreate; paths
    start at `definition`, also for a bare AutomationDefinition. Faults of shape hide those
    that only a well-shaped definition can have, but for those of single triggers and steps.
    All its schemas are checked and applied within one MAX_COST of `shared.json.json_schema`. One
    that is far too large is not read.
    """
    if excess := _find_excess(create):
        return [excess]
    with json_schema.shared_cost():
        return _check(create, catalogue)


def _find_excess(create: object) -> Violation | None:
    """What is too much of a definition to be read. Looks at no more than may be."""
    values, characters, others = 0, 0, 0
    left: list[Any] = [create]
    while left:
        match left.pop():
            case str() as text:
                characters += len(text)
                others += 0 if text.isascii() else len(text)
            case Mapping() as members:
                values += len(members)
                if values <= MAX_VALUES:
                    left.extend(members)
                    left.extend(members.values())
            case list() | tuple() as items:
                values += len(items)
                if values <= MAX_VALUES:
                    left.extend(items)
        if values > MAX_VALUES:
            return Violation(
                "definition", FieldReason.TOO_LARGE, f"it has more than {MAX_VALUES} values"
            )
        if characters > MAX_BYTES:
            return Violation(
                "definition", FieldReason.TOO_LARGE, f"it is longer than {MAX_BYTES} bytes"
            )
    json_schema.spend_quick(_VALUE_COST * values + characters // _TEXT_COST + _OTHER_COST * others)
    return None


def _check(
    create: AutomationCreate | AutomationDefinition | Mapping[str, Any], catalogue: Catalogue
) -> list[Violation]:
    parsed = _parse(create)
    if isinstance(parsed, list):
        return [*parsed, *_of_parts(create, catalogue, parsed)]
    definition = parsed.definition
    found = [
        *_size(definition),
        *_strings(dump(parsed), ""),
        *_unique_ids(definition),
        *_inputs_schema(definition),
        *_triggers(definition, catalogue),
        *_steps(definition, catalogue),
        *_budget(definition, catalogue),
        *_outputs(definition, catalogue),
    ]
    told = {one.field for one in found}
    # What its field refuses, such as a text that is too long, is told once.
    return [
        *found,
        *(
            one
            for one in _templates(definition, catalogue)
            if one.reason != FieldReason.INVALID_TEMPLATE or one.field not in told
        ),
    ]


def _parse(
    create: AutomationCreate | AutomationDefinition | Mapping[str, Any],
) -> AutomationCreate | list[Violation]:
    raw: Any = create
    if isinstance(create, AutomationDefinition):
        raw = {"definition": create}
    elif isinstance(create, AutomationCreate):
        raw = {**dict(create)}
    try:
        return AutomationCreate.model_validate(_plain(raw))
    except NotCanonical as exc:
        return [Violation(exc.path, FieldReason.NOT_CANONICAL, exc.problem)]
    except ValidationError as exc:
        found = list(_name_once(from_pydantic(exc, "", AutomationCreate), raw))
        if isinstance(create, AutomationDefinition):
            return [
                replace(v, field="definition.name") if v.field == "display_name" else v
                for v in found
            ]
        return found


def _name_once(found: Iterable[Violation], raw: Any) -> Iterator[Violation]:
    """The faults of the one name at the field that has it, `display_name` if both have."""
    given = isinstance(raw, Mapping) and raw.get("display_name")
    unsaid = "definition.name" if given else "display_name"
    faults = list(found)
    both = {"definition.name", "display_name"} <= {fault.field for fault in faults}
    yield from (fault for fault in faults if not both or fault.field != unsaid)


def _of_parts(
    create: object, catalogue: Catalogue, found: Sequence[Violation]
) -> Iterator[Violation]:
    """Faults of the triggers and steps of a definition that is not well-shaped."""
    raw = create.get("definition") if isinstance(create, Mapping) else None
    if not isinstance(raw, Mapping):
        return
    execution = raw.get("execution")
    failing = execution.get("on_failure") if isinstance(execution, Mapping) else None
    told = {one.field for one in found}
    parts = [
        *(_trigger(TriggerSpec.model_construct(**one), path, catalogue)
          for path, one in _typed(raw.get("triggers"), TRIGGERS, "type")),
        *(_step(PlanStep.model_construct(**one), path, catalogue)
          for base, steps in ((PLAN, raw.get("plan")), (ON_FAILURE, failing))
          for path, one in _typed(steps, base, "action")),
    ]  # fmt: skip
    yield from (fault for part in parts for fault in part if fault.field not in told)


def _typed(items: Any, base: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part that has a type and a config, with its path."""
    for i, item in enumerate(items[:MAX_PLAN_STEPS] if isinstance(items, list) else ()):
        named = item.get(key) if isinstance(item, Mapping) else None
        config = item.get("config", {}) if isinstance(item, Mapping) else None
        if isinstance(named, str) and isinstance(config, Mapping):
            with suppress(NotCanonical):
                yield f"{base}[{i}]", {key: named, "config": normalise(dict(config))}


def read_plain(create: Mapping[str, Any]) -> Any:
    """The same as JSON. Raises NotCanonical."""
    return _plain(create)


def _plain(raw: Any) -> Any:
    # instances may have been built past their validators, so they are read anew
    if isinstance(raw, Mapping):
        raw = {k: dump(v) if isinstance(v, BaseModel) else v for k, v in raw.items()}
    return normalise(raw)


def _size(definition: AutomationDefinition) -> Iterator[Violation]:
    size = len(canonical_bytes(dump(definition)))
    if size > MAX_BYTES:
        yield Violation("definition", FieldReason.TOO_LARGE, f"{size} bytes; at most {MAX_BYTES}")


def _strings(value: Any, path: str) -> Iterator[Violation]:
    """Faults of texts and keys, wherever they are."""
    match value:
        case str():
            yield from _string(value, path)
        case dict():
            for key, item in value.items():
                here = join_path(path, [key])
                yield from _string(key, here)
                yield from _strings(item, here)
        case list():
            for i, item in enumerate(value):
                yield from _strings(item, f"{path}[{i}]")


def _string(text: str, path: str) -> Iterator[Violation]:
    if PLACEHOLDER in text:
        yield Violation(path, FieldReason.PLACEHOLDER, f"{PLACEHOLDER} is still to be filled in")
    if path == "definition.name":
        return  # the display_name is the same value
    if fault := (name_fault if path == "display_name" else text_fault)(text):
        yield Violation(path, FieldReason.INVISIBLE_CHARACTER, fault)


def _unique_ids(definition: AutomationDefinition) -> Iterator[Violation]:
    steps = list(list_steps(definition))
    yield from _repeated(
        (f"{TRIGGERS}[{i}].trigger_id", trigger.trigger_id)
        for i, trigger in enumerate(definition.triggers)
    )
    yield from _repeated((f"{path}.step_id", step.step_id) for path, step in steps)
    yield from _repeated(
        (f"{path}.output_as", step.output_as) for path, step in steps if step.output_as
    )
    for path, step in steps:
        others = {other.step_id for _, other in steps if other is not step}
        if step.output_as in others | Scope.ROOTS:
            yield Violation(
                f"{path}.output_as",
                FieldReason.SHADOWED_NAME,
                f"{step.output_as!r} already names another",
            )


def _repeated(ids: Iterable[tuple[str, str]]) -> Iterator[Violation]:
    seen: set[str] = set()
    for path, name in ids:
        if name in seen:
            yield Violation(path, FieldReason.DUPLICATE_ID, f"{name!r} is used before")
        seen.add(name)


def _inputs_schema(definition: AutomationDefinition) -> Iterator[Violation]:
    schema = definition.inputs.schema_
    if problem := json_schema.find_problem(schema):
        yield Violation(SCHEMA, FieldReason.INVALID_SCHEMA, problem)
    elif schema.get("type", "object") != "object":
        yield Violation(f"{SCHEMA}.type", FieldReason.INVALID_SCHEMA, "inputs are an object")
    else:
        for i, trigger in enumerate(definition.triggers):
            faults = check_static(schema, trigger.static_inputs)
            yield from from_faults(
                faults, f"{TRIGGERS}[{i}].static_inputs", FieldReason.INVALID_INPUT
            )


def _triggers(definition: AutomationDefinition, catalogue: Catalogue) -> Iterator[Violation]:
    for i, trigger in enumerate(definition.triggers):
        yield from _trigger(trigger, f"{TRIGGERS}[{i}]", catalogue)


def _trigger(trigger: TriggerSpec, path: str, catalogue: Catalogue) -> Iterator[Violation]:
    known = catalogue.triggers.get(trigger.type)
    if trigger.type == TriggerType.MANUAL:
        yield Violation(
            f"{path}.type", FieldReason.UNKNOWN_TRIGGER, "manual is reserved and cannot be used"
        )
    elif known is None:
        yield Violation(
            f"{path}.type", FieldReason.UNKNOWN_TRIGGER, _unknown(trigger.type, catalogue.triggers)
        )
    else:
        yield from _config(
            trigger.config, known.config_model, known.config_schema, f"{path}.config"
        )


def _steps(definition: AutomationDefinition, catalogue: Catalogue) -> Iterator[Violation]:
    for path, step in list_steps(definition):
        yield from _step(step, path, catalogue)


def _step(step: PlanStep, path: str, catalogue: Catalogue) -> Iterator[Violation]:
    known = catalogue.actions.get(step.action)
    if known is None:
        yield Violation(
            f"{path}.action", FieldReason.UNKNOWN_ACTION, _unknown(step.action, catalogue.actions)
        )
        return
    yield from _config(step.config, known.config_model, known.config_schema, f"{path}.config")
    yield from _model(step.config.get("model"), f"{path}.config.model")
    yield from _tools(step.config.get("tools"), f"{path}.config.tools", catalogue)


def _budget(definition: AutomationDefinition, catalogue: Catalogue) -> Iterator[Violation]:
    """Faults of a cap that can't be kept, since a task may use a model without a price."""
    models = catalogue.models
    if definition.execution.budget_cap_usd is None or models is None:
        return
    tasks = [one for one in list_steps(definition) if one[1].action == AGENT_TASK.type]
    for path, step in tasks:
        name = step.config.get("model")
        known = next((model for model in models if name in model.names), None)
        # A name of a resource is that of a person's own model, which has no price.
        if isinstance(name, str) and (
            not known.priced if known else resources.MODEL_CONFIG.match(name)
        ):
            yield Violation(
                f"{path}.config.model",
                FieldReason.UNPRICED_MODEL,
                f"{name!r} has no price, so budget_cap_usd can't be kept",
            )
    unnamed = any(not step.config.get("model") for _, step in tasks)
    if unnamed and not any(model.auto and model.priced for model in models):
        yield Violation(
            BUDGET,
            FieldReason.UNPRICED_MODEL,
            "no model that may be chosen has a price, so it can't be kept",
        )


def _outputs(definition: AutomationDefinition, catalogue: Catalogue) -> Iterator[Violation]:
    """Faults of steps that take an output before any step gave one. A failure gives its text."""
    for i, step in enumerate(definition.plan):
        known = catalogue.actions.get(step.action)
        if known is None or known.gives_output:
            return
        if known.needs_output is not None and known.needs_output(step.config):
            yield Violation(
                f"{PLAN}[{i}].config",
                FieldReason.REQUIRED,
                "no step before it gives an output; write a body, or put a step before it",
            )


def _model(name: Any, path: str) -> Iterator[Violation]:
    """Faults of what begins as the name of a resource, and is none of a model."""
    begins = isinstance(name, str) and name.startswith("workspaces/") and not is_template(name)
    if begins and not resources.MODEL_CONFIG.match(name):
        said = f"must be a name like {resources.MODEL_CONFIG.template}"
        yield Violation(path, FieldReason.INVALID, said)


def _config(
    config: dict[str, Any], model: type[BaseModel] | None, schema: dict[str, Any], path: str
) -> Iterator[Violation]:
    if model is None:
        yield from from_faults(json_schema.find_faults(schema, config), path, FieldReason.INVALID)
        return
    try:
        model.model_validate(config)
    except ValidationError as exc:
        yield from from_pydantic(exc, path, model)


def _tools(tools: Any, path: str, catalogue: Catalogue) -> Iterator[Violation]:
    if catalogue.capabilities is None or not isinstance(tools, list):
        return
    for i, tool in enumerate(tools):
        if isinstance(tool, str) and tool not in catalogue.capabilities:
            message = _unknown(tool, catalogue.capabilities)
            yield Violation(f"{path}[{i}]", FieldReason.UNKNOWN_TOOL, message)


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    listed = ", ".join(sorted(known)[:20]) or "none"
    return f"{name!r} is not known; known: {listed}"


def _templates(definition: AutomationDefinition, catalogue: Catalogue) -> Iterator[Violation]:
    steps = list(list_steps(definition))
    found = [list_templates(step) for _, step in steps]
    if problem := find_excess([source for sources in found for source in sources]):
        yield Violation(PLAN, FieldReason.TOO_LARGE, problem)
        return
    scope = Scope.of(
        definition.inputs.schema_,
        [trigger.static_inputs for trigger in definition.triggers],
        [trigger.type for trigger in definition.triggers],
        [step for _, step in steps],
        [(step, catalogue.actions.get(step.action)) for step in definition.plan],
    )
    for path, step in steps:
        if path == f"{ON_FAILURE}[0]":
            scope = scope.after_a_failure()
        yield from check_step(step, path, scope)
        scope = scope.after(step, catalogue.actions.get(step.action))
