"""One attempt of a step: the call, its time limit, and the agent task that it started."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from automation_service.persistence.run_claims import AttemptFenced
from automation_service.runs.agent_client import TaskFailed
from automation_service.runs.event_log import StoreError
from shared import errors, resources
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionResult,
    AgentResult,
    AgentTask,
    TaskAgent,
    Usage,
)
from shared.telemetry import logs

log = logs.logger(__name__)


class StoppableAgent(TaskAgent, Protocol):
    async def cancel_task(self, request: AgentTask) -> Usage | None:
        """Stops the task of a request. A task that has not started will not start.

        Returns what it used; None when that is not known yet.
        """
        ...


@dataclass(slots=True)
class AttemptAgent:
    """The agent of one attempt. `task` is the one that may still run.

    A call that fails says nothing of its task: only a result does, or an error that it carries.
    """

    agent: TaskAgent
    task: AgentTask | None = None

    async def run_task(self, request: AgentTask) -> AgentResult:
        self.task = request
        try:
            result = await self.agent.run_task(request)
        except TaskFailed:
            self.task = None
            raise
        self.task = None
        return result


async def call_action(
    action: ActionDefinition,
    config: dict[str, Any],
    context: ActionContext,
    seconds: int | None,
) -> ActionResult:
    """Calls the handler of an action. A task of it may still run after TIMED_OUT.

    Raises a RotaError for every failure of the step; AttemptFenced and StoreError pass through.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await action.handler(config, context)
    except TimeoutError:
        raise timeout_error("the step", seconds if limit.expired() else None) from None
    except (errors.RotaError, AttemptFenced, StoreError):
        raise  # not a failure of the step: the run returns to the queue
    except Exception as error:
        error_id = str(resources.new_id())
        log.error("step_failed", step=context.step_id, error_id=error_id, exc_info=error)
        raise errors.Internal(error_id) from error


def timeout_error(what: str, seconds: int | None) -> errors.TimedOut:
    if seconds is None:
        return errors.TimedOut(f"{what} waited too long for an answer")
    return errors.TimedOut(
        f"{what} took longer than {seconds} seconds", metadata={"timeout_seconds": str(seconds)}
    )
