"""The consequences of an automation: its runs, its cost and its failures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from chat_service.llm.config import ModelConfig
from chat_service.runtime.ports import DestinationView
from chat_service.runtime.run_context import AgentRun, ApprovalRule
from chat_service.tools.automations.deliveries import (
    describe_deliveries,
    find_destinations,
    list_threads,
    thread_of,
)
from chat_service.tools.automations.preview import enabled_schedules
from chat_service.tools.automations.warnings.delivery import find_missing_deliveries
from chat_service.tools.automations.warnings.overlap import find_overlaps
from chat_service.tools.automations.warnings.web_access import find_missing_web_tools
from chat_service.tools.automations.warnings.words import join_names
from shared import resources
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.frequency import count_runs

MONTH: Final = timedelta(days=30)
# estimated tokens: the prompt of a call, a tool's description, a tool's result, an answer
_TOLD: Final = 400
_A_TOOL: Final = 150
_RESULT: Final = 2_000
_ANSWER: Final = 400
_MOST_ROUNDS: Final = 3
_LEAST_SHOWN: Final = 0.0001  # US dollars

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsequenceBasis:
    """What the consequences of a payload depend on beside it."""

    workspace: str
    now: datetime
    rules: Mapping[str, ApprovalRule]  # by tool
    models: Mapping[int, ModelConfig]  # those that tasks may use
    # the turn's own, for tasks that no other is chosen for; None if it was removed
    model: ModelConfig | None
    thread: str = ""  # the name of the one that the card is in
    # those of the payload that the person who asks may see
    destinations: Sequence[DestinationView] = ()
    # whether automation_service accepted the payload, for whom its runs act for
    is_accepted: bool = True
    titles: Mapping[str, str] = field(default_factory=dict)  # of threads, by name


async def read_basis(run: AgentRun, payload: Json, *, is_accepted: bool = True) -> ConsequenceBasis:
    context = run.context.runtime
    return ConsequenceBasis(
        workspace=context.workspace,
        now=context.now,
        rules=run.deps.rules(),
        models=run.deps.models(),
        model=run.context.model.config,
        thread=thread_of(context.turn_name),
        destinations=await find_destinations(run, payload),
        is_accepted=is_accepted,
        titles=await run.deps.thread_titles(context.workspace, list_threads(payload)),
    )


def estimate_consequences(basis: ConsequenceBasis, payload: Json) -> dict[str, Any]:
    """Returns the consequences for an approval, without `estimated_cost_usd` if unknown."""
    definition = payload["definition"]
    execution = definition.get("execution", {})
    after = list(execution.get("on_failure", []))
    schedules = enabled_schedules(payload)
    steps = [*definition.get("plan", []), *after]
    runs = sum(_runs_per_month(basis, one["config"]) for one in schedules)
    return {
        "runs_per_month": runs,
        **_cost(basis, definition.get("plan", []), runs, execution.get("budget_cap_usd")),
        "tools": sorted({tool for step in steps for tool in _tools(step)}),
        "deliveries": describe_deliveries(
            payload,
            basis.destinations,
            thread=basis.thread,
            titles=basis.titles,
            is_accepted=basis.is_accepted,
        ),
        "auto_approve": any(_approves(step) for step in steps),
        "on_failure": _on_failure(execution, definition.get("plan", []), after),
        "warnings": [
            *_warnings(basis, steps, runs),
            *find_missing_web_tools(steps),
            *find_missing_deliveries(payload, basis.destinations, is_accepted=basis.is_accepted),
            *find_overlaps(schedules, execution, basis.now),
        ],
    }


def _tools(step: Json) -> list[str]:
    return [str(tool) for tool in step.get("config", {}).get("tools", [])]


def _approves(step: Json) -> bool:
    return bool(step.get("config", {}).get("auto_approve"))


def _on_failure(execution: Json, plan: Sequence[Json], after: Sequence[Json]) -> str:
    retries = execution.get("max_retries", 2)
    own = {str(step["step_id"]): step.get("max_retries") for step in plan}
    others = [
        f"{step} is {_again(times)}"
        for step, times in own.items()
        if times is not None and times != retries
    ]
    said = f"A failed step is {_again(retries)}"
    if others:
        said += f" ({', '.join(others)})"
    if after:
        said += f"; then {join_names([str(step['step_id']) for step in after])} is done"
    return f"{said}; after ten failed runs in a row the automation pauses."


def _again(times: int) -> str:
    match times:
        case 0:
            return "not tried again"
        case 1:
            return "tried once more"
    return f"tried again up to {times} times"


def _warnings(basis: ConsequenceBasis, steps: Sequence[Json], runs: int) -> Iterator[str]:
    rules = basis.rules
    for step in steps:
        asks = sorted(tool for tool in _tools(step) if rules.get(tool) == "always")
        named = f"The step {step.get('step_id')}"
        if asks and _approves(step):
            yield f"{named} approves by itself what {join_names(asks)} would ask for."
        elif asks:
            verb = "asks" if len(asks) == 1 else "ask"
            yield (
                f"{named} uses {join_names(asks)}, which {verb} for an approval. Nobody is there "
                "to give it, so the step fails unless auto_approve is set."
            )
        model = step.get("config", {}).get("model")
        if model and not _configured(basis, model):
            yield f"{named} names the model {model}, which is not configured, so the step fails."
    if not runs:
        yield "It does not run within the next month."


def _configured(basis: ConsequenceBasis, model: str) -> bool:
    """Returns whether a task may find the model. A person's own has a resource name."""
    if any(model in (config.model, config.display_name) for config in basis.models.values()):
        return True
    return resources.MODEL_CONFIG.match(model, workspace=basis.workspace) is not None


