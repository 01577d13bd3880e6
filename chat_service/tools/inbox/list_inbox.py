"""`list_inbox`: what reached the person over a time, and what ran then."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.llm.text import one_line
from chat_service.runtime.result_ports import InboxItemView, InboxView, ResultRunView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import format_for, read_moment
from chat_service.tools.results import InboxList, ToolOutcome, refuse_argument
from chat_service.tools.string_tool import Argument, Texts, string_tool
from shared.clock import rfc3339

NAME: Final = "list_inbox"
MAX_ITEMS: Final = 30
MAX_RUNS: Final = 30
DEFAULT_SPAN: Final = timedelta(days=7)
_LONGEST: Final = 200  # characters of a text
_START: Final = Argument(
    name="start",
    description=(
        "from when on, as an RFC 3339 date-time with an offset; left out for the last seven days"
    ),
    most=200,
    required=False,
    format="date-time",
)
_END: Final = Argument(
    name="end",
    description="up to when, in the same form; left out for up to now",
    most=200,
    required=False,
    format="date-time",
)
_STATE: Final = Argument(
    name="state",
    description="`unread` or `read`, when the person asked for those only",
    most=10,
    required=False,
)
_AUTOMATION: Final = Argument(
    name=AUTOMATION.name,
    description=f"{AUTOMATION.description}, when the person asked for one only",
    most=AUTOMATION.most,
    required=False,
)


def list_inbox_tool(run: AgentRun) -> BaseTool:
    async def show(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        start, end = _read_span(run, texts)
        if texts["state"] not in ("", "read", "unread"):
            raise refuse_argument("state", "it is `read`, `unread` or left out")
        automation = texts["automation"] and (await find_automation(run, texts["automation"])).name
        span = f'create_time >= "{_utc(start)}" AND create_time < "{_utc(end)}"'
        inbox = await _list_items(run, span, automation, texts["state"])
        runs, more = ([], False) if texts["state"] else await _list_runs(run, span, automation)
        shown = {item.run for item in inbox.items}
        return InboxList(
            start=format_for(run, start),
            end=format_for(run, end),
            unread_in_all=inbox.unread,
            items=[_item(run, one) for one in inbox.items],
            more_items=inbox.more,
            other_runs=[_run(run, one) for one in runs if one.name not in shown],
            more_runs=more,
        )

    return string_tool(NAME, [_START, _END, _STATE, _AUTOMATION], show)


def _read_span(run: AgentRun, texts: Texts) -> tuple[datetime, datetime]:
    now = run.context.runtime.now
    # what is stored now is of the next second
    end = read_moment(texts["end"], "end") if texts["end"] else now + timedelta(seconds=1)
    start = read_moment(texts["start"], "start") if texts["start"] else end - DEFAULT_SPAN
    if start >= end:
        raise refuse_argument(
            "start",
            f"it is not before the end, {format_for(run, end)}; it is {format_for(run, now)} now",
        )
    return start, end


async def _list_items(run: AgentRun, span: str, automation: str, state: str) -> InboxView:
    context, results = run.context.runtime, run.deps.automations.results
    matching = span
    if automation:
        matching += f' AND automation = "{automation}"'
    if state:
        matching += f" AND state = {state.upper()}"
    return await run.deps.retry.peer.call(
        lambda: results.list_inbox(
            workspace=context.workspace, user=context.user, matching=matching, limit=MAX_ITEMS
        )
    )


async def _list_runs(
    run: AgentRun, span: str, automation: str
) -> tuple[Sequence[ResultRunView], bool]:
    context, results = run.context.runtime, run.deps.automations.results
    return await run.deps.retry.peer.call(
        lambda: results.list_runs(
            workspace=context.workspace,
            user=context.user,
            parent=automation or f"workspaces/{context.workspace}/automations/-",
            matching=span,
            limit=MAX_RUNS,
        )
    )


def _item(run: AgentRun, one: InboxItemView) -> dict[str, Any]:
    named = {"run": one.run, "automation": one.automation, "thread": one.thread}
    return {
        "item": one.name,
        "kind": one.kind,
        "unread": one.unread,
        "time": format_for(run, one.create_time),
        "subject": one_line(one.subject, _LONGEST),
        "first_line": one_line(one.snippet, _LONGEST),
        **{key: name for key, name in named.items() if name},
    }


def _run(run: AgentRun, one: ResultRunView) -> dict[str, Any]:
    return {
        "run": one.name,
        "display_name": one_line(one.display_name, _LONGEST),
        "state": one.state,
        "time": format_for(run, one.create_time),
        "first_line": one_line(one.snippet, _LONGEST),
    }


def _utc(moment: datetime) -> str:
    return rfc3339(moment.astimezone(UTC))
