"""The drafter: a model writes or changes the definition of an automation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.func import task

from chat_service.llm import errors as llm_errors
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.finish_reason import CUT
from chat_service.llm.text import clean, read_objects
from chat_service.llm.usage import UncheckpointedUsage
from chat_service.prompts.load import load_prompt
from chat_service.runtime.ports import SavedAutomation
from chat_service.runtime.prompt_context import prompt_values
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.automations.lookup import find_automation
from chat_service.tools.results import (
    MAX_ISSUES,
    TURN_ERRORS,
    ToolStopped,
    format_issues,
    issues_of,
    to_outcome,
)
from shared import compact_json, errors
from shared.definition.envelope import AutomationCreate
from shared.registries.catalogue import Catalogue
from shared.validation.check import check
from shared.validation.violations import Violation

CORRECTIONS: Final = 2
_NO_OBJECT = "The answer is not a JSON object."
_CUT_OFF = "The answer was cut off before its end: it is too long."
_ISSUES = {"issues"}

# automation_service validates a draft; raises InvalidRequest with violations
Accept = Callable[[Mapping[str, Any]], Awaitable[SavedAutomation]]


@task
async def draft(run: AgentRun, intent: str, emit: Emit) -> dict[str, Any]:
    """Returns {"payload": canonical}, {"issues": […]} or {"error": …}.

    A checkpointed step: its result survives a pause, a crash and a resume. Raises TURN_ERRORS.
    """
    context, automations = run.context.runtime, run.deps.automations

    async def accept(found: Mapping[str, Any]) -> SavedAutomation:
        return await automations.validate(
            workspace=context.workspace, user=context.user, payload=found
        )

    try:
        return await run_drafter(run, "create_automation", intent, accept, emit)
    except TURN_ERRORS:
        raise
    except errors.RotaError as exc:
        return {"error": exc.message}


async def run_drafter(
    run: AgentRun, tool: str, asked: str, accept: Accept, emit: Emit
) -> dict[str, Any]:
    """Returns {"payload": what `accept` returned} or {"issues": […]}, after CORRECTIONS at most.

    The prompts `{tool}/drafting` and `{tool}/drafts` describe the draft.
    """
    catalogue = run.deps.catalogue()
    said: list[BaseMessage] = [
        SystemMessage(drafter_prompt(run, tool, catalogue)),
        HumanMessage(asked),
    ]
    issues: list[str] = []
    for _ in range(1 + CORRECTIONS):
        answer = await _ask(run, said, emit)
        found, violations = _choose_draft(read_objects(answer.text), catalogue)
        if found is not None and set(found) == _ISSUES:
            return {"issues": _texts(found["issues"])}
        if found is None:
            cut = answer.response_metadata["finish_reason"] in CUT
            issues = [_CUT_OFF if cut else _NO_OBJECT]
        elif violations:
            issues = format_issues((v.field, v.message) for v in violations)
        else:
            payload, issues = await _judge(run, found, accept)
            if payload is not None:
                return {"payload": payload}
        again = load_prompt("drafter_again", issues="\n".join(f"- {issue}" for issue in issues))
        said += [AIMessage(clean(answer.text) or "{}"), HumanMessage(again)]
    return {"issues": issues}


def drafter_prompt(run: AgentRun, tool: str, catalogue: Catalogue) -> str:
    return load_prompt(
        "drafter",
        **prompt_values(run.context.runtime),
        task=load_prompt(f"{tool}/drafting"),
        examples=load_prompt(f"{tool}/drafts"),
        schema=_json(payload_schema()),
        triggers="\n".join(
            _entry(t.type, t.description, t.config_schema) for t in catalogue.triggers.values()
        ),
        actions="\n".join(
            _entry(a.type, a.description, a.config_schema) for a in catalogue.actions.values()
        ),
        capabilities="\n".join(
            f"- `{c.id}`: {c.description}" for c in (catalogue.capabilities or {}).values()
        )
        or "none",
    )


def payload_schema() -> dict[str, Any]:
    return AutomationCreate.model_json_schema(by_alias=True)


async def _ask(run: AgentRun, said: Sequence[BaseMessage], emit: Emit) -> AIMessage:
    """Returns one answer of the drafter's model, with retries."""
    config, retry = run.context.model.config, run.deps.retry
    model = run.context.model.chat(temperature=0)
    form = {
        "type": "json_schema",
        "json_schema": {
            "name": "AutomationCreate",
            "schema": payload_schema(),
            "strict": False,
        },
    }

    async def answered() -> AIMessage:
        progress = CallProgress()
        call = run.state.meter.start(config, progress)
        try:
            async with asyncio.timeout(retry.model_seconds):
                answer = await model.answer(said, progress=progress, response_format=form)
        except llm_errors.PROVIDER_FAULTS as exc:
            record_failure(run.state.meter, call, exc)
            raise
        emit(UncheckpointedUsage(**asdict(run.state.meter.record(call, answer))))
        return answer

    try:
        return await retry.model.call(
            answered,
            transient=llm_errors.RepeatRule(),
            retry_after=lambda exc: llm_errors.classify_error(exc).retry_after,
        )
    except llm_errors.PROVIDER_FAULTS as exc:
        raise llm_errors.classify_error(exc).refusal(config.id) from exc


