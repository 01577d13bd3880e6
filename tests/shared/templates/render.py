"""Renders one text as a step's prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.templates.deadline import MAX_SECONDS
from shared.templates.job import StepJob, StepOutcome, render_step
from shared.templates.template_rules import PRESENT

TEXT = {"type": "string"}


def build_job(
    source: Any,
    names: Mapping[str, Any],
    *,
    when: str | None = None,
    schema: Mapping[str, Any] | None = None,
    outputs: Mapping[str, str] | None = None,
    hyphenated: Sequence[str] = (),
    rules: int = PRESENT,
    cut: int | None = None,
) -> StepJob:
    return {
        "rules": rules,
        "when": when,
        "config": {"prompt": source},
        "schema": {} if schema is None else {"properties": {"prompt": schema}},
        "cut": {} if cut is None else {"prompt": cut},
        "names": dict(names),
        "outputs": outputs or {},
        "hyphenated": list(hyphenated),
    }


def attempt(
    source: Any, names: Mapping[str, Any], *, seconds: float = MAX_SECONDS, **job: Any
) -> StepOutcome:
    return render_step(build_job(source, names, **job), seconds=seconds)


def render(source: Any, names: Mapping[str, Any], **job: Any) -> Any:
    """What the prompt becomes. Fails the test on a fault."""
    outcome = attempt(source, names, **job)
    assert "faults" not in outcome, outcome["faults"]
    return outcome["config"]["prompt"]


def told(source: Any, names: Mapping[str, Any], **job: Any) -> str:
    """The words of the only fault."""
    (fault,) = attempt(source, names, **job)["faults"]
    return f"{fault['field']}, line {fault['line']}: {fault['message']}"


def holds(when: str, names: Mapping[str, Any], **job: Any) -> bool:
    outcome = attempt("x", names, when=when, **job)
    assert "faults" not in outcome, outcome["faults"]
    return outcome["holds"]
