"""The steps of one claimed run. Each result is committed before the next step starts."""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service import definitions
from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.runs import step_results, templates
from automation_service.runs.agent_client import TaskFailed
from automation_service.runs.attempt import AttemptAgent, StoppableAgent, call_action, timeout_error
from automation_service.runs.event_log import RunLog
from automation_service.runs.step_results import StepResult
from shared import errors, resources
from shared.clock import Clock, rfc3339
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep
from shared.definition.states import RunStatus
from shared.registries.actions.store import get_action
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionResult,
    Progress,
    TaskAgent,
)
from shared.telemetry import logs

# Of one attempt of a step; further events are dropped.
MAX_PROGRESS_EVENTS: Final = 200
MAX_TITLE_CHARACTERS: Final = 200
# An agent with more unstored events waits.
MAX_PENDING_EVENTS: Final = 64

log = logs.logger(__name__)


class StopReason(Enum):
    CANCEL = auto()
    FENCED = auto()


@dataclass(slots=True, kw_only=True)
class RunExecutor:
    """Raises ValueError for a definition that can't be read."""

    log: RunLog
    db: AsyncEngine
    agent: StoppableAgent
    clock: Clock
    stop_reason: StopReason | None = None
    output: Any = None
    definition: AutomationDefinition = field(init=False)
    _attempt_agent: AttemptAgent | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.definition = definitions.parse(self.claim.snapshot).definition
        self.log.artifacts = partial(step_results.build_artifacts, self.definition)
        for result in self.log.results:
            if result.status == "succeeded":
                self.output = result.output

    @property
    def claim(self) -> Claim:
        return self.log.claim

    async def run(self) -> errors.RotaError | None:
        """Runs the plan, and on_failure when a step fails. Returns the error of that step."""
        for step in self.definition.plan:
            failed = await self._run_step(step, None)
            if failed is not None:
                await self._on_failure(failed)
                return failed
        return None

    def run_timed_out(self) -> errors.TimedOut:
        return timeout_error("the run", self.definition.execution.timeout_seconds)

    async def end_step(self, status: RunStatus) -> None:
        """Ends the running step of a cancelled or overdue run, and stops its agent task."""
        if status not in (RunStatus.CANCELLED, RunStatus.TIMED_OUT):
            return
        if self._attempt_agent is not None:
            await self._attempt_agent.stop()
        now = rfc3339(self.clock.now())
        for result in list(self.log.results):
            if result.status == "running":
                self.log.put_result(replace(result, status=status.value, finished_at=now))

    async def _on_failure(self, failed: errors.RotaError) -> None:
        for step in self.definition.execution.on_failure:
            if failed.reason == "BUDGET_EXCEEDED" and step.action == "agent_task":
                self._skip(step)
            elif await self._run_step(step, failed) is not None:
                return

    async def _run_step(
        self, step: PlanStep, failed: errors.RotaError | None
    ) -> errors.RotaError | None:
        """Runs a step to its end. Returns its error when it failed."""
        before = self._result(step)
        if before is not None and before.status in ("succeeded", "skipped"):
            return None
        if (
            before is not None
            and before.status in ("failed", "timed_out")
            and before.error is not None
        ):
            return step_results.error_from_json(before.error)
        try:
            if step.when is not None and not templates.evaluate_condition(
                step.when, self._names(failed)
            ):
                self._skip(step)
                return None
            action, config = self._prepare(step, failed)
        except errors.RotaError as error:
            return self._fail(step_results.start_attempt(step, before, self.clock.now()), error)
        return await self._run_attempts(step, action, config)

    def _prepare(
        self, step: PlanStep, failed: errors.RotaError | None
    ) -> tuple[ActionDefinition, dict[str, Any]]:
        action = get_action(step.action)
        if action is None:
            raise errors.CapabilityGone(
                f"the action {step.action} is no longer registered",
                metadata={"capability": step.action},
            )
        config = templates.render(step.config, self._names(failed))
        if action.config_model is not None:
            try:
                action.config_model.model_validate(config)
            except ValueError as exc:
                raise errors.TemplateFailed(
                    "the rendered config is invalid", metadata={"step": step.step_id}
                ) from exc
        return action, config

    async def _run_attempts(
        self, step: PlanStep, action: ActionDefinition, config: dict[str, Any]
    ) -> errors.RotaError | None:
        while True:
            # Everything before the attempt is committed: after a crash the same attempt runs
            # again, under its request_id, whether or not its start was stored.
            await self.log.flush()
            result = step_results.start_attempt(step, self._result(step), self.clock.now())
            self.log.put_result(result)
            try:
                done = await self._call(step, action, config, result)
                output = step_results.check_output(done.output, self.log.results)
            except errors.RotaError as error:
                result = self._add_error_usage(self._result(step) or result, error)
                policy = step_results.retry_policy(step, self.definition)
                wait = policy.backoff(result.attempts, error.retry_after)
                if wait is None or not step_results.is_transient(error):
                    return self._fail(result, error)
                again = self.clock.now() + wait
                self.log.put_result(replace(result, error=step_results.error_to_json(error)))
                await self.clock.wait_until(again, asyncio.Event())
                continue
            self._succeed(self._result(step) or result, done, output)
            return None

    async def _call(
        self, step: PlanStep, action: ActionDefinition, config: dict[str, Any], result: StepResult
    ) -> ActionResult:
        left = self._budget_left()
        if left is not None and left <= 0:
            raise _budget_exceeded(self.definition)
        self._attempt_agent = AttemptAgent(self.agent)
        context = self._context(step, result, left, self._attempt_agent)
        # The task repeats progress that an earlier worker stored; it is skipped.
        seen = await self._find_last_progress(step, result) if self.claim.attempt > 1 else 0
        context = replace(context, progress=self._progress(step, result, seen))
        done = await call_action(action, config, context, self._attempt_agent, step.timeout_seconds)
        self._attempt_agent = None
        return done

    def _context(
        self, step: PlanStep, result: StepResult, left: int | None, agent: TaskAgent
    ) -> ActionContext:
        async def record_session(session_id: str) -> None:
            held, said = self._result(step), step_results.to_storable(session_id)
            if held is not None and held.session_id != said:
                self.log.put_result(replace(held, session_id=said))

        return ActionContext(
            agent=agent,
            workspace=self.claim.workspace,
            user=self.claim.creator or "",
            run=str(self.claim.run),
            step_id=step.step_id,
            request_id=f"{self.claim.run}:{step.step_id}:{result.attempts}",
            record_session=record_session,
            budget_micros_left=left,
            time_zone=self._time_zone(),
        )

    async def _find_last_progress(self, step: PlanStep, result: StepResult) -> int:
        async with self.db.connect() as connection:
            return await rows.find_last_progress(
                connection, self.claim.run, step.step_id, result.attempts
            )

    def _progress(self, step: PlanStep, result: StepResult, seen: int) -> Progress:
        said = 0

        async def progress(position: int, title: str) -> None:
            nonlocal seen, said
            if position <= seen or said >= MAX_PROGRESS_EVENTS:
                return
            seen, said = position, said + 1
            event = {
                "step_id": step.step_id,
                "title": step_results.to_storable(title[:MAX_TITLE_CHARACTERS]),
                "try": result.attempts,
                "position": position,
            }
            self.log.append({"step_progress": event})
            await self.log.flush(max_pending=MAX_PENDING_EVENTS)

        return progress

    def _succeed(self, result: StepResult, done: ActionResult, output: Any) -> None:
        self.output = output
        self.log.put_result(
            replace(
                result,
                status="succeeded",
                finished_at=rfc3339(self.clock.now()),
                error=None,
                output=output,
                usage=step_results.add_usage(result.usage, done.usage),
            )
        )

    def _fail(self, result: StepResult, error: errors.RotaError) -> errors.RotaError:
        self.log.put_result(
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
            self.log.put_result(
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
        return next((r for r in self.log.results if r.step_id == step.step_id), None)

    def _names(self, failed: errors.RotaError | None) -> dict[str, Any]:
        found = step_results.build_names(self.claim, self.definition, self.log.results)
        return found if failed is None else {**found, "error": step_results.error_to_json(failed)}

    def _budget_left(self) -> int | None:
        cap = self.definition.execution.budget_cap_usd
        if cap is None:
            return None
        spent: int = sum((r.usage or {}).get("cost_micros", 0) for r in self.log.results)
        return round(cap * 1_000_000) - spent

    def _time_zone(self) -> str:
        for trigger in self.definition.triggers:
            if trigger.trigger_id == self.claim.trigger_id:
                return str(trigger.config.get("timezone", "UTC"))
        return "UTC"


async def fail_unreadable(run_log: RunLog, error: ValueError) -> None:
    """Ends a run whose definition can't be read as FAILED, unless another worker holds it."""
    error_id = str(resources.new_id())
    log.error("run_unreadable", run=str(run_log.claim.run), error_id=error_id, exc_info=error)
    with contextlib.suppress(AttemptFenced):
        await run_log.end(RunStatus.FAILED, errors.Internal(error_id))


def _budget_exceeded(definition: AutomationDefinition) -> errors.BudgetExceeded:
    return errors.BudgetExceeded(
        "the budget of the run is used up",
        metadata={"budget_cap_usd": str(definition.execution.budget_cap_usd)},
    )
