"""The drafter: a model writes or changes the definition of an automation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.func import task

from chat_service.llm import errors as llm_errors
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import REFUSED, CallProgress
from chat_service.llm.errors import ProviderFault
from chat_service.llm.finish_reason import CONTENT_FILTER, LENGTH
from chat_service.llm.text import one_line
from chat_service.llm.usage import UncheckpointedUsage
from chat_service.prompts.examples import read_examples
from chat_service.prompts.load import load_prompt
from chat_service.runtime.ports import DestinationView, SavedAutomation
from chat_service.runtime.prompt_context import prompt_values
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.automations.deliveries import (
    choose_destinations,
    format_destinations,
    list_payload_destinations,
    name_thread,
    names_to_write,
    read_destinations,
    thread_of,
)
from chat_service.tools.automations.drafts.answer import DraftAnswer, find_drafts
from chat_service.tools.automations.drafts.check import (
    find_draft_faults,
    format_faults,
    has_trigger,
)
from chat_service.tools.automations.drafts.schema import (
    ROOT,
    answer_schema,
    automation_schema,
    envelope_schema,
    model_names,
)
from chat_service.tools.automations.lookup import find_automation
from chat_service.tools.automations.warnings.missing_destination import find_missing_destinations
from chat_service.tools.results import (
    MAX_ISSUES,
    TURN_ERRORS,
    ToolFailed,
    ToolStopped,
    format_issues,
    issues_of,
    to_outcome,
)
from shared import errors
from shared.db.storable_text import clean
from shared.json import compact_json
from shared.registries.catalogue import Catalogue
from shared.validation.violations import Violation

CORRECTIONS: Final = 2
_NO_OBJECT = "The answer is not a JSON object that has a draft or issues."
_CUT_OFF = (
    "the draft was cut off before its end, for it is longer than the model's answers may be, so "
    "nothing was made. A simpler automation or another model may do"
)
_WITHHELD = (
    "the model's provider withheld the draft, so nothing was made. Other words or another model "
    "may do"
)
_SHOWN: Final = 500  # characters
_DESTINATION: Final = "destination"
_NOT_MISSED: Final = (
    "A destination that is not there is no reason to write no draft: write `thread` in its place, "
    "and say in `issues` which is missing."
)

# automation_service validates a draft; raises InvalidRequest with violations
Accept = Callable[[Mapping[str, Any]], Awaitable[SavedAutomation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """What a drafter is asked for. `accept` has the other service check a draft.

    The prompts `{tool}/drafting` and `{tool}/drafts` describe the draft. With `now` it is a new
    automation. `words` are those of the person in what is `asked`. `delivered` are the
    destinations that the automation has already.
    """

    tool: str
    asked: str
    words: str
    accept: Accept
    needs_trigger: bool = True
    now: datetime | None = None
    delivered: Sequence[str] = ()


@task
async def draft(run: AgentRun, intent: str, emit: Emit) -> dict[str, Any]:
    """Returns {"payload": canonical, "notes", "missing"}, {"issues": […]} or {"error": …}.

    A checkpointed step: its result survives a pause, a crash and a resume. Raises TURN_ERRORS.
    """
    context, automations = run.context.runtime, run.deps.automations

    async def accept(found: Mapping[str, Any]) -> SavedAutomation:
        return await automations.validate(
            workspace=context.workspace, user=context.user, payload=found
        )

    request = DraftRequest(
        tool="create_automation",
        asked=intent,
        words=intent,
        accept=accept,
        now=run.deps.clock.now(),
    )
    try:
        return await run_drafter(run, request, emit)
    except TURN_ERRORS:
        raise
    except errors.RotaError as exc:
        return {"error": exc.message}


async def run_drafter(run: AgentRun, request: DraftRequest, emit: Emit) -> dict[str, Any]:
    """Returns the payload that `accept` returned, `issues` or an `error`.

    With a payload are the model's `notes`, and what is said of destinations that are `missing`.

    A draft is corrected CORRECTIONS times at most. One that was refused, withheld or cut off is
    an error at once.
    """
    catalogue, thread = run.deps.catalogue(), thread_of(run.context.runtime.turn_name)
    usable = await read_destinations(run)
    destinations = choose_destinations(usable, request.asked)
    names = names_to_write(destinations, request.delivered)
    schema, named_schema = (
        automation_schema(
            catalogue,
            model_names(_models(run), request.asked) if run.deps.models() else (),
            written,
            needs_trigger=request.needs_trigger,
        )
        for written in (names, [*names, thread])
    )
    listed = format_destinations(destinations, request.delivered)
    asked: list[BaseMessage] = [
        SystemMessage(drafter_prompt(run, request.tool, catalogue, listed)),
        *read_examples([f"{request.tool}/drafts"], small=run.context.model.config.is_small),
        HumanMessage(request.asked),
    ]

    async def find(draft: Mapping[str, Any]) -> list[Violation]:
        return await find_draft_faults(
            run.deps.checks,
            name_thread(draft, thread),
            named_schema,
            catalogue,
            needs_trigger=request.needs_trigger,
            now=request.now,
            workspace=run.context.runtime.workspace,
        )

    issues: list[str] = []
    correction: list[BaseMessage] = []  # of the last draft only
    form: Mapping[str, Any] | None = _response_format(schema)
    may_insist = request.now is not None
    for _ in range(1 + CORRECTIONS):
        try:
            answer = await _ask(run, [*asked, *correction], form, emit)
        except llm_errors.ContextExceeded as exc:
            return _exceeded(run, exc, issues)
        if failed := _failure(answer):
            return {"error": failed}
        drafts = await find_drafts(
            run.deps.checks, answer.text, workspace=run.context.runtime.workspace
        )
        found, violations = await _choose_draft(drafts, find)
        if found is None:
            issues = [_NO_OBJECT]
        elif found.draft is None:
            if not (may_insist and _lacks_destination_only(found, request, usable)):
                return {"issues": _texts(found.issues)}
            may_insist, issues = False, [_NOT_MISSED]
        elif violations:
            issues = format_issues(format_faults(violations))
        else:
            named = name_thread(found.draft, thread)
            payload, issues = await _judge(run, named, request.accept)
            if payload is not None:
                missing = list(find_missing_destinations(request.words, payload, usable))
                notes = [
                    one for one in found.issues if not (missing and _DESTINATION in one.casefold())
                ]
                return {"payload": payload, "notes": _texts(notes), "missing": missing}
        told = await _schema_again(run, found, schema)
        # a small context has no room for the schema twice
        form = None if told and run.context.model.config.is_small else _response_format(schema)
        correction = _correction(answer, found, issues, told)
    return {"issues": issues}


def _lacks_destination_only(
    found: DraftAnswer, request: DraftRequest, usable: Sequence[DestinationView]
) -> bool:
    """Returns whether a model wrote no draft as a destination is not there."""
    missing = list(find_missing_destinations(request.words, {}, usable))
    return bool(missing) and len(found.issues) == 1 and _DESTINATION in found.issues[0].casefold()


def _correction(
    answer: AIMessage, found: DraftAnswer | None, issues: Sequence[str], schema: str
) -> list[BaseMessage]:
    """Returns a draft and what is wrong with it. Of an answer that is none, the beginning."""
    text = clean(answer.text)
    if found is None and len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}…"
    listed = "\n".join(f"- {issue}" for issue in issues)
    again = load_prompt("drafter_again", issues=listed, schema=schema)
    return [AIMessage(text or "{}"), HumanMessage(again)]


def _exceeded(
    run: AgentRun, exc: llm_errors.ContextExceeded, issues: Sequence[str]
) -> dict[str, Any]:
    """Returns the outcome of a draft, or of its correction, that the context has no room for."""
    holds = run.context.model.config.context_tokens
    what = "correct the draft" if issues else "write a draft"
    said = (
        f"the model's context is too small to {what}: about {exc.tokens:,} tokens are to be read, "
        f"and it holds {holds:,}. Nothing was made; a model with a larger context may do"
    )
    return {"issues": [*issues, said]} if issues else {"error": said}


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": ROOT, "schema": answer_schema(schema), "strict": False},
    }


async def _schema_again(run: AgentRun, found: DraftAnswer | None, schema: Mapping[str, Any]) -> str:
    """Returns the schema for a model that may not have read it: its draft breaks it.

    A server may take a response format and keep it from its model.
    """
    if not run.context.model.takes_schema:
        return ""
    if found is not None and (
        found.draft is None
        or not await run.deps.checks.find_faults(
            schema, found.draft, workspace=run.context.runtime.workspace
        )
    ):
        return ""
    return load_prompt("schema", schema=compact_json.dump(answer_schema(schema)))


def _failure(answer: AIMessage) -> str:
    """Returns why an answer is no draft and another call would not give one; empty otherwise."""
    reason = answer.response_metadata["finish_reason"]
    if reason == CONTENT_FILTER:
        return _WITHHELD
    if answer.response_metadata.get(REFUSED):
        said = one_line(answer.text, _SHOWN)
        return f"the model refused to write the draft, so nothing was made. It said: {said}"
    return _CUT_OFF if reason == LENGTH else ""


def _models(run: AgentRun) -> list[str]:
    found = run.deps.models().values()
    return [name for config in found for name in (config.model, config.display_name)]


def drafter_prompt(run: AgentRun, tool: str, catalogue: Catalogue, destinations: str) -> str:
    return load_prompt(
        "drafter",
        small=run.context.model.config.is_small,
        **prompt_values(run.context.runtime),
        task=load_prompt(f"{tool}/drafting"),
        triggers="\n".join(f"- `{t.type}`: {t.description}" for t in catalogue.triggers.values()),
        actions="\n".join(f"- `{a.type}`: {a.description}" for a in catalogue.actions.values()),
        capabilities="\n".join(
            f"- `{c.id}`: {c.description}" for c in (catalogue.capabilities or {}).values()
        )
        or "none",
        destinations=destinations,
    )


# How a warning of a note begins.
NOTED: Final = "The model notes: "


def draft_warnings(drawn: Mapping[Any, Any], conflicts: Sequence[str]) -> dict[str, Any]:
    """Returns the part of a card's context that has what is missing, conflicts and notes."""
    missing = drawn.get("missing") or ()
    warnings = [*missing, *conflicts, *(f"{NOTED}{note}" for note in drawn.get("notes") or ())]
    return {"warnings": warnings} if warnings else {}


