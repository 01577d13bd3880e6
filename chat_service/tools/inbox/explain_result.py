"""`explain_result`: why something reached the person: which automation, when, whose, and where."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool
from pydantic import ValidationError

from chat_service.llm.text import one_line
from chat_service.runtime.ports import AutomationView
from chat_service.runtime.result_ports import InboxItemView, ResultRunView, SentResult
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.deliveries import HERE, describe_names
from chat_service.tools.automations.list_automations import next_fires
from chat_service.tools.automations.lookup import find_automation
from chat_service.tools.automations.moment import format_for, format_local
from chat_service.tools.results import ResultReport, ToolOutcome, refuse_argument
from chat_service.tools.string_tool import Argument, Texts, string_tool
from shared import errors
from shared.definition.destination_names import INBOX, THREAD
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.description import describe

NAME: Final = "explain_result"
MAX_DELIVERIES: Final = 20
_RESULT: Final = Argument(
    name="result",
    description=(
        "which one: the resource name of its run, its delivery or its inbox item, or what the "
        "person calls its automation; left out for the newest in this conversation, or else in "
        "their inbox"
    ),
    most=500,
    required=False,
)
_DELIVERED: Final = {
    "sent": "sent",
    "pending": "not sent yet",
    "retrying": "not sent yet, after an attempt that failed",
    "failed": "given up",
    "unchanged": "left out, since nothing was new",
    "empty": "left out, since there was nothing in it",
}
_GONE: Final = frozenset({errors.Code.NOT_FOUND, errors.Code.INVALID_ARGUMENT})

T = TypeVar("T")


def explain_result_tool(run: AgentRun) -> BaseTool:
    async def explain(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        item, name = await _find(run, texts["result"])
        if not name:
            return _of_no_run(item)
        found = await _or_none(run, lambda: _get_run(run, name))
        if found is None:
            said = "Its run is deleted, so nothing more is known of it"
            return ResultReport(result=name, explanation=f"{_head(item)}{said}.")
        return await _report(run, item, found)

    return string_tool(NAME, [_RESULT], explain)


async def _find(run: AgentRun, called: str) -> tuple[InboxItemView | None, str]:
    """Returns the inbox item, if it is one, and the name of the run; empty if it is of none."""
    if not called:
        item = await _find_newest(run)
        return item, item.run
    workspace, _, rest = called.removeprefix("workspaces/").partition("/")
    if called.startswith("workspaces/") and workspace != run.context.runtime.workspace:
        raise refuse_argument("result", "it is of another workspace")
    if rest.startswith("inboxItems/"):
        return await _get_item(run, called)
    if "/runs/" in rest:
        return None, called.partition("/deliveries/")[0]
    automation = await find_automation(run, called)
    return None, await _find_last_run(run, automation)


async def _get_item(run: AgentRun, name: str) -> tuple[InboxItemView, str]:
    context, results = run.context.runtime, run.deps.automations.results
    found = await _or_none(
        run,
        lambda: results.get_inbox_item(workspace=context.workspace, user=context.user, name=name),
    )
    if found is None:
        raise refuse_argument(
            "result", "there is no such item in the person's inbox, or it is no longer kept"
        )
    return found, found.run


async def _find_newest(run: AgentRun) -> InboxItemView:
    """Returns the newest result of this thread, or else of the inbox."""
    thread = run.context.runtime.turn_name.partition("/turns/")[0]
    for matching in (f'thread = "{thread}" AND kind = RESULT', "kind = RESULT"):
        if found := await _list_newest(run, matching):
            return found[0]
    raise refuse_argument(
        "result", "no result reached the person, neither in this conversation nor in the inbox"
    )


async def _list_newest(run: AgentRun, matching: str) -> Sequence[InboxItemView]:
    context, results = run.context.runtime, run.deps.automations.results
    found = await run.deps.retry.peer.call(
        lambda: results.list_inbox(
            workspace=context.workspace, user=context.user, matching=matching, limit=1
        )
    )
    return found.items


async def _find_last_run(run: AgentRun, automation: AutomationView) -> str:
    context, results = run.context.runtime, run.deps.automations.results
    found, _ = await run.deps.retry.peer.call(
        lambda: results.list_runs(
            workspace=context.workspace,
            user=context.user,
            parent=automation.name,
            matching="",
            limit=1,
        )
    )
    if not found:
        raise refuse_argument("result", f"“{automation.display_name}” has not run yet")
    return found[0].name


async def _get_run(run: AgentRun, name: str) -> ResultRunView:
    context, results = run.context.runtime, run.deps.automations.results
    return await results.get_run(workspace=context.workspace, user=context.user, name=name)


async def _report(run: AgentRun, item: InboxItemView | None, found: ResultRunView) -> ResultReport:
    context, automations = run.context.runtime, run.deps.automations
    asker = {"workspace": context.workspace, "user": context.user}
    automation = await _or_none(run, lambda: automations.get(**asker, name=found.automation))
    revision = await _or_none(
        run,
        lambda: automations.get_revision(**asker, name=found.automation, revision=found.revision),
    )
    deliveries = await run.deps.retry.peer.call(
        lambda: automations.results.list_deliveries(**asker, run=found.name, limit=MAX_DELIVERIES)
    )
    places = {
        name: _in_words_of(one)
        for name, one in (
            await describe_names(run, [one.destination for one in deliveries])
        ).items()
    }
    author = revision.author if revision else ""
    name = one_line(found.display_name, 200)
    trigger = _trigger(found)
    sentences = [
        f"{_head(item)}It is of a run of the automation “{name}”",
        _cause(run, found, trigger),
        f"The version that ran is {found.revision}"
        + (f", made by {'you' if author == context.user else author}" if author else ""),
        _where(deliveries, places),
        _how_to_stop(name, automation),
    ]
    return ResultReport(
        result=found.name,
        automation=found.automation,
        display_name=name,
        schedule=trigger,
        slot=_when(run, found),
        run_state=found.state,
        made_by=author,
        deliveries=[
            {"to": places[one.destination], "state": _say_state(one)} for one in deliveries
        ],
        explanation=" ".join(f"{one}." for one in sentences if one),
    )


def _cause(run: AgentRun, found: ResultRunView, trigger: str) -> str:
    when = _when(run, found)
    if found.backfill:
        return f"Somebody had it run afterwards for {when}; the run is {found.state}"
    words = f" ({trigger})" if trigger else ""
    return f"Its schedule{words} came to {when}; the run is {found.state}"


def _trigger(found: ResultRunView) -> str:
    """Returns the trigger of the run in words, as it was then; empty if it is not known."""
    trigger_id = found.trigger.rpartition("/")[2]
    for one in found.triggers:
        if one.get("trigger_id") == trigger_id:
            return _in_words(one)
    return ""


def _in_words(trigger: Mapping[str, Any]) -> str:
    try:
        return describe(ScheduleTriggerConfig.model_validate(trigger.get("config")))
    except ValidationError:
        return str(trigger.get("type", ""))


def _in_words_of(place: Mapping[str, str]) -> str:
    name, kind = place["display_name"], place["kind"]
    if kind == INBOX:
        return "the inbox of who made it"
    if kind == THREAD:
        return name if name == HERE else f"the conversation “{name}”"
    about = ", ".join(filter(None, (kind, place.get("host"))))
    return f"“{name}” ({about})" if about else name


def _where(deliveries: Sequence[SentResult], places: Mapping[str, str]) -> str:
    if not deliveries:
        return "It delivered nothing: its output is in the run"
    told = [f"{places[one.destination]} ({_say_state(one)})" for one in deliveries]
    return f"Its plan delivers to {', '.join(told)}"


def _say_state(one: SentResult) -> str:
    return _DELIVERED.get(one.state, one.state)


def _how_to_stop(name: str, automation: AutomationView | None) -> str:
    if automation is None or automation.state == "archived":
        return "The automation is gone, so no more of it comes"
    if automation.state == "paused" and automation.resume_time is None:
        return "The automation is paused, so no more of it comes until it is resumed"
    coming = next_fires(automation.triggers)
    if not coming:
        return "It has no time left, so no more of it comes"
    moment, _, zone = coming[0].rpartition(" ")
    return (
        f"It runs next on {format_local(moment, zone)}. To stop it, pause or delete “{name}”, "
        "skip its next time, or change where it delivers"
    )


def _of_no_run(item: InboxItemView | None) -> ResultReport:
    kind = item.kind.replace("_", " ") if item else "notice"
    return ResultReport(
        result=item.name if item else "",
        automation=item.automation if item else "",
        explanation=f"{_head(item)}It is a notice ({kind}) of the service, and of no run.",
    )


def _head(item: InboxItemView | None) -> str:
    return f"“{one_line(item.subject, 200)}” is in your inbox. " if item else ""


def _when(run: AgentRun, found: ResultRunView) -> str:
    return format_for(run, found.slot_time or found.create_time)


async def _or_none(run: AgentRun, call: Callable[[], Awaitable[T]]) -> T | None:
    """Returns None for what is not there, or that the person can't read."""
    try:
        return await run.deps.retry.peer.call(call)
    except errors.RotaError as error:
        if error.code not in _GONE:
            raise
        return None
