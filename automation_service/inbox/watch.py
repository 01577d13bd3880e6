"""The watch of an inbox: the items that changed, then each further change."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import inbox as rows
from automation_service.persistence.inbox import InboxItem, InboxOwner
from shared import errors
from shared.aio import Notifier, run_every
from shared.db import database
from shared.telemetry import logs

# How often one query reads which of the watched inboxes have changed.
POLL_SECONDS: Final = 0.5
HEARTBEAT_SECONDS: Final = 15.0

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxChange:
    """An item as it is now; without one, a heartbeat. `sequence` is where a watch goes on."""

    sequence: int
    unread_count: int
    item: InboxItem | None = None


@dataclass(slots=True)
class _Watch:
    """What the watchers of one inbox share."""

    watchers: int = 0
    sequence: int = 0  # of the last change that is known here
    moved: Notifier = field(default_factory=Notifier)

    def advance(self, sequence: int) -> None:
        if sequence > self.sequence:
            self.sequence = sequence
            self.moved.notify()


@dataclass(slots=True, kw_only=True)
class InboxWatcher:
    """Streams inboxes, which every replica changes.

    Who adds an item takes no lock of the inbox and gives the item no number. The watcher numbers
    the changes that are committed, under the inbox's lock, so that no change comes late with a
    number that a stream has passed.
    """

    db: AsyncEngine
    poll_seconds: float = POLL_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    _watched: dict[InboxOwner, _Watch] = field(default_factory=dict, init=False)

    async def watch(self, owner: InboxOwner, after: int) -> AsyncGenerator[InboxChange, None]:
        """Yields items whose last change is after a sequence, then each that changes.

        Raises InvalidRequest for a sequence beyond the last change.
        """
        watch = self._watched.setdefault(owner, _Watch())
        watch.watchers += 1
        try:
            await self._number(owner, watch)
            if after > watch.sequence:
                raise errors.invalid("after_sequence", f"the last change is {watch.sequence}")
            beat = time.monotonic() + self.heartbeat_seconds
            while True:
                seen = watch.moved.count
                while after < (known := watch.sequence):
                    found, unread = await self._read(owner, after)
                    for item in found:
                        after = item.sequence
                        yield InboxChange(sequence=after, unread_count=unread, item=item)
                    if len(found) < rows.BATCH:
                        after = max(after, known)  # whose items changed again, or are gone
                    beat = time.monotonic() + self.heartbeat_seconds
                if not await watch.moved.wait(seen, beat - time.monotonic()):
                    beat = time.monotonic() + self.heartbeat_seconds
                    unread = await self._count(owner)
                    yield InboxChange(sequence=after, unread_count=unread)
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                self._watched.pop(owner, None)

    def poke(self, owner: InboxOwner, sequence: int) -> None:
        """Tells the watchers of an inbox of its last change, which this process has stored."""
        if (watch := self._watched.get(owner)) is not None:
            watch.advance(sequence)

    async def run(self, stop: asyncio.Event) -> None:
        """Numbers the changes of watched inboxes, and wakes their watchers."""
        on_error = partial(database.log_fault, log, "inbox_watch_failed")
        await run_every(self.poll_seconds, self._poll, stop=stop, on_error=on_error)

    async def _poll(self) -> None:
        if not self._watched:
            return
        async with self.db.connect() as connection:
            found = await rows.list_progress(connection, list(self._watched))
        for owner, progress in found.items():
            watch = self._watched.get(owner)
            if watch is None:
                continue
            if progress.has_more:
                await self._number(owner, watch)
            watch.advance(progress.sequence)

    async def _number(self, owner: InboxOwner, watch: _Watch) -> None:
        """Numbers all changes of an inbox, a batch in a transaction."""
        while True:
            async with database.transaction(self.db) as connection:
                last = await rows.lock_inbox(connection, owner)
                count = await rows.number_changes(connection, owner, last)
            watch.advance(last + count)
            if not count:
                return

    async def _read(self, owner: InboxOwner, after: int) -> tuple[list[InboxItem], int]:
        async with self.db.connect() as connection:
            found = await rows.list_changes(connection, owner, after)
            return found, await rows.count_unread(connection, owner)

    async def _count(self, owner: InboxOwner) -> int:
        async with self.db.connect() as connection:
            return await rows.count_unread(connection, owner)
