"""The result of a step, as a run stores it, and what the next step reads of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, Self

import orjson

from automation_service.persistence.run_endings import error_json
from shared import errors
from shared.clock import rfc3339
from shared.db.storable_text import clean
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep
from shared.json.canonical_json import MAX_SAFE_INTEGER, NotCanonical, canonical_bytes
from shared.registries.actions.store import get_action
from shared.registries.actions.types import LastOutput, Usage

MAX_OUTPUT_BYTES: Final = 256 << 10
MAX_RUN_OUTPUT_BYTES: Final = 3 << 20
_COUNTED: Final = tuple(each.name for each in fields(Usage))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The state of a step. Times are RFC 3339; `error` is as of error_to_json.

    `notes` say what was done to it that is no error, such as a prompt that was cut.
    `untold` has the tasks whose usage is not known yet, by request id, each with the most that
    it may have cost in micros, 0 without a cap.
    """

    step_id: str
    action: str
    status: str
    attempts: int
    started_at: str = ""
    finished_at: str | None = None
    session_id: str | None = None
    error: Mapping[str, Any] | None = None
    output: Any = None
    usage: Mapping[str, int] | None = None
    untold: Mapping[str, int] | None = None
    notes: list[str] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{name: value[name] for name in _FIELDS if name in value})

    def to_json(self, *, output: bool = True) -> dict[str, Any]:
        """Omits fields without a value, except the output of a step that succeeded."""
        found = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        if not output:
            found.pop("output", None)
        elif self.status == "succeeded":
            found.setdefault("output", None)
        return found

    @property
    def is_interrupted(self) -> bool:
        """True when the worker was lost during an attempt."""
        return self.status == "running" and self.error is None

    @property
    def is_ended_by_run(self) -> bool:
        """True when the limit of the run ended it. Its own limit leaves the error TIMED_OUT."""
        return self.status == "timed_out" and (self.error or {}).get("reason") != "TIMED_OUT"


_FIELDS: Final = tuple(each.name for each in fields(StepResult))


@dataclass(frozen=True, slots=True)
class OutputSizes:
    """The bytes of the outputs of a run; each is measured once."""

    _known: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def check(self, step_id: str, output: Any, results: list[StepResult]) -> Any:
        """Returns the output of a step as it is stored. Raises OutputTooLarge."""
        kept = to_storable(output)
        try:
            size = _count_bytes(kept)
        except NotCanonical as exc:
            raise errors.RotaError(
                "the step gave a value that JSON can't hold",
                code=errors.Code.OUT_OF_RANGE,
                reason="OUTPUT_TOO_LARGE",
            ) from exc
        if size > MAX_OUTPUT_BYTES:
            raise _too_large(MAX_OUTPUT_BYTES)
        held = sum(self._measure(r) for r in results if r.output is not None)
        if size + held > MAX_RUN_OUTPUT_BYTES:
            raise _too_large(MAX_RUN_OUTPUT_BYTES)
        self._known[step_id] = kept, size
        return kept

    def _measure(self, result: StepResult) -> int:
        known = self._known.get(result.step_id)
        if known is None or known[0] is not result.output:
            known = self._known[result.step_id] = result.output, _count_bytes(result.output)
        return known[1]


def start_attempt(step: PlanStep, before: StepResult | None, now: datetime) -> StepResult:
    """Returns the result of a running attempt. An interrupted attempt runs again, uncounted."""
    if before is None:
        return StepResult(
            step_id=step.step_id,
            action=step.action,
            status="running",
            attempts=1,
            started_at=rfc3339(now),
        )
    attempts = before.attempts + (not before.is_interrupted)
    return replace(before, status="running", attempts=attempts, error=None, finished_at=None)


def build_artifacts(
    definition: AutomationDefinition, results: list[StepResult]
) -> list[dict[str, Any]]:
    """Builds an artifact of each output whose step has output_as."""
    named = {
        step.step_id: step.output_as
        for step in (*definition.plan, *definition.execution.on_failure)
        if step.output_as and gives_output(step.action)
    }
    return [
        {
            "artifact_id": named[result.step_id],
            "step_id": result.step_id,
            "mime_type": "text/plain" if isinstance(result.output, str) else "application/json",
            "content": result.output,
        }
        for result in results
        if result.step_id in named and result.status == "succeeded" and result.output is not None
    ]


def gives_output(action: str) -> bool:
    """Whether the output of an action may be that of its run; True for one that is unknown."""
    known = get_action(action)
    return known is None or known.gives_output


def is_output(result: StepResult) -> bool:
    """Whether what a step gave may be the output of its run."""
    return result.status == "succeeded" and gives_output(result.action)


def find_last_output(results: list[StepResult], steps: Collection[str]) -> LastOutput | None:
    """Returns the output of the last of some steps that gave one."""
    for result in reversed(results):
        if result.step_id in steps and is_output(result):
            return LastOutput(output=result.output, step_id=result.step_id)
    return None


def error_to_json(error: errors.RotaError) -> dict[str, Any]:
    found: dict[str, Any] = to_storable(error_json(error))
    return found


def error_from_json(value: Mapping[str, Any]) -> errors.RotaError:
    return errors.RotaError(
        value["message"],
        code=errors.Code(value["code"]),
        reason=value["reason"],
        metadata=value.get("metadata"),
    )


def add_usage(before: Mapping[str, int] | None, usage: Usage) -> dict[str, int]:
    held = before or {}
    return {key: held.get(key, 0) + getattr(usage, key) for key in _COUNTED}


def sum_usage(results: list[StepResult]) -> dict[str, int]:
    """Sums the usage of all steps; `untold_tasks` counts the tasks whose usage is not known yet."""
    found: dict[str, int] = {}
    for result in results:
        for key, value in (result.usage or {}).items():
            found[key] = found.get(key, 0) + value
    untold = sum(len(result.untold or ()) for result in results)
    return {**found, "untold_tasks": untold} if untold else found


def tell(result: StepResult, request_id: str, usage: Usage) -> StepResult:
    """Adds what a task used to a result that counted its reservation until now."""
    left = {key: most for key, most in (result.untold or {}).items() if key != request_id}
    return replace(result, usage=add_usage(result.usage, usage), untold=left or None)


def to_storable(value: Any) -> Any:
    """Replaces what PostgreSQL or JSON can't store: NUL, lone surrogates, large integers."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(str(key)): to_storable(item) for key, item in value.items()}
        case list() | tuple():
            return [to_storable(item) for item in value]
        case int() if not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
            return str(value)
    return value


def _count_bytes(value: Any) -> int:
    """The bytes of the canonical form. Raises NotCanonical."""
    if type(value) is str:  # as most outputs are; its form is that of any JSON
        return len(orjson.dumps(value))
    return len(canonical_bytes(value))


def _too_large(limit: int) -> errors.OutputTooLarge:
    return errors.OutputTooLarge(
        f"an output is larger than {limit} bytes", metadata={"limit_bytes": str(limit)}
    )
