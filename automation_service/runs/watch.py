"""The watch of a run: its stored events, then each new one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import runs as rows
from automation_service.persistence.records import RunEvent
from automation_service.persistence.runs import RunProgress
from shared import errors
from shared.aio import Notifier, run_every
from shared.db import database
from shared.telemetry import logs

# How often one query reads how far the watched runs are, which other replicas may execute.
POLL_SECONDS: Final = 0.5
HEARTBEAT_SECONDS: Final = 15.0

log = logs.logger(__name__)

# The next events, and whether the run has ended without more.
_Page = tuple[Sequence[RunEvent], bool]


@dataclass(slots=True)
class _Watch:
    """What the watchers of one run share."""

    watchers: int = 0
    # As read last, and the count of `moved` since which nobody was woken for more.
    progress: RunProgress | None = None
    woken: int = 0
    moved: Notifier = field(default_factory=Notifier)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    page: tuple[tuple[int, int], _Page] | None = None  # by `after` and the count of `moved`


@dataclass(slots=True, kw_only=True)
class RunWatcher:
    """Streams runs of every replica. A watcher reads only when its run has moved."""

    db: AsyncEngine
    poll_seconds: float = POLL_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    _watched: dict[UUID, _Watch] = field(default_factory=dict, init=False)

    async def watch(self, run: UUID, after: int) -> AsyncGenerator[RunEvent | None, None]:
        """Yields stored events after a sequence, then new ones until the run ends.

        None is a heartbeat. Raises StreamTruncated when some of the events were deleted, and
        InvalidRequest for a sequence beyond the last event.
        """
        watch = self._watched.setdefault(run, _Watch())
        watch.watchers += 1
        try:
            beat = time.monotonic() + self.heartbeat_seconds
            while True:
                seen = watch.moved.count
                found, over = await self._read(run, watch, after)
                for event in found:
                    after = event.sequence
                    yield event
                    if "ended" in event.event:
                        return
                if over:
                    return
                if found:
                    beat = time.monotonic() + self.heartbeat_seconds
                elif not await watch.moved.wait(seen, beat - time.monotonic()):
                    beat = time.monotonic() + self.heartbeat_seconds
                    yield None
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                self._watched.pop(run, None)

    def poke(self, run: UUID) -> None:
        """Makes the watchers of a run read again: this process has stored events of it."""
        if (watch := self._watched.get(run)) is not None:
            watch.moved.notify()

    async def run(self, stop: asyncio.Event) -> None:
        """Wakes the watchers of runs that move elsewhere."""
        on_error = partial(database.log_fault, log, "watch_failed")
        await run_every(self.poll_seconds, self._poll, stop=stop, on_error=on_error)

    async def _poll(self) -> None:
        if not self._watched:
            return
        asked = list(self._watched)
        async with self.db.connect() as connection:
            progress = await rows.list_progress(connection, asked)
        for run in asked:
            watch = self._watched.get(run)
            if watch is not None and watch.progress != progress.get(run):
                watch.moved.notify()
                watch.progress, watch.woken = progress.get(run), watch.moved.count

    async def _read(self, run: UUID, watch: _Watch, after: int) -> _Page:
        async with watch.reading:
            key = (after, watch.moved.count)
            if watch.page is None or watch.page[0] != key:
                watch.page = (key, await self._read_page(run, watch, after))
            return watch.page[1]

    async def _read_page(self, run: UUID, watch: _Watch, after: int) -> _Page:
        count = watch.moved.count
        async with self.db.connect() as connection:
            progress = (await rows.list_progress(connection, [run])).get(run)
            if watch.progress not in (None, progress) and watch.woken == count:
                # The poll sees no difference any more, so the others are woken here.
                watch.moved.notify()
                count = watch.moved.count
            watch.progress, watch.woken = progress, count
            if progress is None:
                return [], True
            if after < progress.floor:
                raise errors.StreamTruncated(progress.floor)
            if after > progress.events:
                raise errors.invalid("after_sequence", f"the last event is {progress.events}")
            if after >= progress.events:
                return [], progress.status.finished
            found = await rows.list_events(connection, run, after)
        # Retention may have deleted some meanwhile.
        if not found or found[0].sequence != after + 1:
            raise errors.StreamTruncated(found[0].sequence - 1 if found else progress.events)
        return found, False
