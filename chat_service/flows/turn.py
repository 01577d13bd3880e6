"""The turn engine: owns, runs, ends and recovers turns, whoever is watching."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.flows import accounts
from chat_service.flows.finalize import finalize
from chat_service.flows.frame_log import FrameLog, TurnLog
from chat_service.flows.observed import Observed
from chat_service.flows.tail import Tails
from chat_service.flows.work import Cancelled, Failed, Outcome, Suspended, Work
from chat_service.persistence import frames, turns
from chat_service.persistence.turns import Turn
from shared import database, errors, resources, telemetry
from shared.clock import Clock

LEASE: Final = timedelta(seconds=8)
RENEW_SECONDS: Final = 2.0
CANCEL_LOOK_SECONDS: Final = 0.4
ADOPT_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
# Turns that begin at the same moment take turns with the words of those that stream.
OPENED_AT_ONCE: Final = 3
RECKON_SECONDS: Final = 2.0
# How long a stop waits for the end of a segment to be written.
END_SECONDS: Final = 5.0

# A flow gives frames and, last, how the segment ends.
Flow = Callable[[Work], AsyncGenerator[pb.TurnEvent | Outcome, None]]

log = telemetry.logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Running:
    work: Work
    log: TurnLog
    task: "asyncio.Task[None]"
    cancelled: bool = False


class TurnEngine:
    """Runs the turns this replica owns, and takes over those whose owner died."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        frame_log: FrameLog,
        tails: Tails,
        *,
        flow: Flow,
        forget: Callable[[UUID], Awaitable[None]],
        reckon: Callable[[Work, list[bytes]], Awaitable[None]],
        lease: timedelta = LEASE,
    ) -> None:
        self.owner = uuid4()
        self.lease = lease
        self._engine = engine
        self._clock = clock
        self._log = frame_log
        self._tails = tails
        self._flow = flow
        self._forget = forget
        self._reckon = reckon
        self._running: dict[UUID, _Running] = {}
        self._stopping = False
        self.opening = asyncio.Semaphore(OPENED_AT_ONCE)

    def begin(self, work: Work, stored: list[bytes]) -> None:
        """Runs a segment whose lease this replica holds; `stored` are its first frames."""
        turn = work.turn
        for frame in stored:
            work.fold.add(pb.TurnEvent.FromString(frame))
        to = self._log.open(turn.id, fence=turn.fence, first=turn.segments[-1], stored=stored)
        work.show = functools.partial(self._show, work, to)
        work.stored = functools.partial(self._log.drain, to)
        observed = Observed(work)
        work.spoke, work.switched = observed.spoke, observed.rerouted
        task = asyncio.create_task(self._run(work, to, observed), name=f"turn {turn.id}")
        self._running[turn.id] = _Running(work=work, log=to, task=task)
        self._tails.nudge(turn.id)

    def stop_model(self, turn: UUID) -> bool:
        """Cancels the turn if it runs here."""
        running = self._running.get(turn)
        if running is None or running.cancelled:
            return running is not None
        running.cancelled = True
        # After the task's first step: one cancelled before it would never clean up.
        asyncio.get_running_loop().call_soon(running.task.cancel)
        return True

    async def run(self) -> None:
        """Keeps leases, looks for cancellations, adopts orphans; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(RENEW_SECONDS, self._renew))
            group.create_task(self._every(CANCEL_LOOK_SECONDS, self._look_for_cancels))
            group.create_task(self._every(ADOPT_SECONDS, self._adopt))

    async def stop(self, grace_seconds: float) -> None:
        """Lets turns end for a while, then leaves the rest to another replica at once."""
        self._stopping = True
        tasks = [r.task for r in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        left = {turn: running.log.fence for turn, running in self._running.items()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if left:
            with contextlib.suppress(Exception):  # the lease runs out by itself soon
                async with self._engine.begin() as connection:
                    await turns.renew(connection, self.owner, left, timedelta(0))

    async def _run(self, work: Work, to: TurnLog, observed: Observed) -> None:
        try:
            watch = asyncio.create_task(self._stop_when_lost(to))
            try:
                outcome = await self._outcome(work, to)
            finally:
                watch.cancel()
            if outcome is not None:
                await self._to_its_end(self._finish(work, to, outcome, observed))
            elif not to.lost.is_set():
                await self._to_its_end(self._leave(work))
        finally:
            observed.ended(None)
            self._log.close(to)
            self._running.pop(work.turn.id, None)

    async def _to_its_end(self, finish: Coroutine[Any, Any, None]) -> None:
        """A cancellation waits for the end to be written; it is not cut off."""
        ending = asyncio.ensure_future(finish)
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending], timeout=END_SECONDS)
            raise

    async def _show(self, work: Work, to: TurnLog, event: pb.TurnEvent) -> None:
        work.fold.add(event)
        await self._log.add(to, event)

    async def _outcome(self, work: Work, to: TurnLog) -> Outcome | None:
        """Runs the flow; None when the turn is left to another owner."""
        try:
            async with contextlib.aclosing(self._flow(work)) as events:
                async for event in events:
                    if not isinstance(event, pb.TurnEvent):
                        return event
                    await self._show(work, to, event)
            raise AssertionError("a flow ends with its outcome")
        except asyncio.CancelledError:
            running = self._running.get(work.turn.id)
            if running is None or not running.cancelled or to.lost.is_set():
                return None
            return Cancelled()
        except errors.RotaError as error:
            return Failed(error)
        except Exception as error:
            error_id = str(resources.new_id())
            log.error("turn_failed", turn=work.name, error_id=error_id, exc_info=error)
            return Failed(database.translate(error) or errors.Internal(error_id))

    async def _finish(self, work: Work, to: TurnLog, outcome: Outcome, observed: Observed) -> None:
        while not to.lost.is_set():
            try:
                ended = await finalize(self._engine, self._log, self._clock, work, to, outcome)
            except Exception as error:  # noqa: BLE001 - tried again while the lease is ours
                log.warning("turn_not_ended", turn=work.name, error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if ended:
                observed.ended(outcome)
                _tell(work, outcome)
                if not isinstance(outcome, Suspended):
                    with contextlib.suppress(errors.ServiceUnavailable):  # swept later
                        await self._forget(work.turn.id)
            return

    async def _leave(self, work: Work) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await accounts.leave(self._engine, work)
        except Exception as error:  # noqa: BLE001 - whoever goes on needs none of it
            log.warning("turn_not_accounted", turn=work.name, error=type(error).__name__)

    async def _stop_when_lost(self, to: TurnLog) -> None:
        await to.lost.wait()
        running = self._running.get(to.turn)
        if running is not None:
            log.warning("turn_lost", turn=running.work.name)
            running.task.cancel()

    async def _renew(self) -> None:
        held = {turn: r.log.fence for turn, r in self._running.items()}
        if not held:
            return
        async with self._engine.begin() as connection:
            renewed = await turns.renew(connection, self.owner, held, self.lease)
        for turn in held.keys() - renewed.keys():
            # A segment may have ended, and its lease with it, since the list was made.
            running = self._running.get(turn)
            if running is not None and running.log.fence == held[turn]:
                await self._check_lost(running)

    async def _check_lost(self, running: _Running) -> None:
        async with self._engine.connect() as connection:
            turn = await turns.get(connection, running.work.turn.id)
        if turn is None or turn.fence != running.log.fence:
            running.log.lost.set()
            running.log.wake()

    async def _look_for_cancels(self) -> None:
        if self._running:
            async with self._engine.connect() as connection:
                asked = await turns.cancel_requests(connection, list(self._running))
            for turn in asked:
                self.stop_model(turn)

    async def _adopt(self) -> None:
        if self._stopping:
            return
        async with self._engine.begin() as connection:
            adopted = await turns.adopt(connection, owner=self.owner, lease=self.lease, most=50)
            segments = [
                await frames.after(connection, turn.id, turn.segments[-1], most=1_000_000)
                for turn in adopted
            ]
        await asyncio.gather(
            *(
                self._take_over(turn, [frame for _, frame in stored])
                for turn, stored in zip(adopted, segments, strict=True)
            )
        )

    async def _take_over(self, turn: Turn, stored: list[bytes]) -> None:
        stale = self._running.get(turn.id)
        if stale is not None:
            stale.log.lost.set()
            stale.log.wake()
        work = Work(turn=turn, recovered=True)
        log.info("turn_recovered", turn=work.name, fence=turn.fence)
        try:
            async with asyncio.timeout(RECKON_SECONDS):
                await self._reckon(work, stored)
        except Exception as error:  # noqa: BLE001 - the turn goes on whatever it cost before
            log.warning("turn_not_reckoned", turn=work.name, error=type(error).__name__)
        self.begin(work, stored)
        if turn.cancel_requested:
            self.stop_model(turn.id)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await do()
            except Exception as error:  # noqa: BLE001 - the database is away; the loop goes on
                log.warning("turn_keeping_failed", error=type(error).__name__)
            await asyncio.sleep(seconds)


def _tell(work: Work, outcome: Outcome) -> None:
    log.info(
        "turn_ended",
        turn=work.name,
        flow=work.flow,
        workspace=work.turn.workspace_id,
        config=work.turn.model_config_id,
        outcome=type(outcome).__name__.lower(),
        reason=outcome.error.reason if isinstance(outcome, Failed) else "",
        rerouted=work.rerouted,
    )
