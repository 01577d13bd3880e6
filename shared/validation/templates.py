"""Whether the templates of a step name only what exists when the step runs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from shared.definition.execution import PlanStep
from shared.errors import FieldReason
from shared.json import json_schema
from shared.json.json_path import join_path
from shared.templates.marks import is_template
from shared.templates.source import (
    BadTemplate,
    TemplateReferences,
    count_operations,
    read_condition,
    read_template,
    write_condition,
)
from shared.validation.filter_arguments import find_argument_fault
from shared.validation.names import Scope
from shared.validation.violations import Violation

# To check a template takes half a millisecond, and thirty microseconds for each operation.
MAX_TEMPLATES: Final = 500
MAX_INSIDE: Final = 32 * 1024
MAX_OPERATIONS: Final = 10_000
# The same in the units of json_schema, and of one character between braces.
_TEMPLATE_COST: Final = 2_000
_OPERATION_COST: Final = 120
_CHARACTER_COST: Final = 8
_INSIDE: Final = re.compile(r"\{[{%](?:[^}%]|[}%](?!\}))*")


def list_templates(step: PlanStep) -> list[str]:
    """The templates of a step's config, and its `when` as if it had braces."""
    found: list[str] = []
    values: list[Any] = [step.config]
    while values:
        match values.pop():
            case str() as text if is_template(text):
                found.append(text)
            case dict() as members:
                values.extend(members.values())
            case list() as items:
                values.extend(items)
    return found if step.when is None else [*found, write_condition(step.when)]


def find_excess(sources: Sequence[str]) -> str | None:
    """Returns why a definition has more templates than can be checked in time, or None."""
    if len(sources) > MAX_TEMPLATES:
        return f"{len(sources)} templates; at most {MAX_TEMPLATES}"
    inside = sum(len(part) for source in sources for part in _INSIDE.findall(source))
    if inside > MAX_INSIDE:
        return f"{inside} characters between the braces of templates; at most {MAX_INSIDE}"
    json_schema.spend_quick(_TEMPLATE_COST * len(sources) + _CHARACTER_COST * inside)
    operations = sum(map(_count, sources))
    json_schema.spend_quick(_OPERATION_COST * operations)
    if operations > MAX_OPERATIONS:
        return f"{operations} operations in templates; at most {MAX_OPERATIONS}"
    return None


def _count(source: str) -> int:
    try:
        return count_operations(source)
    except BadTemplate:
        return 0  # refused at its field, before it is read


def check_step(step: PlanStep, path: str, scope: Scope) -> Iterator[Violation]:
    if step.when is not None:
        yield from _faults(step.when, f"{path}.when", scope, expression=True)
    yield from _config_faults(step.config, f"{path}.config", scope)


def _config_faults(value: Any, path: str, scope: Scope) -> Iterator[Violation]:
    match value:
        case str() if is_template(value):
            yield from _faults(value, path, scope, expression=False)
        case dict():
            for key, item in value.items():
                yield from _config_faults(item, join_path(path, [key]), scope)
        case list():
            for i, item in enumerate(value):
                yield from _config_faults(item, f"{path}[{i}]", scope)


def _faults(source: str, path: str, scope: Scope, *, expression: bool) -> Iterator[Violation]:
    read = read_condition if expression else read_template
    try:
        reading = read(source, scope.hyphenated, scope.every)
    except BadTemplate as exc:
        yield Violation(path, FieldReason.INVALID_TEMPLATE, str(exc))
        return
    several = "\n" in source
    kinds = [*_argument_faults(reading), *scope.find_kind_faults(reading)]
    for reason, faults in (
        (FieldReason.UNKNOWN_NAME, scope.find_faults(reading)),
        (FieldReason.INVALID_TEMPLATE, dict.fromkeys(kinds)),
    ):
        for line, problem in faults:
            yield Violation(path, reason, f"line {line}: {problem}" if several else problem)


def _argument_faults(reading: TemplateReferences) -> Iterator[tuple[int, str]]:
    for use in reading.filters:
        if (problem := find_argument_fault(use)) is not None:
            yield use.line, problem
