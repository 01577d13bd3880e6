"""One step of a run: its names, its tries, its result."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from automation_service.persistence.run_claims import Claim
from automation_service.runs.templates import TemplateValue
from shared import errors
from shared.canonical_json import MAX_SAFE_INTEGER, NotCanonical, canonical_bytes
from shared.clock import rfc3339
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep
from shared.registries.actions.types import Usage
from shared.resources import RUN
from shared.retry import RetryPolicy, exponential, linear

MAX_OUTPUT_BYTES: Final = 256 << 10
MAX_RUN_OUTPUT_BYTES: Final = 3 << 20
_TRANSIENT: Final = (errors.Code.UNAVAILABLE, errors.Code.DEADLINE_EXCEEDED)
_RETRIES: Final = {
    "exponential": RetryPolicy(interval=exponential(1.0, 60.0), jitter=(0.5, 1.0)),
    "linear": RetryPolicy(interval=linear(5.0)),
    "none": RetryPolicy(interval=linear(0.0)),
}
_COUNTED: Final = tuple(field.name for field in fields(Usage))

Result = dict[str, Any]


def build_names(
    claim: Claim, definition: AutomationDefinition, results: list[Result]
) -> dict[str, Any]:
    """What the templates of a step may name."""
    ended = {result["step_id"]: _seen(result) for result in results}
    also = {
        step.output_as: ended[step.step_id]
        for step in (*definition.plan, *definition.execution.on_failure)
        if step.output_as and step.step_id in ended
    }
    trigger = next(
        (
            {"trigger_id": t.trigger_id, "type": t.type}
            for t in definition.triggers
            if t.trigger_id == claim.trigger_id
        ),
        {},
    )
    run = RUN.format(workspace=claim.workspace, automation=claim.automation, run=claim.run)
    return {
        "inputs": claim.inputs,
        "steps": {**ended, **also},
        "run": {"id": str(claim.run), "name": run, "slot_time": rfc3339(claim.slot_time)},
        "trigger": {**claim.trigger_payload, **trigger},
    }


def retry_policy(step: PlanStep, definition: AutomationDefinition) -> RetryPolicy:
    own = step.max_retries
    policy = _RETRIES[definition.execution.retry_backoff]
    retries = definition.execution.max_retries if own is None else own
    return replace(policy, maximum_attempts=retries + 1)


def is_transient(error: errors.RotaError) -> bool:
    """Whether the same try may end better later."""
    if error.code in _TRANSIENT:
        return True
    return error.reason == "MODEL_RATE_LIMITED"


def check_output(output: Any, results: list[Result]) -> Any:
    """The output as it is stored. Raises OutputTooLarge."""
    kept = to_storable(output)
    try:
        size = len(canonical_bytes(kept))
    except NotCanonical as exc:
        raise errors.RotaError(
            "the step gave something that JSON can't say",
            code=errors.Code.OUT_OF_RANGE,
            reason="OUTPUT_TOO_LARGE",
        ) from exc
    if size > MAX_OUTPUT_BYTES:
        raise _too_large(MAX_OUTPUT_BYTES)
    held = sum(len(canonical_bytes(r["output"])) for r in results if r.get("output") is not None)
    if size + held > MAX_RUN_OUTPUT_BYTES:
        raise _too_large(MAX_RUN_OUTPUT_BYTES)
    return kept


def start_attempt(step: PlanStep, before: Result | None, now: datetime) -> Result:
    """The result of a step that a new try begins; a try cut short is begun again, not counted."""
    if before is None:
        return {
            "step_id": step.step_id,
            "action": step.action,
            "status": "running",
            "attempts": 1,
            "started_at": rfc3339(now),
        }
    again = {key: value for key, value in before.items() if key not in ("error", "finished_at")}
    cut_short = before["status"] == "running" and "error" not in before
    return {**again, "status": "running", "attempts": before["attempts"] + (not cut_short)}


def build_artifacts(
    definition: AutomationDefinition, results: list[Result]
) -> list[dict[str, Any]]:
    """What steps gave that their author has named with output_as."""
    named = {
        step.step_id: step.output_as
        for step in (*definition.plan, *definition.execution.on_failure)
        if step.output_as
    }
    return [
        {
            "artifact_id": named[result["step_id"]],
            "step_id": result["step_id"],
            "mime_type": "text/plain" if isinstance(result["output"], str) else "application/json",
            "content": result["output"],
        }
        for result in results
        if result["step_id"] in named
        and result["status"] == "succeeded"
        and result.get("output") is not None
    ]


def error_to_json(error: errors.RotaError) -> dict[str, Any]:
    found: dict[str, Any] = to_storable(
        {
            "code": int(error.code),
            "reason": error.reason,
            "message": error.message[:2000],
            "metadata": error.metadata,
        }
    )
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


def sum_usage(results: list[Result]) -> dict[str, int]:
    """What all steps used together."""
    found: dict[str, int] = {}
    for result in results:
        for key, value in (result.get("usage") or {}).items():
            found[key] = found.get(key, 0) + value
    return found


def _seen(result: Result) -> TemplateValue:
    output = result.get("output")
    return TemplateValue(
        output, {"output": output, "status": result["status"], "error": result.get("error")}
    )


def to_storable(value: Any) -> Any:
    """What a model said, without what PostgreSQL or JSON can't hold."""
    match value:
        case str():
            kept = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return kept.replace("\0", "�")
        case dict():
            return {to_storable(str(key)): to_storable(item) for key, item in value.items()}
        case list() | tuple():
            return [to_storable(item) for item in value]
        case int() if not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
            return str(value)
    return value


def _too_large(limit: int) -> errors.OutputTooLarge:
    return errors.OutputTooLarge(
        f"an output is larger than {limit} bytes", metadata={"limit_bytes": str(limit)}
    )
