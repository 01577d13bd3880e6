"""The events of a run while it executes: appended at once, stored soon, in order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from automation_service.persistence.outbox.deliveries import NewDelivery
from automation_service.persistence.run_checkpoints import (
    Checkpoint,
    EndColumns,
    ResultColumns,
    StepSession,
)
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.runs.batcher import Batcher
from automation_service.runs.output_snippet import build_snippet
from automation_service.runs.steps import results as step_results
from automation_service.runs.steps.results import StepResult
from shared import errors
from shared.clock import Clock
from shared.definition.states import RunStatus
from shared.json import compact_json
from shared.telemetry import logs, metrics

# How long the start of a step waits for what comes after it, to be stored together.
START_DELAY_SECONDS: Final = 0.02

log = logs.logger(__name__)

ArtifactBuilder = Callable[[list[StepResult]], list[dict[str, Any]]]


class StoreError(Exception):
    """The database did not store events. The run returns to the queue and resumes from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run, with the events that are not yet stored."""

    claim: Claim
    checkpoint: Checkpoint
    status: RunStatus
    error: errors.RotaError | None
    time: datetime
    untold: bool = False  # what some of its tasks used is not known yet


@dataclass(slots=True, kw_only=True, eq=False)
class RunLog:
    """The events and step results of a run under one attempt.

    `flush` waits until what was appended is stored. After it raises AttemptFenced or StoreError
    nothing more is stored.
    """

    claim: Claim
    clock: Clock
    writes: "Batcher[RunLog, bool]"
    endings: Batcher[RunEnd, bool]
    results: list[StepResult]
    artifacts: ArtifactBuilder = field(default=lambda results: [])
    in_flight: Checkpoint | None = field(init=False, default=None)  # while a batch stores it
    _stored: int = field(init=False)
    # A result is an event that tells of it.
    _pending: list[tuple[datetime, dict[str, Any] | StepResult]] = field(
        init=False, default_factory=list
    )
    # Stored with the results of their steps.
    _deliveries: list[NewDelivery] = field(init=False, default_factory=list)
    # The JSON of results that were stored, by step: outputs are written down once.
    _texts: dict[str, tuple[StepResult, str]] = field(init=False, default_factory=dict)
    # Sessions that no checkpoint has yet, and those that some result had.
    _new_sessions: list[StepSession] = field(init=False, default_factory=list)
    _known_sessions: set[str] = field(init=False, default_factory=set)
    _changed: bool = field(init=False, default=False)
    _queued: bool = field(init=False, default=False)
    _in_flight_count: int = field(init=False, default=0)  # events
    _fault: Exception | None = field(init=False, default=None)
    _waiters: list["asyncio.Future[None]"] = field(init=False, default_factory=list)
    _delay: asyncio.TimerHandle | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._stored = self.claim.events
        self._known_sessions.update(r.session_id for r in self.results if r.session_id)

    def put_result(self, result: StepResult, deliveries: Sequence[NewDelivery] = ()) -> None:
        """Replaces or adds the result of a step, and appends the event.

        Its deliveries are stored with it.

        The start of an attempt is stored with what follows it within START_DELAY_SECONDS: whoever
        takes over repeats the attempt under the same request id, stored or not.
        """
        for at, before in enumerate(self.results):
            if before.step_id == result.step_id:
                self.results[at] = result
                break
        else:
            self.results.append(result)
        self._add_session(result)
        self._changed = True
        self._deliveries.extend(deliveries)
        if self._pending and _continues(self._pending[-1][1], result):
            self._pending.pop()
        self._pending.append((self.clock.now(), result))
        if result.is_interrupted:
            self._store_later()
        else:
            self._store_now()

    def append(self, event: dict[str, Any]) -> None:
        self._pending.append((self.clock.now(), event))
        self._store_now()

    async def flush(self, *, max_pending: int = 0) -> None:
        """Waits until at most `max_pending` events are unstored.

        Raises AttemptFenced or StoreError.
        """
        while self._fault is None and self._in_flight_count + len(self._pending) > max_pending:
            self._store_now()
            await self._wait_stored()
        if self._fault is not None:
            raise self._fault

    async def end(
        self,
        status: RunStatus,
        error: errors.RotaError | None,
        output: Any = None,
    ) -> None:
        """Stores the remaining events and the end. Raises AttemptFenced or StoreError."""
        if self._deliveries:
            await self.flush()  # so that an end has none
        while self._in_flight_count and self._fault is None:
            await self._wait_stored()
        if self._fault is not None:
            raise self._fault
        now = self.clock.now()
        said = None if error is None else step_results.error_to_json(error)
        self._pending.append((now, {"ended": {"state": status, "error": said}}))
        last = EndColumns(
            status=status,
            error=None if said is None else compact_json.dump(said),
            output=None if output is None else compact_json.dump(output),
            output_snippet=build_snippet(output),
            end_time=now,
        )
        end = RunEnd(
            claim=self.claim,
            checkpoint=self._build_checkpoint(last),
            status=status,
            error=error,
            time=now,
            untold=any(result.untold for result in self.results),
        )
        try:
            ended = await self.endings.submit(end)
        except Exception as fault:
            raise StoreError from fault
        if not ended:
            raise AttemptFenced
        log.info("run_ended", run=str(self.claim.run), status=status.value)
        metrics.count("rota.runs", outcome=status.value)

    def take_checkpoint(self) -> Checkpoint | None:
        """Returns what the caller must store now. None when the end has taken it."""
        self._queued = False
        self.in_flight = self._build_checkpoint() if self._pending else None
        return self.in_flight

    def _build_checkpoint(self, last: EndColumns | None = None) -> Checkpoint:
        self._stop_delay()
        pending, self._pending = self._pending, []
        changed, self._changed = self._changed, False
        deliveries, self._deliveries = self._deliveries, []
        sessions, self._new_sessions = self._new_sessions, []
        self._in_flight_count = len(pending)
        return Checkpoint(
            run=self.claim.run,
            attempt=self.claim.attempt,
            base=self._stored,
            events=[(time, _event_json(event)) for time, event in pending],
            results=self._values() if changed else None,
            last=last,
            deliveries=deliveries,
            sessions=sessions,
        )

    def _add_session(self, result: StepResult) -> None:
        session = result.session_id
        if session and session not in self._known_sessions:
            self._known_sessions.add(session)
            self._new_sessions.append(
                StepSession(session=session, step_id=result.step_id, attempt=result.attempts)
            )

    def _values(self) -> ResultColumns:
        return ResultColumns(
            step_results=f"[{','.join(map(self._result_json, self.results))}]",
            usage=compact_json.dump(step_results.sum_usage(self.results)),
            artifacts=compact_json.dump(self.artifacts(self.results)),
        )

    def _result_json(self, result: StepResult) -> str:
        kept = self._texts.get(result.step_id)
        if kept is None or kept[0] is not result:
            kept = self._texts[result.step_id] = result, compact_json.dump(result.to_json())
        return kept[1]

    def _store_later(self) -> None:
        if self._delay is None:
            loop = asyncio.get_running_loop()
            self._delay = loop.call_later(START_DELAY_SECONDS, self._store_now)

    def _store_now(self) -> None:
        """Hands what is pending to the next batch, unless a batch stores the run already."""
        self._stop_delay()
        if not (self._queued or self._in_flight_count or self._fault):
            self._enqueue()

    def _stop_delay(self) -> None:
        if self._delay is not None:
            self._delay.cancel()
            self._delay = None

    def _enqueue(self) -> None:
        self._queued = True
        self.writes.submit(self).add_done_callback(self._on_stored)

    def _on_stored(self, answer: "asyncio.Future[bool]") -> None:
        if (fault := answer.exception()) is not None:
            self._fault = StoreError()
            self._fault.__cause__ = fault
        elif not answer.result():
            self._fault = AttemptFenced()
        self._stored += self._in_flight_count
        self._in_flight_count = 0
        if self._pending and not self._queued and self._fault is None:
            self._enqueue()
        waiters, self._waiters = self._waiters, []
        for one in waiters:
            if not one.done():
                one.set_result(None)

    async def _wait_stored(self) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(stored)
        await stored


def _event_json(event: dict[str, Any] | StepResult) -> str:
    if isinstance(event, StepResult):
        event = {"step_updated": event.to_json(output=False)}
    return compact_json.dump(event)


def _continues(before: dict[str, Any] | StepResult, result: StepResult) -> bool:
    """Returns True when an unstored event of the same running attempt can be replaced."""
    return (
        isinstance(before, StepResult)
        and before.status == "running"
        and result.is_interrupted
        and before.step_id == result.step_id
        and before.attempts == result.attempts
    )
