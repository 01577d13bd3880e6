"""One attempt of a step: the call, its time limit, and the agent task that it started."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from automation_service.persistence.run_claims import AttemptFenced
from automation_service.runs.event_log import StoreError
from shared import errors, resources
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionResult,
    AgentResult,
    AgentTask,
    TaskAgent,
)
from shared.telemetry import logs

log = logs.logger(__name__)


class StoppableAgent(TaskAgent, Protocol):
    async def cancel_task(self, request: AgentTask) -> None:
        """Stops the task of a request. A task that has not started will not start."""
        ...


@dataclass(slots=True)
class AttemptAgent:
    """The agent of one attempt. It remembers the task, so that `stop` can cancel it."""

    agent: StoppableAgent
    task: AgentTask | None = None

    async def run_task(self, request: AgentTask) -> AgentResult:
        self.task = request
        result = await self.agent.run_task(request)
        self.task = None
        return result

    async def stop(self) -> None:
        if self.task is not None:
            await self.agent.cancel_task(self.task)


async def call_action(
    action: ActionDefinition,
    config: dict[str, Any],
    context: ActionContext,
    agent: AttemptAgent,
    seconds: int | None,
) -> ActionResult:
    """Calls the handler of an action.

    Raises a RotaError for every failure of the step; AttemptFenced and StoreError pass through.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await action.handler(config, context)
    except TimeoutError:
        await agent.stop()
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
