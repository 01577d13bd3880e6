"""A step's templates: the job that renders them, and what comes of it."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from automation_service.persistence.run_claims import Claim
from automation_service.runs.steps.results import StepResult
from shared import errors
from shared.aio import take_turn
from shared.clock import rfc3339
from shared.definition.envelope import AutomationDefinition, TriggerSpec
from shared.definition.execution import PlanStep
from shared.registries.actions.types import ActionDefinition
from shared.resources import RUN
from shared.retry import RetryPolicy, exponential, is_unavailable
from shared.sandbox.failure import JobFailed
from shared.sandbox.pool import Sandbox
from shared.schedule import zones
from shared.templates.deadline import MAX_SECONDS
from shared.templates.job import (
    RenderFault,
    StepJob,
    StepOutcome,
    count_characters,
    has_templates,
    is_short,
    list_sources,
    render_quick,
    render_step,
)
from shared.templates.template_rules import EARLIER
from shared.validation.violations import from_pydantic

# Of CPU, after which a process of the sandbox is killed: the templates of a step have MAX_SECONDS
# in there, and what can't be interrupted a second more.
RENDER_SECONDS: Final = MAX_SECONDS + 1
# Likewise for templates that take long to read.
LONG_SECONDS: Final = MAX_SECONDS + 5
# Of one that may be rendered here, in the units of TurnShare: of any, and of a character that is
# read first.
_RENDER_COST: Final = 1_000
_CHARACTER_COST: Final = 4
# Of a process that ended under its job, or did not start: that is no fault of the step, so it
# costs none of the step's tries. The waits take a minute in all.
RENDER_RETRIES: Final = RetryPolicy(interval=exponential(0.5, 30.0), maximum_attempts=8)
# Members of a step, beside its output, status and error.
_TOLD: Final = ("attempts", "started_at", "finished_at")


def build_job(
    step: PlanStep,
    action: ActionDefinition | None,
    claim: Claim,
    definition: AutomationDefinition,
    results: list[StepResult],
    end_error: Mapping[str, Any] | None,
    previous: Mapping[str, Any] | None = None,
) -> StepJob:
    """Builds the job that renders a step.

    `end_error` is what `error` names in on_failure, and `previous` what that name has for a step
    that uses it.
    """
    uses_names = step.when is not None or next(list_sources(step.config), None) is not None
    steps = (*definition.plan, *definition.execution.on_failure) if uses_names else ()
    names = _build_names(claim, definition, results) if uses_names else {}
    if previous is not None:
        names["previous"] = previous
    return {
        "rules": claim.template_rules,
        "when": step.when,
        "config": step.config,
        "schema": {} if action is None else action.config_schema,
        "cut": {} if action is None else dict(action.cut_texts),
        "names": names if end_error is None else {**names, "error": end_error},
        "outputs": {each.output_as: each.step_id for each in steps if each.output_as},
        "hyphenated": [each.step_id for each in steps if "-" in each.step_id],
    }


async def render(
    sandbox: Sandbox,
    job: StepJob,
    *,
    workspace: str,
    retries: RetryPolicy = RENDER_RETRIES,
) -> StepOutcome:
    """Renders a step: here when that is quick whatever it is given, else in the sandbox.

    Raises TemplateFailed or OutputTooLarge for what the sandbox gives up, and ServiceUnavailable.
    """
    if not has_templates(job):
        return render_step(job)
    await take_turn(_RENDER_COST + _CHARACTER_COST * count_characters(job), by=workspace)
    if (quick := render_quick(job)) is not None:
        return quick
    seconds = RENDER_SECONDS if is_short(job) else LONG_SECONDS
    try:
        outcome: StepOutcome = await retries.call(
            lambda: sandbox.run("render_step", job, workspace=workspace, seconds=seconds),
            transient=_is_process_lost,
        )
    except JobFailed as failed:
        if failed.cause == "time" and not is_short(job):
            raise errors.TemplateFailed(_TOO_LONG) from failed
        if failed.cause == "size":
            raise errors.OutputTooLarge("what the step uses or renders is too large") from failed
        raise errors.TemplateFailed(_GIVEN_UP[failed.cause]) from failed
    return outcome


def _is_process_lost(error: BaseException) -> bool:
    """Whether a job may be done by another process: its own ended, or none could be started."""
    if isinstance(error, JobFailed):
        return error.cause == "crash"
    return is_unavailable(error)


_TOO_LONG: Final = "the templates of the step are too long to be read; save it with shorter ones"
_GIVEN_UP: Final = {
    "time": "the templates of the step ran for too long",
    "memory": "the templates of the step took too much memory",
    "depth": "a value that the templates of the step use is nested too deeply",
    "crash": "the templates of the step could not be rendered",
    "error": "the templates of the step could not be rendered",
}


def read_config(step: PlanStep, action: ActionDefinition, outcome: StepOutcome) -> dict[str, Any]:
    """Returns the rendered config. Raises TemplateFailed or OutputTooLarge."""
    check_outcome(step, outcome)
    config = outcome["config"]
    model = action.rendered_model or action.config_model
    if model is not None:
        try:
            model.model_validate(config)
        except ValidationError as error:
            fault = next(from_pydantic(error, "", model))
            blank = outcome.get("blank", {}).get(fault.field)
            told = f"{fault.message}; {blank}" if blank else fault.message
            raise errors.TemplateFailed(
                f"step {step.step_id}, {fault.field or 'config'}, once rendered: {told}",
                metadata={"step": step.step_id, "field": fault.field},
            ) from error
    return config


def check_outcome(step: PlanStep, outcome: StepOutcome) -> None:
    """Raises TemplateFailed or OutputTooLarge for the faults of an outcome."""
    if not (faults := outcome.get("faults")):
        return
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    raise errors.RotaError(
        f"{_place(step, first)}: {first['message']}{more}",
        code=(
            errors.OutputTooLarge.code
            if first["reason"] == errors.OutputTooLarge.reason
            else errors.TemplateFailed.code
        ),
        reason=first["reason"],
        metadata={
            "step": step.step_id,
            "field": first["field"],
            "line": str(first["line"]),
        },
    )


def build_notes(outcome: StepOutcome) -> list[str] | None:
    """Builds the notes of a step's result. None when there is nothing to say."""
    return [
        f"{each['field']} was longer than {each['limit_bytes']:,} bytes and was cut"
        for each in outcome.get("cut", ())
    ] or None


