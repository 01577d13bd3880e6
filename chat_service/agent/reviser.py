"""A change in plain words → the whole automation as it is to be."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from langgraph.func import task

from chat_service.agent.drafter import drafted
from chat_service.agent.known import find
from chat_service.agent.outcomes import NO_OUTCOME, Stopped, refused
from chat_service.agent.ports import SavedAutomation
from chat_service.agent.run import Emit, Run
from shared import errors


@task
async def revise(run: Run, automation: str, change: str, emit: Emit) -> dict[str, Any]:
    """{"payload", "before", "state"} or the outcome that ends the tool, by its status.

    A checkpointed step with the reading of the automation in it: what a draft is made of and
    the etag it is bound to are never of two revisions. Raises what is no outcome of a tool.
    """
    try:
        return await _revise(run, automation, change, emit)
    except Stopped as exc:
        return asdict(exc.outcome)
    except NO_OUTCOME:
        raise
    except errors.RotaError as exc:
        return asdict(refused(exc))


async def _revise(run: Run, called: str, change: str, emit: Emit) -> dict[str, Any]:
    context, automations = run.context, run.desk.automations
    found = await find(run, called)

    async def accept(new: Mapping[str, Any]) -> SavedAutomation:
        return await automations.validate_update(
            workspace=context.workspace,
            user=context.user,
            payload={**new, "name": found.name, "etag": found.etag},
        )

    drawn = await drafted(run, "update_automation", _asked(found.payload, change), accept, emit)
    if "payload" not in drawn:
        return {"status": "invalid", **drawn}
    return {**drawn, "before": dict(found.payload), "state": found.state}


def _asked(payload: Mapping[str, Any], change: str) -> str:
    as_it_is = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"The automation as it is:\n{as_it_is}\n\nThe change: {change}"
