"""The steps of one claimed run. Each result is committed before the next step starts."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service import definitions
from automation_service.automations.capability_cache import PEER
from automation_service.persistence import run_endings
from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.runs.agent_client import TaskFailed
from automation_service.runs.attempt import AttemptAgent, StoppableAgent, call_action, timeout_error
from automation_service.runs.end_reason import EndReason
from automation_service.runs.event_log import RunLog, StoreError
from automation_service.runs.previous_run import PreviousRunReader
from automation_service.runs.steps import deliveries as step_deliveries
from automation_service.runs.steps import results as step_results
from automation_service.runs.steps import retry as step_retry
from automation_service.runs.steps import templates as step_templates
from automation_service.runs.steps.results import OutputSizes, StepResult
from shared import errors, resources
from shared.clock import Clock, rfc3339
from shared.db import database
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import ON_FAILURE_SECONDS, PlanStep
from shared.definition.states import RunStatus
from shared.registries.actions.store import get_action
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionResult,
    AgentTask,
    LastOutput,
    Progress,
    TaskAgent,
    Usage,
)
from shared.sandbox.pool import Sandbox
from shared.telemetry import logs
from shared.templates.job import StepJob

# An attempt of a step stores this many progress events; later ones are dropped.
MAX_PROGRESS_EVENTS: Final = 200
MAX_TITLE_CHARACTERS: Final = 200
# Progress of the agent waits while more events of the run than these are unstored.
MAX_PENDING_EVENTS: Final = 64

log = logs.logger(__name__)


class StopReason(Enum):
    CANCEL = auto()
    FENCED = auto()
    ACCESS_LOST = auto()


@dataclass(slots=True, kw_only=True)
class RunExecutor:
    """Executes a claimed run. Creating one raises ValueError for an unreadable definition."""

    run_log: RunLog
    db: AsyncEngine
    agent: StoppableAgent
    clock: Clock
    sandbox: Sandbox
    stop_reason: StopReason | None = None
    cancel_error: dict[str, Any] | None = None  # as stored, for StopReason.CANCEL
    output: Any = None
    definition: AutomationDefinition = field(init=False)
    end_reason: EndReason | None = field(default=None, init=False)
    _plan_ids: set[str] = field(init=False)
    _sizes: OutputSizes = field(init=False, default_factory=OutputSizes)
    _attempt_agent: AttemptAgent | None = field(default=None, init=False)
    _previous: PreviousRunReader = field(init=False)
    _began: bool = field(default=False, init=False)  # an attempt of a step

    def __post_init__(self) -> None:
        self.definition = definitions.parse(self.claim.snapshot).definition
        self.run_log.artifacts = partial(step_results.build_artifacts, self.definition)
        if self.claim.end_reason is not None:
            self.end_reason = EndReason.from_json(self.claim.end_reason)
        self.cancel_error = self.claim.cancel_error
        self._previous = PreviousRunReader(self.db, self.claim, self.definition)
        self._plan_ids = {step.step_id for step in self.definition.plan}
        for result in self.run_log.results:
            if result.step_id in self._plan_ids and step_results.is_output(result):
                self.output = result.output

    @property
    def claim(self) -> Claim:
        return self.run_log.claim

    async def run_plan(self, wait: Callable[[], Awaitable[None]] | None = None) -> EndReason:
        """Runs the plan within the time of the run. No step runs after one that failed.

        What `wait` takes before the first step counts.
        """
        if self.claim.seconds_left <= 0:
            return await self.time_out()
        limit = asyncio.timeout(self.claim.seconds_left)
        try:
            async with limit:
                if wait is not None:
                    await wait()
                for step in self.definition.plan:
                    error = await self._run_step(step)
                    if error is not None:
                        return EndReason(status=RunStatus.FAILED, error=error, step_id=step.step_id)
        except TimeoutError:
            if not limit.expired():
                raise
            return await self.time_out()
        return EndReason(status=RunStatus.SUCCEEDED)

    async def time_out(self) -> EndReason:
        """Ends the running step of a run whose time is over. Says how the run ends.

        An earlier worker may have ended the step and stopped before it stored why the run ends.
        """
        results = self.run_log.results
        late = [r.step_id for r in results if r.status == "running" or r.is_ended_by_run]
        await self.end_step(RunStatus.TIMED_OUT)
        seconds = self.definition.execution.timeout_seconds
        return EndReason(
            status=RunStatus.TIMED_OUT,
            error=timeout_error("the run", seconds),
            step_id=late[0] if late else "",
        )

    def cancellation(self) -> EndReason:
        """Says how the run ends that is cancelled.

        A later slot cuts the on_failure of a run whose plan has ended, and changes no more.
        """
        if self.cancel_error is None:
            return EndReason(
                status=RunStatus.CANCELLED, error=errors.Cancelled("the run was cancelled")
            )
        if self.end_reason is not None:
            return self.end_reason
        error = step_results.error_from_json(self.cancel_error)
        return EndReason(status=RunStatus.CANCELLED, error=error)

    async def begin_on_failure(self, end_reason: EndReason) -> bool:
        """Stores why the run ends, and the time of its on_failure. False when it has none.

        Raises AttemptFenced or StoreError.
        """
        if end_reason.error is None or not self.definition.execution.on_failure:
            return False
        await self.run_log.flush()
        try:
            async with database.autocommit(self.db) as connection:
                held = await run_endings.store_end_reason(
                    connection,
                    self.claim.run,
                    self.claim.attempt,
                    end_reason.to_json(),
                    ON_FAILURE_SECONDS,
                )
        except Exception as fault:
            raise StoreError from fault
        if not held:
            raise AttemptFenced
        self.end_reason = end_reason
        return True

    async def run_on_failure(self, seconds: float) -> None:
        """Runs the steps of on_failure within so many seconds, up to the first that fails.

        Agent tasks are skipped when the plan failed because its budget is used up.
        """
        assert self.end_reason is not None
        assert self.end_reason.error is not None
        limit = asyncio.timeout(max(0.0, seconds))
        try:
            async with limit:
                for step in self.definition.execution.on_failure:
                    spent = self.end_reason.error.reason == "BUDGET_EXCEEDED"
                    if spent and step.action == "agent_task":
                        self._skip(step)
                    elif await self._run_step(step) is not None:
                        return
        except TimeoutError:
            if not limit.expired():
                raise
            await self.end_step(RunStatus.TIMED_OUT)

    async def end_step(self, status: RunStatus) -> None:
        """Gives the running step the status of its run, and stops the step's agent task.

        Does nothing for a run that ended with its steps.
        """
        if self.stop_reason is StopReason.CANCEL:
            status = RunStatus.CANCELLED
        stopped = status in (RunStatus.CANCELLED, RunStatus.TIMED_OUT)
        if not stopped and self.stop_reason is not StopReason.ACCESS_LOST:
            return
        now = rfc3339(self.clock.now())
        await self._stop_unstored(status)
        for result in list(self.run_log.results):
            if result.status == "running":
                ended = await self._stop_task(result)
                self.run_log.put_result(replace(ended, status=status.value, finished_at=now))

    async def _run_step(self, step: PlanStep) -> errors.RotaError | None:
        """Runs a step to its end, unless an earlier worker did. Returns its error if it failed."""
        earlier = self._result(step)
        if earlier is not None and earlier.status in ("succeeded", "skipped"):
            return None
        if (
            earlier is not None
            and earlier.status in ("failed", "timed_out")
            and earlier.error is not None
        ):
            return step_results.error_from_json(earlier.error)
        try:
            action = get_action(step.action)
            job = await self._build_job(step, action)
            workspace = self.claim.workspace
            outcome = await step_templates.render(self.sandbox, job, workspace=workspace)
            if not outcome["holds"]:
                self._skip(step)
                return None
            if action is None:
                step_templates.check_outcome(step, outcome)
                raise errors.CapabilityGone(
                    f"the action {step.action} is no longer registered",
                    metadata={"capability": step.action},
                )
            config = step_templates.read_config(step, action, outcome)
        except errors.RotaError as error:
            result = step_results.start_attempt(step, earlier, self.clock.now())
            return self._store_failure(result, error)
        notes = step_templates.build_notes(outcome)
        return await self._run_attempts(step, action, config, notes)

    async def _build_job(self, step: PlanStep, action: ActionDefinition | None) -> StepJob:
        error = None if self.end_reason is None else self.end_reason.template_error()
        use = self._previous.list_uses(step)
        previous = await self._previous.read_names(use) if use.any else None
        return step_templates.build_job(
            step, action, self.claim, self.definition, self.run_log.results, error, previous
        )

    async def _run_attempts(
        self,
        step: PlanStep,
        action: ActionDefinition,
        config: dict[str, Any],
        notes: list[str] | None,
    ) -> errors.RotaError | None:
        while True:
            # The results of earlier attempts and steps are stored before the attempt starts. Its
            # number follows from them, so after a crash the attempt repeats under the same
            # request_id, even when the crash lost the event of its start.
            await self.run_log.flush()
            result = step_results.start_attempt(step, self._result(step), self.clock.now())
            result = replace(result, notes=notes)
            self.run_log.put_result(result)
            self._began = True
            action_result: ActionResult | None = None
            try:
                action_result = await self._call(step, action, config, result)
                output = self._sizes.check(step.step_id, action_result.output, self.run_log.results)
            except errors.RotaError as error:
                result = self._add_error_usage(self._result(step) or result, error)
                if action_result is not None:
                    usage = step_results.add_usage(result.usage, action_result.usage)
                    result = replace(result, usage=usage)
                if self._attempt_agent is not None:
                    result = await self._stop_task(result)
                policy = step_retry.build_retry_policy(step, self.definition)
                wait = policy.backoff(result.attempts, error.retry_after)
                if wait is None or not step_retry.is_transient(error):
                    return self._store_failure(result, error)
                retry_time = self.clock.now() + wait
                self.run_log.put_result(replace(result, error=step_results.error_to_json(error)))
                await self.clock.wait_until(retry_time, asyncio.Event())
                continue
            self._store_success(self._result(step) or result, action_result, output)
            return None

    async def _call(
        self, step: PlanStep, action: ActionDefinition, config: dict[str, Any], result: StepResult
    ) -> ActionResult:
        await self._ask_untold()
        left = self._budget_left()
        if left is not None and left <= 0:
            if any(r.untold for r in self.run_log.results):
                raise errors.PeerUnavailable(PEER)
            raise _budget_exceeded(self.definition)
        self._attempt_agent = AttemptAgent(self.agent)
        # A repeated task reports its progress from the start: what is stored already is dropped.
        last_position = 0
        if self.claim.attempt > 1:
            last_position = await self._find_last_progress(step, result)
        progress = self._build_progress(step, result, last_position)
        context = self._build_context(step, result, left, self._attempt_agent, progress)
        action_result = await call_action(action, config, context, step.timeout_seconds)
        self._attempt_agent = None
        return action_result

    def _build_context(
        self,
        step: PlanStep,
        result: StepResult,
        left: int | None,
        agent: TaskAgent,
        progress: Progress,
    ) -> ActionContext:
        async def record_session(session_id: str) -> None:
            current, stored_id = self._result(step), step_results.to_storable(session_id)
            if current is not None and current.session_id != stored_id:
                self.run_log.put_result(replace(current, session_id=stored_id))

        return ActionContext(
            agent=agent,
            workspace=self.claim.workspace,
            user=self.claim.author or "",
            run=str(self.claim.run),
            step_id=step.step_id,
            request_id=f"{self.claim.run}:{step.step_id}:{result.attempts}",
            record_session=record_session,
            budget_micros_left=left,
            time_zone=self._time_zone(),
            progress=progress,
            find_earlier=partial(self._previous.read_output, step),
            automation=self.claim.automation,
            display_name=self.definition.name,
            local_date=step_templates.read_local_date(self.claim, self.definition),
            last_output=self._find_last_output(step),
        )

    def _find_last_output(self, step: PlanStep) -> LastOutput | None:
        """Returns what the steps before a step gave last; in on_failure at least why it runs."""
        if step.step_id in self._plan_ids or self.end_reason is None:
            return step_results.find_last_output(self.run_log.results, self._plan_ids)
        found = step_results.find_last_output(
            self.run_log.results, {each.step_id for each in self.definition.execution.on_failure}
        )
        return found or LastOutput(output=self.end_reason.describe())

    async def _find_last_progress(self, step: PlanStep, result: StepResult) -> int:
        async with self.db.connect() as connection:
            return await rows.find_last_progress(
                connection, self.claim.run, step.step_id, result.attempts
            )

    def _build_progress(self, step: PlanStep, result: StepResult, last_position: int) -> Progress:
        count = 0

        async def progress(position: int, title: str) -> None:
            nonlocal last_position, count
            if position <= last_position or count >= MAX_PROGRESS_EVENTS:
                return
            last_position, count = position, count + 1
            event = {
                "step_id": step.step_id,
                "title": step_results.to_storable(title[:MAX_TITLE_CHARACTERS]),
                "try": result.attempts,
                "position": position,
            }
            self.run_log.append({"step_progress": event})
            await self.run_log.flush(max_pending=MAX_PENDING_EVENTS)

        return progress

    def _store_success(self, result: StepResult, action_result: ActionResult, output: Any) -> None:
        now = self.clock.now()
        ended = replace(
            result,
            status="succeeded",
            finished_at=rfc3339(now),
            error=None,
            output=output,
            usage=step_results.add_usage(result.usage, action_result.usage),
        )
        if ended.step_id in self._plan_ids and step_results.is_output(ended):
            self.output = output
        requests = action_result.deliveries
        deliveries = step_deliveries.build_deliveries(self.claim, ended.step_id, requests, now)
        self.run_log.put_result(ended, deliveries)

    def _store_failure(self, result: StepResult, error: errors.RotaError) -> errors.RotaError:
        self.run_log.put_result(
            replace(
                result,
                status="timed_out" if error.reason == "TIMED_OUT" else "failed",
                finished_at=rfc3339(self.clock.now()),
                error=step_results.error_to_json(error),
            )
        )
        return error

    def _skip(self, step: PlanStep) -> None:
        if self._result(step) is None:
            now = rfc3339(self.clock.now())
            self.run_log.put_result(
                StepResult(
                    step_id=step.step_id,
                    action=step.action,
                    status="skipped",
                    attempts=0,
                    started_at=now,
                    finished_at=now,
                )
            )

    def _add_error_usage(self, result: StepResult, error: errors.RotaError) -> StepResult:
        if not isinstance(error, TaskFailed):
            return result
        return replace(
            result,
            usage=step_results.add_usage(result.usage, error.usage),
            session_id=error.session_id or result.session_id,
        )

    def _result(self, step: PlanStep) -> StepResult | None:
        for result in self.run_log.results:
            if result.step_id == step.step_id:
                return result
        return None

    def _budget_left(self) -> int | None:
        cap = self.definition.execution.budget_cap_usd
        if cap is None:
            return None
        spent: int = sum((r.usage or {}).get("cost_micros", 0) for r in self.run_log.results)
        reserved = sum(sum((r.untold or {}).values()) for r in self.run_log.results)
        return round(cap * 1_000_000) - spent - reserved

    async def _stop_task(self, result: StepResult) -> StepResult:
        """Stops the task that a step may still have, and adds what it used to the result.

        Also the task of a worker that was lost: its request id follows from the result.
        """
        task = self._attempt_agent.task if self._attempt_agent is not None else None
        if task is None and result.is_interrupted and self._attempt_agent is None:
            task = self._task(f"{self.claim.run}:{result.step_id}:{result.attempts}")
        self._attempt_agent = None
        if task is None:
            return result
        used = await self.agent.cancel_task(task)
        if used is not None:
            return replace(result, usage=step_results.add_usage(result.usage, used))
        return replace(
            result, untold={**(result.untold or {}), task.request_id: task.budget_micros}
        )

    async def _stop_unstored(self, status: RunStatus) -> None:
        """Stops the task that an earlier worker may have begun without storing its start."""
        if self.claim.attempt == 1 or self._began:
            return
        ended = ("succeeded", "skipped")
        results = ((step, self._result(step)) for step in self._steps())
        step, before = next(
            ((s, r) for s, r in results if r is None or r.status not in ended), (None, None)
        )
        # An attempt that is stored as running is the last one that was begun.
        if step is None or (before is not None and (before.is_interrupted or before.finished_at)):
            return
        result = step_results.start_attempt(step, before, self.clock.now())
        task = self._task(f"{self.claim.run}:{step.step_id}:{result.attempts}")
        used = await self.agent.cancel_task(task)
        if used == Usage():
            return  # most likely it never began
        if used is None:
            result = replace(result, untold={**(result.untold or {}), task.request_id: 0})
        else:
            result = replace(result, usage=step_results.add_usage(result.usage, used))
        now = rfc3339(self.clock.now())
        self.run_log.put_result(replace(result, status=status.value, finished_at=now))

    def _steps(self) -> Sequence[PlanStep]:
        """The steps that were in progress when this worker claimed the run."""
        if self.claim.end_reason is None:
            return self.definition.plan
        return self.definition.execution.on_failure

    async def _ask_untold(self) -> None:
        """Asks again what stopped tasks used, so that the budget counts it and no more."""
        for result in list(self.run_log.results):
            for request_id in result.untold or ():
                used = await self.agent.cancel_task(self._task(request_id))
                if used is not None:
                    result = step_results.tell(result, request_id, used)
                    self.run_log.put_result(result)

    def _task(self, request_id: str) -> AgentTask:
        """A task that an earlier worker or attempt asked for, to be stopped."""
        return AgentTask(
            request_id=request_id,
            workspace=self.claim.workspace,
            on_behalf_of=self.claim.author or "",
            prompt="",
            budget_micros=max(self._budget_left() or 0, 0),
        )

    def _time_zone(self) -> str:
        for trigger in self.definition.triggers:
            if trigger.trigger_id == self.claim.trigger_id:
                return str(trigger.config.get("timezone", "UTC"))
        return "UTC"


async def open_executor(
    run_log: RunLog, *, db: AsyncEngine, agent: StoppableAgent, clock: Clock, sandbox: Sandbox
) -> RunExecutor | None:
    """Returns the executor of a claimed run; None if its definition can't be read: it has failed.

    A run that another worker holds by now does not fail.
    """
    try:
        return RunExecutor(run_log=run_log, db=db, agent=agent, clock=clock, sandbox=sandbox)
    except ValueError as error:
        await _fail_unreadable(run_log, error)
        return None


async def _fail_unreadable(run_log: RunLog, error: ValueError) -> None:
    """Ends a run whose definition can't be read as FAILED, unless another worker holds it."""
    error_id = str(resources.new_id())
    log.error("run_unreadable", run=str(run_log.claim.run), error_id=error_id, exc_info=error)
    for result in list(run_log.results):
        if result.is_interrupted:
            # Its task is stopped, and its usage asked for, after the end.
            task = {f"{run_log.claim.run}:{result.step_id}:{result.attempts}": 0}
            untold = {**(result.untold or {}), **task}
            run_log.put_result(replace(result, status="failed", untold=untold))
    with contextlib.suppress(AttemptFenced):
        await run_log.end(RunStatus.FAILED, errors.Internal(error_id))


def _budget_exceeded(definition: AutomationDefinition) -> errors.BudgetExceeded:
    return errors.BudgetExceeded(
        "the budget of the run is used up",
        # In digits, with no power of ten.
        metadata={"budget_cap_usd": f"{Decimal(str(definition.execution.budget_cap_usd)):f}"},
    )
