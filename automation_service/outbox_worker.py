"""A worker that sends the messages of an outbox: at least once, each under one id, for a day."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.clock import Clock
from shared.db import database
from shared.retry import RetryPolicy, table
from shared.telemetry import logs

# The delays after each failed attempt. The message fails after the last.
RETRY_DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=5),
    timedelta(hours=6),
    timedelta(hours=6),
)
# Jitter, so that messages that failed together are not sent together again.
RETRY: Final = RetryPolicy(
    interval=table(*RETRY_DELAYS), maximum_attempts=len(RETRY_DELAYS) + 1, jitter=(1.0, 1.1)
)
# Longer than an attempt takes. After it another process sends the messages of a dead one.
LEASE: Final = timedelta(seconds=60)
# Lanes with messages in progress.
MAX_LANES: Final = 20
# How often the age of the oldest message is measured, and what waits beyond a limit ends.
METRIC_INTERVAL: Final = timedelta(minutes=1)

log = logs.logger(__name__)


class OutboxMessage(Protocol):
    @property
    def id(self) -> UUID: ...


Message = TypeVar("Message", bound=OutboxMessage)


@dataclass(slots=True, kw_only=True)
class OutboxWorker(ABC, Generic[Message]):
    """Any number of replicas may run one at the same time.

    A lane is what a slow receiver delays: messages of a lane are claimed together, and no more of
    it while some of them are in progress.
    """

    db: AsyncEngine
    clock: Clock
    poll_interval: timedelta = timedelta(seconds=2)
    _sending: dict[Hashable, set["asyncio.Task[None]"]] = field(default_factory=dict, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _measured_time: datetime | None = field(default=None, init=False)

    @abstractmethod
    async def claim(
        self, connection: AsyncConnection, now: datetime, *, lanes: int, busy: Collection[Hashable]
    ) -> Sequence[Message]:
        """Starts an attempt of due messages of so many lanes, but of none that is busy."""

    @abstractmethod
    def find_lane(self, message: Message) -> Hashable: ...

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Makes the attempt and stores what came of it."""

    @abstractmethod
    async def store_fault(self, message: Message) -> None:
        """Stores an attempt that ended by an error which nobody expects, and the next try."""

    @abstractmethod
    async def find_oldest(self, connection: AsyncConnection) -> datetime | None:
        """Returns since when the oldest message waits."""

    @abstractmethod
    def set_age(self, seconds: float) -> None:
        """Shows the age of the oldest message as a metric."""

    async def end_surplus(self) -> None:
        """Ends what waits beyond a limit. Nothing, for messages that have none here."""

    async def prepare(self) -> None:
        """Does what comes before the first message. Raises nothing."""

    async def run(self, stop: asyncio.Event) -> None:
        """Sends what is due until `stop` is set, and then cancels what is in progress."""
        await self.prepare()
        waker = asyncio.create_task(self._wake_at(stop))
        while not stop.is_set():
            self._woken.clear()
            try:
                await self.send_due()
                await self._measure()
            except Exception as error:  # noqa: BLE001 - the next try may succeed
                database.log_fault(log, "deliveries_failed", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self.poll_interval.total_seconds())
        waker.cancel()
        await self.wait_until_idle(cancel=True)

    def wake(self) -> None:
        """Has it look for messages now."""
        self._woken.set()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    async def send_due(self) -> int:
        """Starts to send due messages. Returns their number."""
        if len(self._sending) >= MAX_LANES:
            return 0
        async with database.transaction(self.db) as connection:
            claimed = await self.claim(
                connection,
                self.clock.now(),
                lanes=MAX_LANES - len(self._sending),
                busy=self._sending.keys(),
            )
        for message in claimed:
            self._start(message)
        return len(claimed)

    async def wait_until_idle(self, *, cancel: bool = False) -> None:
        """Waits until no message is in progress. Cancelled messages are sent again later."""
        tasks = [task for held in self._sending.values() for task in held]
        if cancel:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _measure(self) -> None:
        now = self.clock.now()
        if (
            self._measured_time is not None
            and timedelta(0) <= now - self._measured_time < METRIC_INTERVAL
        ):
            return
        await self.end_surplus()
        async with self.db.connect() as connection:
            since = await self.find_oldest(connection)
        age = max(now - since, timedelta(0)) if since else timedelta(0)
        self.set_age(age.total_seconds())
        self._measured_time = now

    async def _attempt(self, message: Message) -> None:
        """Sends a message. An unexpected error is stored, so that the tries come to an end.

        When the database is lost nothing is stored: the message is sent again after its lease.
        """
        try:
            await self.send(message)
        except Exception as error:
            # An OSError may be the receiver's as well.
            if database.translate(error) is not None and not isinstance(error, OSError):
                raise
            log.error("delivery_broken", delivery=str(message.id), exc_info=error)
            await self.store_fault(message)

    def _start(self, message: Message) -> None:
        task = asyncio.create_task(self._attempt(message))
        lane = self.find_lane(message)
        held = self._sending.setdefault(lane, set())
        held.add(task)

        def done(ended: "asyncio.Task[None]") -> None:
            held.discard(ended)
            self._woken.set()  # another message of the lane may wait
            if not held and self._sending.get(lane) is held:
                del self._sending[lane]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                # It is sent again after its lease.
                log.warning("delivery_interrupted", delivery=str(message.id), exc_info=error)

        task.add_done_callback(done)
