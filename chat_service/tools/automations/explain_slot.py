"""`explain_slot`: why an automation did or did not run at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.runtime.ports import AutomationView, ExplanationView, TriggerView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import read_moment
from chat_service.tools.results import SlotReport, ToolOutcome, refuse_argument
from chat_service.tools.string_tool import Argument, Texts, string_tool
from shared.schedule import zones

NAME: Final = "explain_slot"
_MOMENT: Final = Argument(
    name="moment",
    description="when it should have run, as an RFC 3339 date-time with an offset",
    most=200,
    format="date-time",
)
_TIME_ZONE: Final = Argument(
    name="time_zone",
    description="the IANA time zone that the person named; left out when they named none",
    most=100,
    required=False,
)
_NO_ZONE: Final = "an IANA name is needed, such as Europe/Paris"


@dataclass(frozen=True, slots=True, kw_only=True)
class _SlotAnswer:
    moment: datetime
    said: ExplanationView


def explain_slot_tool(run: AgentRun) -> BaseTool:
    async def explain(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        moment = read_moment(texts["moment"], "moment")
        zone = _zone(texts["time_zone"], moment)
        automation = await find_automation(run, texts["automation"])
        schedules = [one for one in automation.triggers if one.type == "schedule"]
        if not schedules:
            raise refuse_argument("automation", "it has no schedule, so it has no slots")
        answers: list[_SlotAnswer] = []
        for trigger in schedules:
            for one in [moment] if zone else _readings(moment, trigger):
                answers.append(await _ask(run, automation, trigger, one))
                if answers[-1].said.is_slot:
                    return _explained(automation, answers[-1])
        return _explained(automation, answers[0])

    return string_tool(NAME, [AUTOMATION, _MOMENT, _TIME_ZONE], explain)


def _zone(name: str, moment: datetime) -> ZoneInfo | None:
    """Returns the zone. Raises ToolStopped if its offset at the moment is another one."""
    if not name:
        return None
    try:
        zone = zones.load(name)
    except ValueError:
        raise refuse_argument("time_zone", _NO_ZONE) from None
    there = moment.astimezone(zone)
    if there.utcoffset() != moment.utcoffset():
        issue = f"its offset is not that of {name}, where it is {there.isoformat()} then"
        raise refuse_argument("moment", issue)
    return zone


def _readings(moment: datetime, trigger: TriggerView) -> Sequence[datetime]:
    """Returns the moment, and the same local time in the zone of the schedule."""
    zone = zones.load(str(trigger.config.get("timezone", "UTC")))
    return list(dict.fromkeys([moment, moment.replace(tzinfo=zone)]))


async def _ask(
    run: AgentRun, automation: AutomationView, trigger: TriggerView, moment: datetime
) -> _SlotAnswer:
    context, automations = run.context.runtime, run.deps.automations
    said = await run.deps.retry.peer.call(
        lambda: automations.explain_slot(
            workspace=context.workspace,
            user=context.user,
            trigger=f"{automation.name}/triggers/{trigger.trigger_id}",
            moment=moment,
        )
    )
    return _SlotAnswer(moment=moment, said=said)


def _explained(automation: AutomationView, answer: _SlotAnswer) -> SlotReport:
    return SlotReport(
        automation=automation.name,
        display_name=automation.display_name,
        moment=answer.moment.isoformat(),
        explanation=answer.said.text,
        outcome=answer.said.outcome,
        nearest=[slot.local_time for slot in answer.said.nearest],
    )
