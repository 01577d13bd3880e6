"""`list_automations`: automations with their schedules and last runs."""

from collections.abc import Sequence
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool
from pydantic import ValidationError

from chat_service.llm.text import one_line
from chat_service.runtime.ports import AutomationView, TriggerView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.results import AutomationList, ToolOutcome
from chat_service.tools.string_tool import Texts, string_tool
from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.description import describe

NAME: Final = "list_automations"
MAX_AUTOMATIONS: Final = 50
FIRES: Final = 3
SKIPPED: Final = 5


def list_automations_tool(run: AgentRun) -> BaseTool:
    async def show(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        context, automations = run.context.runtime, run.deps.automations
        found, more = await run.deps.retry.peer.call(
            lambda: automations.list(
                workspace=context.workspace, user=context.user, limit=MAX_AUTOMATIONS
            )
        )
        return AutomationList(automations=[_shown(one) for one in found], more=more)

    return string_tool(NAME, [], show)


def _shown(one: AutomationView) -> dict[str, Any]:
    fires = one.state == "active" or one.resume_time is not None
    skipped = sorted(slot.local_time for trigger in one.triggers for slot in trigger.skipped)
    return {
        "automation": one.name,
        "display_name": one_line(one.display_name, 200),
        "state": one.state,
        "schedule": describe_triggers(one.triggers),
        "next_fires": next_fires(one.triggers) if fires else [],
        "last_run": one.last_run or "none yet",
        **({"resumes": one.resume_time.isoformat()} if one.resume_time else {}),
        **({"skipped": skipped[:SKIPPED]} if skipped else {}),
    }


def describe_triggers(triggers: Sequence[TriggerView]) -> str:
    """Returns the schedules in words, in at most 500 characters."""
    return one_line("; ".join(map(_in_words, triggers)) or "no schedule", 500)


def _in_words(trigger: TriggerView) -> str:
    schedule = _schedule(trigger)
    words = describe(schedule) if schedule else trigger.type
    return words if trigger.enabled else f"{words} (disabled)"


def next_fires(triggers: Sequence[TriggerView]) -> list[str]:
    """Returns the first fire of each trigger, in the time zone of its schedule."""
    due = [(one.next_fire, one) for one in triggers if one.next_fire is not None]
    found = []
    for moment, trigger in sorted(due, key=lambda pair: pair[0])[:FIRES]:
        schedule = _schedule(trigger)
        zone = schedule.timezone if schedule else "UTC"
        found.append(f"{moment.astimezone(zones.load(zone)).isoformat()} {zone}")
    return found


def _schedule(trigger: TriggerView) -> ScheduleTriggerConfig | None:
    try:
        return ScheduleTriggerConfig.model_validate(trigger.config)
    except ValidationError:
        return None