def payload_schema() -> dict[str, Any]:
    return envelope_schema()


async def _ask(
    run: AgentRun, said: Sequence[BaseMessage], form: Mapping[str, Any] | None, emit: Emit
) -> AIMessage:
    """Returns one answer of the drafter's model, with retries. Raises ContextExceeded."""
    config, retry = run.context.model.config, run.deps.retry
    model = run.context.model
    settings: dict[str, Any] = {} if form is None else {"response_format": form}
    fault: ProviderFault | None = None

    async def answered() -> AIMessage:
        nonlocal fault
        progress = CallProgress()
        call = run.state.meter.start(config, progress)
        try:
            async with asyncio.timeout(retry.model_seconds):
                answer = await model.answer(said, progress=progress, temperature=0, **settings)
        except llm_errors.PROVIDER_FAULTS as exc:
            fault = record_failure(run.state.meter, call, exc)
            raise
        emit(UncheckpointedUsage(**asdict(run.state.meter.record(call, answer))))
        return answer

    try:
        return await retry.model.call(
            answered,
            transient=llm_errors.RepeatRule(),
            retry_after=lambda exc: llm_errors.classify_error(exc).retry_after,
        )
    except llm_errors.ContextExceeded:
        raise
    except llm_errors.PROVIDER_FAULTS as exc:
        raise (fault or llm_errors.classify_error(exc)).refusal(config.id) from exc


