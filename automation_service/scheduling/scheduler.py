"""Time → pending runs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.claim_burst import ClaimBurst
from automation_service.persistence import automations, scheduler_heartbeats, triggers
from automation_service.persistence import slot_dispatch as rows
from automation_service.persistence.records import Automation, Trigger
from automation_service.queue import RunQueue
from automation_service.scheduling import waiting_runs
from automation_service.scheduling.dispatcher import (
    UNWRITABLE,
    Dispatcher,
    DispatchResult,
    LockedTriggers,
    log_decisions,
    recompute_fire_times,
)
from automation_service.scheduling.slot_decision import SlotPolicy
from shared.aio import wait_for_stop
from shared.clock import Clock, shift
from shared.db import database
from shared.definition.states import AutomationStatus
from shared.schedule import zones
from shared.schedule.config import LONGEST_JITTER
from shared.telemetry import logs, metrics

# Triggers in one transaction; other transactions wait for its locks.
BATCH_SIZE: Final = 250
# Batches that are fired at the same time: one is decided while PostgreSQL writes the other.
LANES: Final = 2
# Automations that are resumed before due slots are decided again.
RESUME_BATCH_SIZE: Final = 100
NOT_RESUMED: Final = "The service could not resume it at its resume_time; resume it yourself."
_TICK: Final = timedelta(microseconds=1)
# Triggers that come due within this span are fired together.
BATCH_DELAY_SECONDS: Final = 0.025
# How often triggers that other replicas wrote are read.
POLL_INTERVAL: Final = timedelta(seconds=1)
# How often triggers of an older time zone database are searched.
TZDATA_CHECK_INTERVAL: Final = timedelta(hours=1)
# How often a scheduler records that it runs; a longer silence is a downtime.
HEARTBEAT_INTERVAL: Final = timedelta(seconds=5)
DOWNTIME_THRESHOLD: Final = timedelta(seconds=30)

log = logs.logger(__name__)


# Of an automation that the service resumes: what is done in the same transaction, with the
# resume_time and now.
OnResume = Callable[[AsyncConnection, Automation, datetime, datetime], Awaitable[None]]


async def _say_nothing(*_: object) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Fires due triggers and ends due pauses. Any number of replicas may run one at a time."""

    db: AsyncEngine
    queue: RunQueue
    clock: Clock
    policy: SlotPolicy = field(default_factory=SlotPolicy)
    batch_size: int = BATCH_SIZE
    burst: ClaimBurst = field(default_factory=ClaimBurst)
    on_resume: OnResume = _say_nothing
    _dispatcher: Dispatcher = field(init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _heartbeat_time: datetime | None = field(default=None, init=False)
    _refreshing: bool = field(default=True, init=False)
    _refresh_time: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)
    _refresh_cursor: UUID | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._dispatcher = Dispatcher(queue=self.queue, policy=self.policy)

    def wake(self) -> None:
        """Reads the triggers again now, after a write."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        poll = asyncio.create_task(self._poll(stop))
        try:
            while not stop.is_set():
                try:
                    await self._round(stop)
                except Exception as error:
                    if database.translate(error) is None:
                        log.error("scheduler_failed", exc_info=error)
                    else:
                        log.warning("scheduler_lost_database")
                    await asyncio.sleep(0.5)
        finally:
            poll.cancel()

    async def fire_due(self, now: datetime, on_full: Callable[[], None] = lambda: None) -> int:
        """Decides the due slots of a batch of triggers. Returns the number of triggers.

        Calls `on_full` as soon as it has claimed a full batch, so that more may be due.
        """
        ids: list[UUID] = []
        metrics.count("rota.ticks")
        try:
            async with database.transaction(self.db) as connection:
                claimed = await triggers.claim_due(connection, now, self.batch_size)
                ids = [trigger.id for _, trigger in claimed]
                if len(ids) == self.batch_size:
                    on_full()
                result = await self._dispatch(connection, claimed, now)
        except Exception as error:
            if not ids or is_temporary(error):
                raise
            log.warning("batch_failed", triggers=len(ids), exc_info=error)
            for trigger in ids:
                await self._fire_alone(trigger, now)
            return len(ids)
        log_decisions(result)
        return len(ids)

    async def decide_due(
        self,
        connection: AsyncConnection,
        owner: Automation,
        now: datetime,
        *,
        only: Collection[str] | None = None,
        until: datetime | None = None,
    ) -> DispatchResult:
        """Decides the slots of a locked automation whose fire time has come, before a change.

        `only` has the ids of the triggers that the change is about. What it says holds for later
        slots only. A slot that is still inside its jitter fires at once. With `until`, the change
        holds from then on: slots whose fire time is later than that stay due. The caller logs the
        result after the commit.
        """
        decided = DispatchResult(now=now)
        if owner.status is AutomationStatus.ARCHIVED:
            return decided
        held = _choose(owner.triggers, only)
        if old := _outdated((owner.id, t) for t in held if t.next_fire_time):
            await recompute_fire_times(connection, old, now)
            held = _choose(await self._list_triggers(connection, owner), only)
        while due := [(owner.id, trigger) for trigger in held if _may_have_come(trigger, now)]:
            batch = await self._dispatcher.dispatch(connection, due, now, early=True, until=until)
            decided.slots += batch.slots
            # A batch is limited, and the change leaves no slot behind.
            if not batch.slots:
                break
            held = _choose(await self._list_triggers(connection, owner), only)
        return decided

    async def resume_due(self, now: datetime) -> int:
        """Resumes automations whose resume_time has come. Returns how many of them there were.

        At most RESUME_BATCH_SIZE: the others are still due.
        """
        async with self.db.connect() as connection:
            due = await automations.list_due_resumes(connection, now, RESUME_BATCH_SIZE)
        for automation in due:
            try:
                async with database.transaction(self.db) as connection:
                    owner = await automations.lock_by_id(connection, automation)
                    decided = await self.resume_if_due(connection, owner, now) if owner else None
            except Exception as error:
                if is_temporary(error):
                    raise
                log.error("resume_failed", automation=str(automation), exc_info=error)
                async with database.transaction(self.db) as connection:
                    await automations.keep_paused(connection, automation, NOT_RESUMED)
                continue
            if decided is not None:
                log_decisions(decided)
        return len(due)

    async def resume_if_due(
        self, connection: AsyncConnection, owner: Automation, now: datetime
    ) -> DispatchResult | None:
        """Resumes a locked automation whose resume_time has come. None when it has not.

        The resume holds from that moment on, however late this is: earlier slots are decided as
        those of the pause, and later ones are left to be decided as those of an active automation.
        """
        moment = owner.resume_time
        if owner.status is not AutomationStatus.PAUSED or moment is None or moment > now:
            return None
        decided = await self.decide_due(connection, owner, now, until=shift(moment, -_TICK))
        values = {"status": AutomationStatus.ACTIVE, "pause_note": "", "resume_time": None}
        await automations.update(connection, owner, values, now)
        await waiting_runs.start_all(connection, self.queue, owner.id, resume_time=moment, now=now)
        await self.on_resume(connection, owner, moment, now)
        await automations.audit(
            connection,
            workspace=owner.workspace,
            actor="",  # the service
            action="ResumeAutomation",
            resource=owner.resource,
            decision=None,
            now=now,
        )
        log.info("automation_resumed", automation=owner.resource, resume_time=moment.isoformat())
        return decided

    async def refresh(self) -> int:
        """Recomputes a batch of triggers of an older time zone database. Returns their number."""
        async with database.transaction(self.db) as connection:
            claimed = await triggers.claim_outdated(
                connection, zones.VERSION, self.batch_size, after=self._refresh_cursor
            )
            if claimed:
                await recompute_fire_times(connection, claimed, self.clock.now())
        if claimed:
            self._refresh_cursor = claimed[-1][1].id
        return len(claimed)

    async def _list_triggers(
        self, connection: AsyncConnection, owner: Automation
    ) -> Sequence[Trigger]:
        return (await triggers.list_by_automation(connection, [owner.id])).get(owner.id, ())

    async def _refresh_if_due(self) -> None:
        """Refreshes one batch. After the last batch it pauses: older replicas may still write."""
        now = self.clock.now()
        if (
            not self._refreshing
            and timedelta(0) <= now - self._refresh_time < TZDATA_CHECK_INTERVAL
        ):
            return
        self._refreshing = await self.refresh() == self.batch_size
        if not self._refreshing:
            self._refresh_time, self._refresh_cursor = now, None

    async def _dispatch(
        self, connection: AsyncConnection, claimed: LockedTriggers, now: datetime
    ) -> DispatchResult:
        if old := _outdated(claimed):
            # They may not be due at all. The other triggers come in the next round.
            await recompute_fire_times(connection, old, now)
            return DispatchResult()
        return await self._dispatcher.dispatch(connection, claimed, now)

    async def _fire_alone(self, trigger: UUID, now: datetime) -> None:
        """Fires one trigger of a failed batch. Disables the trigger when it fails again."""
        try:
            async with database.transaction(self.db) as connection:
                claimed = await triggers.claim_due(connection, now, 1, only=trigger)
                result = await self._dispatch(connection, claimed, now)
        except Exception as error:
            if is_temporary(error):
                raise
            log.error("trigger_disabled", trigger=str(trigger), exc_info=error)
            async with database.transaction(self.db) as connection:
                await rows.disable_triggers(connection, [trigger], UNWRITABLE, now)
            return
        log_decisions(result)

    async def _heartbeat(self) -> None:
        now = self.clock.now()
        if (
            self._heartbeat_time is not None
            and timedelta(0) <= now - self._heartbeat_time < HEARTBEAT_INTERVAL
        ):
            return
        async with database.transaction(self.db) as connection:
            downtime = await scheduler_heartbeats.record_heartbeat(
                connection, now, DOWNTIME_THRESHOLD
            )
            await automations.clear_stale_resumes(connection)
        self._heartbeat_time = now
        if downtime is not None:
            log.warning(
                "scheduler_was_away", since=downtime.start.isoformat(), now=downtime.end.isoformat()
            )

    async def _round(self, stop: asyncio.Event) -> None:
        self._woken.clear()
        if stop.is_set():
            return  # no event would end the wait
        await self._heartbeat()
        await self._refresh_if_due()
        async with self.db.connect() as connection:
            fire = await triggers.find_next_due(connection)
            resume = await automations.find_next_resume(connection)
        now = self.clock.now()
        due = min((moment for moment in (fire, resume) if moment is not None), default=None)
        if due is not None and due <= now:
            # Resumes first, so that the slots of their moment find active automations.
            if resume is not None and resume <= now:
                await self.resume_due(now)
            await self._fire_all(stop)
        elif not self._refreshing:  # a trigger that is not yet refreshed may be due earlier
            await self.clock.wait_until(due or now + timedelta(days=1), self._woken)

    async def _fire_all(self, stop: asyncio.Event) -> None:
        with self.burst.hold():
            fired = await self._fire_batches(stop)
        # Nothing else is due, or another replica has locked it.
        await asyncio.sleep(BATCH_DELAY_SECONDS if fired else 2 * BATCH_DELAY_SECONDS)

    async def _fire_batches(self, stop: asyncio.Event) -> int:
        """Fires batches until one is not full, up to LANES at a time. Returns how many triggers."""
        lanes: list[asyncio.Task[int]] = []

        def begin_lane() -> None:
            if len(lanes) < LANES:
                lanes.append(asyncio.create_task(self._fire_lane(stop, begin_lane)))

        begin_lane()
        try:
            for lane in lanes:  # a lane may begin the next one
                await asyncio.wait([lane])
        finally:
            for lane in lanes:
                lane.cancel()
        fired = await asyncio.gather(*lanes, return_exceptions=True)
        for error in fired:
            if isinstance(error, BaseException):
                raise error
        return sum(lane.result() for lane in lanes)

    async def _fire_lane(self, stop: asyncio.Event, on_full: Callable[[], None]) -> int:
        """Fires one batch after another up to one that is not full."""
        fired, last = 0, self.batch_size
        while last == self.batch_size and not stop.is_set():
            last = await self.fire_due(self.clock.now(), on_full)
            fired += last
            if last == self.batch_size:
                await self._heartbeat()
        return fired

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await wait_for_stop(stop, POLL_INTERVAL.total_seconds())
            self._woken.set()
        self._woken.set()


def _choose(held: Sequence[Trigger], only: Collection[str] | None) -> Sequence[Trigger]:
    return [trigger for trigger in held if only is None or trigger.trigger_id in only]


def _may_have_come(trigger: Trigger, now: datetime) -> bool:
    """Returns False when no slot of a trigger awaits a decision that its fire time allows."""
    if not trigger.enabled:
        # A person's disabled trigger has no slots. One that the service disabled has missed its.
        return trigger.disabled_reason != ""
    due = trigger.next_fire_time
    return due is not None and due <= shift(now, LONGEST_JITTER)


def _outdated(claimed: Iterable[tuple[UUID, Trigger]]) -> LockedTriggers:
    """Returns the triggers of an older time zone database, which must not fire yet."""
    return [one for one in claimed if one[1].tzdata_version < zones.VERSION]


def is_temporary(error: Exception) -> bool:
    """Returns True when the data is not the cause, so that a retry may help."""
    if database.translate(error) is not None:
        return True
    state = str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
    # transaction rollback, insufficient resources, operator intervention, system error
    return state.startswith(("40", "53", "55", "57", "58"))
