"""The queue that delivers runs to workers under a lease, and its port."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.core.buffers import JobStatusLogBuffer
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.ports.driver import Driver
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service import queue_entries
from automation_service.claim_burst import ClaimBurst
from automation_service.queue_entries import ENTRYPOINT, SCHEMA, EntryQueries
from shared.aio import wait_for_stop
from shared.db import database
from shared.db.statements import fetch
from shared.db.type_cache import TypeCache
from shared.telemetry import logs

CHANNEL: Final = "rota_runs"
# Entries dequeued at once. After a crash up to so many ended runs are delivered again.
MAX_BATCH: Final = 100
MIN_BATCH: Final = 10
LOG_RETENTION: Final = timedelta(days=1)
# How often the connection that listens is checked.
HEALTH_INTERVAL: Final = timedelta(seconds=10)
PRUNE_SECONDS: Final = 3600.0
PRUNE_DELAY_SECONDS: Final = 60.0

log = logs.logger(__name__)

Handler = Callable[[UUID], Awaitable[None]]


class RunQueue(Protocol):
    """Delivers runs to workers at least once. RunReconciler enqueues lost runs again."""

    async def enqueue(self, connection: AsyncConnection, runs: Sequence[UUID]) -> None:
        """Adds an entry for each run that has none, in the connection's transaction."""
        ...

    async def cancel(self, run: UUID) -> None:
        """Cancels the handler of a run, if this process runs it."""
        ...

    async def serve(self, handler: Handler, stop: asyncio.Event) -> None:
        """Calls the handler for each entry until `stop`. Unfinished runs return to the queue."""
        ...

    async def install(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class PgQueuer:
    """A RunQueue on pgqueuer. After `lease` another worker gets the runs of a dead worker."""

    url: str = field(repr=False)
    lease: timedelta = timedelta(seconds=8)
    poll_interval: timedelta = timedelta(seconds=2)
    concurrency: int = 400
    pool_size: int = 6
    burst: ClaimBurst = field(default_factory=ClaimBurst)
    _settings: DBSettings = field(init=False)
    _types: TypeCache = field(init=False, default_factory=TypeCache)
    _held: dict[UUID, "asyncio.Task[None]"] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._settings = DBSettings(prefix="", db_schema=SCHEMA, channel=Channel(CHANNEL))

    async def enqueue(self, connection: AsyncConnection, runs: Sequence[UUID]) -> None:
        if not runs:
            return
        await fetch(connection, queue_entries.ADD, list(runs))

    async def cancel(self, run: UUID) -> None:
        if task := self._held.get(run):
            task.cancel()

    async def serve(self, handler: Handler, stop: asyncio.Event) -> None:
        pruning = asyncio.create_task(self._prune(stop))
        # The manager ends with its connection, for example when PostgreSQL restarts.
        while not stop.is_set():
            try:
                await self._serve_once(handler, stop)
            except Exception as error:  # noqa: BLE001 - the manager restarts after any error
                log.warning("engine_lost", error=type(error).__name__)
                await wait_for_stop(stop, 0.5)
        pruning.cancel()

    async def prune(self) -> None:
        """Deletes the queue's log entries that are older than LOG_RETENTION."""
        connection = await asyncpg.connect(database.plain_dsn(self.url), command_timeout=60)
        try:
            await connection.execute(
                f"delete from {SCHEMA}.pgqueuer_log where created < now() - $1::interval",
                LOG_RETENTION,
            )
        finally:
            await connection.close()

    async def install(self) -> None:
        connection = await asyncpg.connect(database.plain_dsn(self.url))
        try:
            queries = self._queries(Queries.from_asyncpg_connection(connection).driver)
            await connection.execute(f'create schema if not exists "{SCHEMA}"')
            async with queries.schema_lock():
                installed = await queries.schema_is_installed()
                if not installed:
                    await queries.install(create_schema=False)
            if installed:
                await queries.upgrade()
        finally:
            await connection.close()

    async def _prune(self, stop: asyncio.Event) -> None:
        # A process that has just started serves first.
        await wait_for_stop(stop, PRUNE_DELAY_SECONDS)
        while not stop.is_set():
            try:
                await self.prune()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("prune_failed", error=type(error).__name__)
            await wait_for_stop(stop, PRUNE_SECONDS)

    async def _serve_once(self, handler: Handler, stop: asyncio.Event) -> None:
        pool = await asyncpg.create_pool(
            database.plain_dsn(self.url),
            min_size=2,
            max_size=self.pool_size,
            command_timeout=30,
            connect=self._types.connect,
        )
        batch = min(MAX_BATCH, max(MIN_BATCH, self.concurrency // 4))
        try:
            manager = _Manager(
                self._queries(Queries.from_asyncpg_pool(pool).driver),
                channel=self._settings.channel,
                burst=self.burst,
                places=self.concurrency,
                rest=self.poll_interval,
            )
            manager.entrypoint(ENTRYPOINT, accepts_context=False)(self._job(handler, stop))
            ends = asyncio.create_task(self._hand_back(manager, stop))
            beats = asyncio.create_task(self._keep(manager))
            try:
                await manager.run(
                    batch_size=batch,
                    dequeue_timeout=self.poll_interval,
                    heartbeat_timeout=self.lease,
                    shutdown_on_listener_failure=True,
                    log_aggregation_interval=timedelta(0),
                )
            finally:
                ends.cancel()
                beats.cancel()
        finally:
            pool.terminate()

    async def _hand_back(self, manager: QueueManager, stop: asyncio.Event) -> None:
        await stop.wait()
        manager.shutdown.set()
        for task in list(self._held.values()):
            task.cancel()

    async def _keep(self, manager: QueueManager) -> None:
        """Renews the leases of all jobs in hand, twice in a lease; a failure sooner."""
        rest = self.lease / 2
        while True:
            await asyncio.sleep(rest.total_seconds())
            rest = self.lease / 2
            if jobs := list(manager.job_context):
                try:
                    await manager.queries.update_heartbeat(jobs)
                except Exception as error:  # noqa: BLE001 - the next try may succeed
                    log.warning("leases_not_renewed", error=type(error).__name__)
                    rest = self.lease / 8

    def _job(self, handler: Handler, stop: asyncio.Event) -> Callable[[Job], Awaitable[None]]:
        async def run_job(job: Job) -> None:
            """Raises RetryRequested for an entry that is not lost: another worker gets it."""
            if stop.is_set():
                raise RetryRequested(delay=timedelta(0), reason="draining")
            run = UUID((job.payload or b"").decode())
            task = asyncio.current_task()
            assert task is not None
            self._held[run] = task
            try:
                await handler(run)
            except asyncio.CancelledError:
                task.uncancel()
                raise RetryRequested(delay=timedelta(0), reason="handed back") from None
            except Exception as error:
                log.warning("run_interrupted", run=str(run), exc_info=error)
                raise RetryRequested(delay=timedelta(seconds=1), reason="interrupted") from error
            finally:
                del self._held[run]

        return run_job

    def _queries(self, driver: Driver) -> EntryQueries:
        return EntryQueries(
            driver,
            qbe=QueryBuilderEnvironment(self._settings),
            qbq=QueryQueueBuilder(self._settings),
            qbs=QuerySchedulerBuilder(self._settings),
        )


@dataclass
class _Manager(QueueManager):
    """A QueueManager with one task for each job and one heartbeat for all, that of PgQueuer.

    Its own takes three tasks for each (`python -m bench automation`). `places` is how many jobs may
    be in progress; while all are taken, it asks the database for nothing until a job ends, for
    `rest` at most.
    """

    burst: ClaimBurst = field(kw_only=True)
    places: int = field(kw_only=True)
    rest: timedelta = field(kw_only=True)
    _ended: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    async def verify_structure(self) -> None:
        """Asks the database nothing: the service starts only when it is migrated."""

    async def _run_periodic_health_check(self, interval: timedelta = HEALTH_INTERVAL) -> None:
        """Begins after an interval: a check that comes before LISTEN would never be answered."""
        await wait_for_stop(self.shutdown, interval.total_seconds())
        await super()._run_periodic_health_check(interval)

    async def fetch_jobs(
        self, batch_size: int, _limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Yields jobs until none is left. It is a burst while there are places for them."""
        while (jobs := await self._take(batch_size, heartbeat_timeout)) != []:
            if jobs is None:
                if not await self._wait_for_place():
                    return
                continue
            with self.burst.hold():
                while jobs:
                    for job in jobs:
                        yield job
                    jobs = await self._take(batch_size, heartbeat_timeout)
            if jobs is not None:
                return

    async def _take(self, most: int, lease: timedelta) -> list[Job] | None:
        """Takes jobs for which there are places. None when all are taken."""
        if self.shutdown.is_set():
            return []
        if (free := self.places - len(self.job_context)) <= 0:
            return None
        return await self.queries.dequeue(
            batch_size=min(most, free),
            entrypoints={},
            queue_manager_id=self.queue_manager_id,
            global_concurrency_limit=None,
            heartbeat_timeout=lease,
        )

    async def _wait_for_place(self) -> bool:
        """Waits until a job ends. False when none did, so that the connection is looked after."""
        self._ended.clear()
        try:
            await asyncio.wait_for(self._ended.wait(), self.rest.total_seconds())
        except TimeoutError:
            return False
        return True

    def forget_job(self, *job: Any) -> None:
        super().forget_job(*job)
        self._ended.set()

    async def _dispatch(self, job: Job, ended: JobStatusLogBuffer, *_: Any) -> None:
        """Calls the handler of a job; then the entry is gone, or back in the queue."""
        call: Any = self.entrypoint_registry[job.entrypoint].parameters.func
        try:
            await call(job)
        except RetryRequested as retry:
            # Released first, or the next dequeue of this process skips the entry.
            self.job_context.pop(job.id, None)
            try:
                await self.queries.retry_job(job, retry.delay, None)
            except Exception as error:  # noqa: BLE001 - after the lease it is delivered again
                log.warning("run_not_handed_back", error=type(error).__name__)
        else:
            await ended.add((job, "successful", None))
