"""`explain_slot`: why an automation did or did not run at a moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.runtime.ports import Explanation, KnownAutomation, KnownTrigger
from chat_service.runtime.run_context import Run
from chat_service.tools.automations.lookup import AUTOMATION, find
from chat_service.tools.automations.moment_parser import has_own_zone, read_moment
from chat_service.tools.results import Explained, Invalid, Outcome
from chat_service.tools.string_tool import Argument, Texts, text_tool

NAME: Final = "explain_slot"
_MOMENT: Final = Argument(
    name="moment", description="when it should have run, in ISO 8601 or plain words", most=200
)
_UNREADABLE: Final = (
    "moment: give a date and a time of day, such as 2026-11-23T09:00 or yesterday at 9:00, and a "
    "zone, if one was named, as Europe/Paris"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    moment: datetime
    said: Explanation


def explain_slot_tool(run: Run) -> BaseTool:
    async def explain(texts: Texts, runtime: ToolRuntime[Any, Any]) -> Outcome:
        automation = await find(run, texts["automation"])
        schedules = [one for one in automation.triggers if one.type == "schedule"]
        if not schedules:
            return Invalid(issues=["automation: it has no schedule, so it has no slots"])
        answers = []
        for trigger in schedules:
            for moment in _readings(run, trigger, texts["moment"]):
                answers.append(await _ask(run, automation, trigger, moment))
                if answers[-1].said.is_slot:
                    return _explained(automation, answers[-1])
        return _explained(automation, answers[0]) if answers else Invalid(issues=[_UNREADABLE])

    return text_tool(NAME, [AUTOMATION, _MOMENT], explain)


def _readings(run: Run, trigger: KnownTrigger, text: str) -> list[datetime]:
    """On the schedule's clock, and then, as it may be meant, on the person's."""
    own = [str(trigger.config.get("timezone", "UTC")), run.context.time_zone]
    found = [
        read_moment(text, run.context.now, zone) for zone in own[: 1 + (not has_own_zone(text))]
    ]
    return list(dict.fromkeys(moment for moment in found if moment is not None))


async def _ask(
    run: Run, automation: KnownAutomation, trigger: KnownTrigger, moment: datetime
) -> _Answer:
    context, automations = run.context, run.desk.automations
    said = await run.desk.patience.peer(
        lambda: automations.explain(
            workspace=context.workspace,
            user=context.user,
            trigger=f"{automation.name}/triggers/{trigger.trigger_id}",
            moment=moment,
        )
    )
    return _Answer(moment=moment, said=said)


def _explained(automation: KnownAutomation, answer: _Answer) -> Explained:
    return Explained(
        automation=automation.name,
        display_name=automation.display_name,
        moment=answer.moment.isoformat(),
        explanation=answer.said.text,
        outcome=answer.said.outcome,
        nearest=[slot.local_time for slot in answer.said.nearest],
    )
