"""What one run says of itself while it is carried out: told at once, stored soon, in order."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automation_service.persistence.run_checkpoints import Checkpoint, Last, Results
from automation_service.persistence.run_claims import Claim, Fenced
from automation_service.runs import step_results
from automation_service.runs.batcher import Combiner
from automation_service.runs.step_results import Result
from shared import errors
from shared.clock import Clock
from shared.definition.states import RunStatus

Artifacts = Callable[[list[Result]], list[dict[str, Any]]]


class Unstored(Exception):
    """The database did not take what a run said: it goes back, to be taken up from what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a run ended, with all that it said before."""

    claim: Claim
    checkpoint: Checkpoint
    status: RunStatus
    error: errors.RotaError | None
    time: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class RunLog:
    """The history of a run under one attempt, and the results of its steps.

    `settle` makes sure that what was told is stored; once that is Fenced or Unstored, nothing
    more is.
    """

    claim: Claim
    clock: Clock
    writes: "Combiner[RunLog, bool]"
    endings: Combiner[End, bool]
    results: list[Result]
    artifacts: Artifacts = field(default=lambda results: [])
    in_hand: Checkpoint | None = field(init=False, default=None)  # of whoever stores it
    _stored: int = field(init=False)
    _pending: list[tuple[datetime, dict[str, Any]]] = field(init=False, default_factory=list)
    _changed: bool = field(init=False, default=False)
    _queued: bool = field(init=False, default=False)
    _under_way: int = field(init=False, default=0)  # frames being stored
    _refused: Exception | None = field(init=False, default=None)
    _settled: list["asyncio.Future[None]"] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._stored = self.claim.events

    def put(self, result: Result) -> None:
        """A step's result, in place of an earlier one of that step."""
        for at, before in enumerate(self.results):
            if before["step_id"] == result["step_id"]:
                self.results[at] = result
                break
        else:
            self.results.append(result)
        self._changed = True
        shown = {key: value for key, value in result.items() if key != "output"}
        if self._pending and _continues(self._pending[-1][1], shown):
            self._pending.pop()
        self.tell({"step_updated": shown})

    def tell(self, event: dict[str, Any]) -> None:
        self._pending.append((self.clock.now(), event))
        if not (self._queued or self._under_way or self._refused):
            self._queue()

    async def settle(self, *, most: int = 0) -> None:
        """Waits until all is stored but for `most` frames. Raises Fenced or Unstored."""
        while self._refused is None and self._under_way + len(self._pending) > most:
            await self._landing()
        if self._refused is not None:
            raise self._refused

    async def end(
        self,
        status: RunStatus,
        error: errors.RotaError | None,
        output: Any = None,
    ) -> None:
        """Ends the run, with all it said before. Raises Fenced or Unstored."""
        while self._under_way and self._refused is None:
            await self._landing()
        if self._refused is not None:
            raise self._refused
        now = self.clock.now()
        said = None if error is None else step_results.error_json(error)
        self._pending.append((now, {"ended": {"state": status, "error": said}}))
        last = Last(
            status=status,
            error=None if said is None else _json(said),
            output=None if output is None else _json(output),
            end_time=now,
        )
        end = End(
            claim=self.claim, checkpoint=self._taken(last), status=status, error=error, time=now
        )
        try:
            ended = await self.endings.ask(end)
        except Exception as fault:
            raise Unstored from fault
        if not ended:
            raise Fenced

    def take(self) -> Checkpoint | None:
        """What is to be stored now, by whoever calls; None when it has gone with the end."""
        self._queued = False
        self.in_hand = self._taken() if self._pending else None
        return self.in_hand

    def _taken(self, last: Last | None = None) -> Checkpoint:
        pending, self._pending = self._pending, []
        changed, self._changed = self._changed, False
        self._under_way = len(pending)
        return Checkpoint(
            run=self.claim.run,
            attempt=self.claim.attempt,
            base=self._stored,
            events=[(time, _json(event)) for time, event in pending],
            results=self._values() if changed else None,
            last=last,
        )

    def _values(self) -> Results:
        return Results(
            step_results=_json(self.results),
            usage=_json(step_results.used(self.results)),
            artifacts=_json(self.artifacts(self.results)),
        )

    def _queue(self) -> None:
        self._queued = True
        self.writes.put(self).add_done_callback(self._landed)

    def _landed(self, answer: "asyncio.Future[bool]") -> None:
        if (fault := answer.exception()) is not None:
            self._refused = Unstored()
            self._refused.__cause__ = fault
        elif not answer.result():
            self._refused = Fenced()
        self._stored += self._under_way
        self._under_way = 0
        if self._pending and not self._queued and self._refused is None:
            self._queue()
        settled, self._settled = self._settled, []
        for one in settled:
            if not one.done():
                one.set_result(None)

    async def _landing(self) -> None:
        landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settled.append(landed)
        await landed


def _continues(before: dict[str, Any], shown: Result) -> bool:
    """Whether it only adds to what a step was said to be doing, and nobody has heard that yet."""
    told = before.get("step_updated")
    return (
        told is not None
        and told["status"] == shown["status"] == "running"
        and told["step_id"] == shown["step_id"]
        and told["attempts"] == shown["attempts"]
        and "error" not in shown
    )


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
