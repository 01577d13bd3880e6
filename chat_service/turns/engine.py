"""The turn engine: owns, runs, ends and recovers turns, whoever is watching."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import turns
from chat_service.persistence.turns import Turn
from chat_service.turns import accounting
from chat_service.turns.finalize import failed, finalize, unstorable
from chat_service.turns.frame_log import LEASE, FrameLog, TurnLog
from chat_service.turns.recovery import Ready, Reckon, Takeover
from chat_service.turns.segment import Cancelled, Failed, Outcome, Suspended, Work
from chat_service.turns.telemetry import Observed
from chat_service.turns.watch import Tails
from shared import errors
from shared.aio import BackgroundTasks
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs

# A lease is renewed this often before it would run out.
RENEWALS: Final = 4
# Whoever writes a turn's frames holds its row for a moment, in which it can't be renewed.
LOCKED_SECONDS: Final = 0.02
LOCKED_AT_MOST: Final = 5
CANCEL_LOOK_SECONDS: Final = 0.4
ADOPT_SECONDS: Final = 2.0
ADOPTED_AT_ONCE: Final = 50
RETRY_SECONDS: Final = 0.5
# How often the database may refuse the end of a turn before what it said is cleaned, and left out.
CLEANED_AT: Final = 3
EMPTIED_AT: Final = 6
# Turns that begin at the same moment take turns with the words of those that stream.
OPENED_AT_ONCE: Final = 1
# How long a stop waits for the end of a segment to be written.
END_SECONDS: Final = 5.0

# A flow gives frames and, last, how the segment ends.
Flow = Callable[[Work], AsyncGenerator[pb.TurnEvent | Outcome, None]]

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Running:
    work: Work
    log: TurnLog
    task: "asyncio.Task[None]" = field(init=False)
    cancelled: bool = False
    left: bool = False  # to another replica, since this one stops

    @property
    def cut_off(self) -> bool:
        return self.cancelled or self.left or self.log.lost.is_set()

    def lose(self) -> None:
        self.log.lost.set()
        self.log.wake()


class TurnEngine:
    """Runs the turns this replica owns, and takes over those whose owner died."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        frame_log: FrameLog,
        tails: Tails,
        *,
        leases: AsyncEngine,
        flow: Flow,
        forget: Callable[[UUID], Awaitable[None]],
        reckon: Reckon,
        lease: timedelta = LEASE,
    ) -> None:
        """`leases` has a connection that nothing else waits for or holds."""
        self.owner = uuid4()
        self.lease = lease
        self._engine = engine
        self._leases = leases
        self._clock = clock
        self._log = frame_log
        self._tails = tails
        self._flow = flow
        self._forget = forget
        self._running: dict[UUID, _Running] = {}
        self._stopping = False
        # Changes that begin segments: once one is committed it must be begun too.
        self.tasks = BackgroundTasks(at_once=OPENED_AT_ONCE)
        self._takeover = Takeover(
            engine, frame_log, self.tasks, reckon=reckon, begin=self._begin_again
        )

    def begin(self, work: Work, stored: list[bytes]) -> None:
        """Runs a segment whose lease this replica holds; `stored` are its first frames."""
        turn = work.turn
        before = self._running.get(turn.id)
        if before is not None:
            if before.log.fence >= turn.fence:  # taken over before it began
                return
            before.lose()
        if not work.recovered:  # whoever took it over has read them
            for frame in stored:
                work.fold.add(pb.TurnEvent.FromString(frame))
        to = self._log.open(turn.id, fence=turn.fence, first=turn.segments[-1], stored=stored)
        work.show = functools.partial(self._show, work, to)
        work.stored = functools.partial(self._log.drain, to)
        observed = Observed(work)
        work.spoke, work.switched = observed.spoke, observed.rerouted
        mine = self._running[turn.id] = _Running(work=work, log=to)
        mine.task = asyncio.create_task(self._run(mine, observed), name=f"turn {turn.id}")
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
            group.create_task(self._every(self.renew_seconds, self.renew))
            group.create_task(self._every(CANCEL_LOOK_SECONDS, self.look_for_cancels))
            group.create_task(self._every(ADOPT_SECONDS, self.adopt))

    async def stop(self, grace_seconds: float) -> None:
        """Lets turns end for a while, then leaves the rest to another replica at once."""
        self._stopping = True
        await self.tasks.stop(END_SECONDS)
        tasks = [r.task for r in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        left = self._held()
        self._takeover.taken.clear()
        for running in self._running.values():
            running.left = True
            running.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._let_go(left)

    async def renew(self) -> None:
        """Renews the leases of what runs here, and stops what was lost."""
        held = self._held()
        if not held:
            return
        async with self._keeping() as connection:
            await self._renew(connection, held, self.lease)
            for turn, fence in held.items():
                # A segment may have ended, and its lease with it, since the list was made.
                running = self._running.get(turn)
                if running is not None and running.log.fence == fence:
                    await _check_lost(connection, running)

    async def _renew(self, on: AsyncConnection, held: dict[UUID, int], lease: timedelta) -> None:
        """Leaves in `held` those that it could not renew."""
        for _ in range(LOCKED_AT_MOST):
            for turn in await turns.renew_leases(on, self.owner, held, lease):
                del held[turn]
            if not held:
                return
            await asyncio.sleep(LOCKED_SECONDS)

    async def look_for_cancels(self) -> None:
        """Stops the turns here of which somebody asked it elsewhere."""
        if self._running:
            async with self._keeping() as connection:
                asked = await turns.list_cancel_requests(connection, list(self._running))
            for turn in asked:
                self.stop_model(turn)

    async def adopt(self) -> None:
        """Takes over all turns whose owner died. They begin now, or soon, beside this."""
        ready: list[Ready] = []
        try:
            while len(adopted := await self._adopted()) == ADOPTED_AT_ONCE:
                ready += await self._takeover.go_on(adopted)
            ready += await self._takeover.go_on(adopted)
        finally:  # words of the first would hold up the last
            for work, stored in () if self._stopping else ready:
                self._takeover.begin(work, stored)

    async def _adopted(self) -> list[Turn]:
        if self._stopping:
            return []
        # What runs here is not orphaned, however late its lease is renewed.
        live = [turn for turn, r in self._running.items() if not r.log.lost.is_set()]
        async with self._engine.connect() as connection:
            adopted = await turns.adopt_orphans(
                connection,
                owner=self.owner,
                lease=self.lease,
                live=[*live, *self._takeover.taken],
                limit=ADOPTED_AT_ONCE,
            )
        if self._stopping:
            await self._let_go({turn.id: turn.fence for turn in adopted})
            return []
        return adopted

    @property
    def renew_seconds(self) -> float:
        return self.lease.total_seconds() / RENEWALS

    def _held(self) -> dict[UUID, int]:
        # One that was lost here may have been taken over here, and not have begun again yet.
        running = {turn: r.log.fence for turn, r in self._running.items()}
        return {**running, **self._takeover.taken}

    async def _let_go(self, held: dict[UUID, int]) -> None:
        if held:
            with contextlib.suppress(Exception):  # the lease runs out by itself soon
                async with self._engine.connect() as connection:
                    await self._renew(connection, held, timedelta(0))

    async def _run(self, mine: _Running, observed: Observed) -> None:
        work, to = mine.work, mine.log
        try:
            watch = asyncio.create_task(self._stop_when_lost(mine))
            try:
                outcome = await self._outcome(mine)
            finally:
                watch.cancel()
            if outcome is not None:
                await self._to_its_end(mine, self._finish(work, to, outcome, observed))
            elif not to.lost.is_set():
                await self._to_its_end(mine, self._leave(work))
        finally:
            if to.lost.is_set():
                log.warning("turn_lost", turn=work.name)
            observed.ended(None)
            self._log.close(to)
            if self._running.get(work.turn.id) is mine:  # and not of a later segment
                del self._running[work.turn.id]

    async def _to_its_end(self, mine: _Running, finish: Coroutine[Any, Any, None]) -> None:
        """A cancellation waits for the end to be written: for a while where the replica stops."""
        ending = asyncio.ensure_future(finish)
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                if mine.left:
                    await asyncio.wait([ending], timeout=END_SECONDS)
                    ending.cancel()
                    raise

    async def _show(self, work: Work, to: TurnLog, event: pb.TurnEvent) -> None:
        work.fold.add(event)
        await self._log.add(to, event)

    async def _outcome(self, mine: _Running) -> Outcome | None:
        """Runs the flow; None when the turn is left to another owner."""
        work, to = mine.work, mine.log
        try:
            async with contextlib.aclosing(self._flow(work)) as events:
                async for event in events:
                    if not isinstance(event, pb.TurnEvent):
                        return event
                    await self._show(work, to, event)
            raise AssertionError("a flow ends with its outcome")
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - told to the person
            # What is cut off may end in any fault.
            if mine.cut_off or isinstance(error, asyncio.CancelledError):
                return Cancelled() if mine.cancelled and not to.lost.is_set() else None
            return failed(work, error)

    async def _finish(self, work: Work, to: TurnLog, outcome: Outcome, observed: Observed) -> None:
        refused = 0
        while not to.lost.is_set():
            try:
                ended = await finalize(self._engine, self._log, self._clock, work, to, outcome)
            except Exception as error:  # noqa: BLE001 - tried again while the lease is ours
                log.warning("turn_not_ended", turn=work.name, error=type(error).__name__)
                refused += database.translate(error) is None
                if refused in (CLEANED_AT, EMPTIED_AT):
                    outcome = unstorable(work, error, whole=refused < EMPTIED_AT)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if ended is None:  # another owner has it
                to.lost.set()
            else:
                observed.ended(ended)
                _tell(work, ended)
                if not isinstance(ended, Suspended):
                    with contextlib.suppress(errors.ServiceUnavailable):  # swept later
                        await self._forget(work.turn.id)
            return

    async def _leave(self, work: Work) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await accounting.leave(self._engine, work)
        except Exception as error:  # noqa: BLE001 - whoever goes on needs none of it
            log.warning("turn_not_accounted", turn=work.name, error=type(error).__name__)

    async def _stop_when_lost(self, mine: _Running) -> None:
        await mine.log.lost.wait()
        mine.task.cancel()

    @contextlib.asynccontextmanager
    async def _keeping(self) -> AsyncIterator[AsyncConnection]:
        """The connection of the leases; another one instead of one that does not answer."""
        async with asyncio.timeout(self.renew_seconds), self._leases.connect() as connection:
            yield connection

    def _begin_again(self, work: Work, stored: list[bytes]) -> None:
        self.begin(work, stored)
        if work.turn.cancel_requested:
            self.stop_model(work.turn.id)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await do()
            except Exception as error:  # noqa: BLE001 - the database is away; the loop goes on
                log.warning("turn_keeping_failed", error=type(error).__name__)
            await asyncio.sleep(seconds)


async def _check_lost(connection: AsyncConnection, running: _Running) -> None:
    turn = await turns.get(connection, running.work.turn.id)
    if turn is None or turn.fence != running.log.fence:
        running.lose()


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
