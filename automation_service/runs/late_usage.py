"""The usage of stopped tasks that becomes known only after their run has ended."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_endings as rows
from automation_service.persistence.run_endings import UntoldRun
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.steps import results as step_results
from automation_service.runs.steps.results import StepResult
from shared.aio import run_every
from shared.clock import Clock
from shared.db import database
from shared.registries.actions.types import AgentTask, Usage
from shared.telemetry import logs

# chat_service knows its tasks for longer.
ASKED_FOR: Final = timedelta(days=7)
BATCH_SIZE: Final = 50

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class LateUsage:
    """Any number of replicas may run one at the same time: a task is counted once."""

    db: AsyncEngine
    agent: StoppableAgent
    clock: Clock
    _last: UUID | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event, seconds: float) -> None:
        on_error = partial(database.log_fault, log, "usage_not_asked")
        await run_every(seconds, self.ask, stop=stop, on_error=on_error)

    async def ask(self) -> None:
        """Asks for a batch of ended runs, up to the first whose tasks tell nothing.

        The next call goes on behind that run.
        """
        since = self.clock.now() - ASKED_FOR
        async with self.db.connect() as connection:
            found = await rows.find_untold(connection, since, self._last, BATCH_SIZE)
        self._last = None
        for run in found:
            if not await self._ask(run):
                self._last = run.run
                return

    async def _ask(self, run: UntoldRun) -> bool:
        told: dict[str, Usage] = {}
        for result in map(StepResult.from_json, run.step_results):
            for request_id in result.untold or ():
                used = await self.agent.cancel_task(_task(run, request_id))
                if used is not None:
                    told[request_id] = used
        if told:
            await self._store(run.run, told)
        return bool(told)

    async def _store(self, run: UUID, told: dict[str, Usage]) -> None:
        async with database.transaction(self.db) as connection:
            stored = await rows.lock_step_results(connection, run)
            if stored is None:
                return
            results = [_tell(StepResult.from_json(result), told) for result in stored]
            await rows.store_told(
                connection,
                run,
                [result.to_json() for result in results],
                step_results.sum_usage(results),
                untold=any(result.untold for result in results),
            )
        log.info("usage_told_late", run=str(run), tasks=len(told))


def _tell(result: StepResult, told: dict[str, Usage]) -> StepResult:
    for request_id in result.untold or ():
        if request_id in told:
            result = step_results.tell(result, request_id, told[request_id])
    return result


def _task(run: UntoldRun, request_id: str) -> AgentTask:
    return AgentTask(
        request_id=request_id, workspace=run.workspace, on_behalf_of=run.author, prompt=""
    )