def _place(step: PlanStep, fault: RenderFault) -> str:
    """Where a fault is: `step two, prompt, line 3`."""
    line = f"line {fault['line']}" if fault["lines"] > 1 else ""
    return ", ".join(filter(None, (f"step {step.step_id}", fault["field"], line)))


def _build_names(
    claim: Claim, definition: AutomationDefinition, results: list[StepResult]
) -> dict[str, Any]:
    trigger = _find_trigger(claim, definition)
    told = {} if trigger is None else {"trigger_id": trigger.trigger_id, "type": trigger.type}
    run = RUN.format(workspace=claim.workspace, automation=claim.automation, run=claim.run)
    earlier = claim.template_rules == EARLIER
    facts = {"id": str(claim.run), "name": run, "slot_time": rfc3339(claim.slot_time)}
    if not earlier:
        zone = find_zone(claim, definition)
        local = claim.slot_time.astimezone(zones.load(zone))
        facts |= {
            "local_date": local.date().isoformat(),
            "local_time": f"{local:%H:%M}",
            "time_zone": zone,
        }
    return {
        "inputs": claim.inputs,
        "steps": {result.step_id: name_members(result, earlier=earlier) for result in results},
        "run": facts,
        "trigger": {**claim.trigger_payload, **told},
    }


def name_members(result: StepResult, *, earlier: bool = False) -> dict[str, Any]:
    """Returns the members of a step, as templates name them: now, or by the earlier rules."""
    members = {"output": result.output, "status": result.status, "error": result.error}
    if earlier:
        return members
    # The words of the API.
    members["status"] = result.status.upper()
    return members | {name: getattr(result, name) for name in _TOLD}


def read_local_date(claim: Claim, definition: AutomationDefinition) -> str:
    """Returns the date of a run's slot in the zone of its trigger."""
    local = claim.slot_time.astimezone(zones.load(find_zone(claim, definition)))
    return local.date().isoformat()


def find_zone(claim: Claim, definition: AutomationDefinition) -> str:
    """Returns the zone of a run's trigger. UTC for one without a zone that is known."""
    trigger = _find_trigger(claim, definition)
    zone = "UTC" if trigger is None else str(trigger.config.get("timezone", "UTC"))
    return zone if zone in zones.all_names() else "UTC"


def _find_trigger(claim: Claim, definition: AutomationDefinition) -> TriggerSpec | None:
    return next((t for t in definition.triggers if t.trigger_id == claim.trigger_id), None)
