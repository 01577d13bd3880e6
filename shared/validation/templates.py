"""Whether the templates of a step name only what exists when the step runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from shared.definition.execution import PlanStep
from shared.json_schema import join_path
from shared.templates.marks import is_template
from shared.templates.source import (
    BadTemplate,
    Reference,
    expression_references,
    template_references,
)
from shared.validation.inputs import collect_names
from shared.validation.violations import Violation

# to check a template takes half a millisecond, and ten microseconds for each of these characters
MAX_TEMPLATES: Final = 500
MAX_INSIDE: Final = 32 * 1024
_INSIDE: Final = re.compile(r"\{[{%](?:[^}%]|[}%](?!\}))*")
# what any mapping has, such as `inputs.items()`
_METHODS = frozenset({"get", "items", "keys", "values"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names a step may use. `error` exists only after a failure."""

    ROOTS: ClassVar[frozenset[str]] = frozenset({"inputs", "steps", "run", "trigger", "error"})

    inputs: frozenset[str]
    steps: frozenset[str] = frozenset()
    roots: frozenset[str] = ROOTS - {"error"}

    @classmethod
    def of(cls, schema: dict[str, Any], statics: list[Mapping[str, Any]]) -> "Scope":
        return cls(inputs=collect_names(schema, statics))

    def after(self, step: PlanStep) -> "Scope":
        names = {step.step_id} | ({step.output_as} if step.output_as else set())
        return replace(self, steps=self.steps | names)

    def after_a_failure(self) -> "Scope":
        return replace(self, roots=self.ROOTS)

    def missing(self, reference: Reference) -> str | None:
        """Why a reference names nothing, or None when it does."""
        root, member = reference.root, reference.member
        if root not in self.roots:
            return f"{root!r} is not a name here; names: {', '.join(sorted(self.roots))}"
        if member is None or member in _METHODS:
            return None
        if root == "inputs" and member not in self.inputs:
            return f"inputs.{member} does not exist; inputs: {_listed(self.inputs)}"
        if root == "steps" and member not in self.steps:
            return f"steps.{member} is not an earlier step; earlier: {_listed(self.steps)}"
        return None


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
    return found if step.when is None else [*found, "{{" + step.when]


def find_excess(sources: Sequence[str]) -> str | None:
    """Why these are more templates than one definition has time to be checked for, or None."""
    if len(sources) > MAX_TEMPLATES:
        return f"{len(sources)} templates; at most {MAX_TEMPLATES}"
    inside = sum(len(part) for source in sources for part in _INSIDE.findall(source))
    if inside > MAX_INSIDE:
        return f"{inside} characters between the braces of templates; at most {MAX_INSIDE}"
    return None


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
    read = expression_references if expression else template_references
    try:
        references = read(source)
    except BadTemplate as exc:
        yield Violation(path, "invalid_template", str(exc))
        return
    for reference in sorted(references, key=lambda r: (r.root, r.member or "")):
        if reference.member is not None and reference.root not in scope.roots:
            continue  # said once, for the root itself
        if problem := scope.missing(reference):
            yield Violation(path, "unknown_name", problem)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"