def _choose_draft(
    found: Sequence[dict[str, Any]], catalogue: Catalogue
) -> tuple[dict[str, Any] | None, Sequence[Violation]]:
    """Returns the last object that is a valid draft or lists issues.

    If there is none, returns the last object and what is wrong with it.
    """
    last: tuple[dict[str, Any] | None, Sequence[Violation]] = (None, ())
    for one in found[::-1]:
        violations = () if set(one) == _ISSUES else check(one, catalogue)
        if not violations:
            return one, ()
        if one is found[-1]:
            last = (one, violations)
    return last


async def _judge(
    run: AgentRun, found: dict[str, Any], accept: Accept
) -> tuple[dict[str, Any] | None, list[str]]:
    """Returns the canonical payload, or its issues."""
    try:
        saved = await run.deps.retry.peer.call(lambda: accept(found))
    except errors.RotaError as exc:
        if not exc.violations:
            raise
        return None, issues_of(exc)
    return dict(saved.payload), []


def _texts(found: Any) -> list[str]:
    items = found if isinstance(found, list) else [found]
    return [str(item)[:500] for item in items if item][:MAX_ISSUES] or [_NO_OBJECT]


def _entry(name: str, description: str, schema: dict[str, Any]) -> str:
    return f"## `{name}`\n{description} Its config: {_json(schema)}"


def _json(value: Any) -> str:
    return compact_json.dump(value)


@task
async def revise(run: AgentRun, automation: str, change: str, emit: Emit) -> dict[str, Any]:
    """Returns {"payload", "before", "state"}, or the outcome that ends the tool.

    A checkpointed step that also reads the automation: a draft and its etag belong to one
    revision. Raises TURN_ERRORS.
    """
    try:
        return await _revise(run, automation, change, emit)
    except ToolStopped as exc:
        return asdict(exc.outcome)
    except TURN_ERRORS:
        raise
    except errors.RotaError as exc:
        return asdict(to_outcome(exc))


async def _revise(run: AgentRun, called: str, change: str, emit: Emit) -> dict[str, Any]:
    context, automations = run.context.runtime, run.deps.automations
    found = await find_automation(run, called)

    async def accept(new: Mapping[str, Any]) -> SavedAutomation:
        return await automations.validate_update(
            workspace=context.workspace,
            user=context.user,
            payload={**new, "name": found.name, "etag": found.etag},
        )

    drawn = await run_drafter(run, "update_automation", _asked(found.payload, change), accept, emit)
    if "payload" not in drawn:
        return {"status": "invalid", **drawn}
    return {**drawn, "before": dict(found.payload), "state": found.state}


def _asked(payload: Mapping[str, Any], change: str) -> str:
    as_it_is = compact_json.dump(payload)
    return f"The automation as it is:\n{as_it_is}\n\nThe change: {change}"