async def _choose_draft(
    found: Sequence[DraftAnswer],
    find: Callable[[Mapping[str, Any]], Awaitable[list[Violation]]],
) -> tuple[DraftAnswer | None, Sequence[Violation]]:
    """Returns the last answer that has a valid draft or says what is missing.

    If there is none, returns the last answer and what is wrong with it.
    """
    last: tuple[DraftAnswer | None, Sequence[Violation]] = (None, ())
    for one in found[::-1]:
        violations = [] if one.draft is None else await find(one.draft)
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


def _texts(found: Sequence[str]) -> list[str]:
    return [one_line(item, _SHOWN) for item in found][:MAX_ISSUES]


@task
async def revise(run: AgentRun, automation: str, change: str, emit: Emit) -> dict[str, Any]:
    """Returns what `draft` does, "before", "state" and "pause_end", or what ends the tool.

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

    request = DraftRequest(
        tool="update_automation",
        asked=_asked(found.payload, change),
        words=change,
        accept=accept,
        # an automation that has none may be changed in other ways
        needs_trigger=has_trigger(found.payload),
        delivered=list_payload_destinations(found.payload),
    )
    drawn = await run_drafter(run, request, emit)
    if "error" in drawn:
        return asdict(ToolFailed(message=drawn["error"]))
    if "payload" not in drawn:
        return {"status": "invalid", **drawn}
    end = found.resume_time.isoformat() if found.resume_time else ""
    return {**drawn, "before": dict(found.payload), "state": found.state, "pause_end": end}


def _asked(payload: Mapping[str, Any], change: str) -> str:
    as_it_is = compact_json.dump(payload)
    return f"The automation as it is:\n{as_it_is}\n\nThe change: {change}"