def _cost(
    basis: ConsequenceBasis, plan: Sequence[Json], runs: int, cap: float | None
) -> dict[str, Any]:
    tasks = [step for step in plan if step.get("action") == "agent_task"]
    configs = [_model(basis, step, capped=cap is not None) for step in tasks]
    unpriced = next((name for config, name in configs if config is None), None)
    if unpriced is not None:
        return {"estimated_cost": f"unknown: {unpriced} has no price"}
    tokens = [_tokens(step) for step in tasks]
    micros = sum(
        config.cost_micros(input_tokens=read, output_tokens=written)
        for (config, _), (read, written) in zip(configs, tokens, strict=True)
        if config is not None
    )
    one = micros / 1_000_000 if cap is None else min(micros / 1_000_000, cap)
    models = sorted({name for _, name in configs})
    read_and_written = sum(map(sum, tokens))
    said = (
        f"{runs:,} runs of about {read_and_written:,} tokens at the prices of {join_names(models)}"
    )
    month = f"{format_dollars(one * runs)} a month" if models else "nothing: no step calls a model"
    return {
        "estimated_cost": f"{month} ({said})" if models else month,
        "estimated_cost_usd": float(f"{one * runs:.2g}"),
    }


def format_dollars(amount: float) -> str:
    """The amount with two significant digits, and none of a power of ten: `about 550 USD`."""
    if 0 < amount < _LEAST_SHOWN:
        return f"less than {_LEAST_SHOWN:.4f} USD"
    rounded = Decimal(f"{amount:.2g}")
    return f"about {rounded.quantize(1) if rounded >= 10 else rounded:,f} USD"


def _model(basis: ConsequenceBasis, step: Json, *, capped: bool) -> tuple[ModelConfig | None, str]:
    """Returns a step's model, None if it has no price, and its name. Tasks have no pins.

    With a cap only a model with a price is chosen.
    """
    wanted = step.get("config", {}).get("model")
    models = basis.models
    if wanted:
        found = [c for c in models.values() if wanted in (c.model, c.display_name)]
    else:
        found = [c for c in sorted(models.values(), key=lambda c: -c.id) if c.auto_eligible]
        if capped:
            found = [c for c in found if c.is_priced] or found
        found = found or ([] if basis.model is None else [basis.model])
    if not found:
        return None, str(wanted or "the model")
    return (found[0] if found[0].is_priced else None), found[0].display_name


def _tokens(step: Json) -> tuple[int, int]:
    """Estimates the input and output tokens of one run of a step."""
    config = step.get("config", {})
    tools = _tools(step)
    told = _TOLD + len(str(config.get("prompt", ""))) // 4 + _A_TOOL * len(tools)
    rounds = min(len(tools), _MOST_ROUNDS)
    read = sum(told + _RESULT * before for before in range(rounds + 1))
    return read, _ANSWER + _ANSWER // 4 * rounds


def _runs_per_month(basis: ConsequenceBasis, config: Json) -> int:
    try:
        schedule = ScheduleTriggerConfig.model_validate(config)
    except ValidationError:
        return 0
    now = basis.now
    return count_runs(schedule, now, now + MONTH)
