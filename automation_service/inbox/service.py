"""The methods of inboxes: get, list, watch, mark."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.inbox.watch import InboxChange, InboxWatcher
from automation_service.persistence import inbox as rows
from automation_service.persistence.enums import InboxItemKind, InboxItemState
from automation_service.persistence.inbox import InboxItem, InboxOwner, ItemSelection
from shared import errors, list_filter, resources
from shared.aip import Page
from shared.clock import Clock
from shared.db import database
from shared.resources import Pattern
from shared.rpc.idempotency import Idempotency, IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """Items, one more than the page has if there is another; and what the whole inbox has."""

    items: Sequence[InboxItem]
    unread_count: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inboxes:
    """Every method takes whose inbox it is: nobody reads or marks another's."""

    db: AsyncEngine
    clock: Clock
    idempotency: Idempotency
    watcher: InboxWatcher

    async def get(self, owner: InboxOwner, name: str) -> InboxItem:
        item = resources.parse_uuid(resources.INBOX_ITEM.parse(name)["inbox_item"], name)
        async with self.db.connect() as connection:
            found = await rows.find(connection, owner, item)
        if found is None:
            raise errors.ResourceNotFound(name)
        return found

    async def list(self, owner: InboxOwner, page: Page, filter_: str, *, full: bool) -> InboxPage:
        wanted = list_filter.parse(filter_, _FILTER_FIELDS)
        async with self.db.connect() as connection:
            # First, so that a watch after it misses nothing.
            progress = (await rows.list_progress(connection, [owner]))[owner]
            items = await rows.page(
                connection,
                owner,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
                full=full,
            )
            unread = await rows.count_unread(connection, owner)
        return InboxPage(items=items, unread_count=unread, sequence=progress.sequence)

    async def watch(self, owner: InboxOwner, after: int) -> AsyncIterator[InboxChange]:
        """Yields changes after a sequence, then new ones. One without an item is a heartbeat."""
        async with aclosing(self.watcher.watch(owner, after)) as changes:
            async for change in changes:
                yield change

    async def mark(
        self, owner: InboxOwner, chosen: ItemSelection, key: IdempotencyKey, *, read: bool
    ) -> tuple[int, int]:
        """Marks items. Returns how many it changed, and how many of the inbox are unread."""
        marked, sequence = 0, 0
        async with database.transaction(self.db) as connection:

            async def change() -> str:
                nonlocal marked, sequence
                last = await rows.lock_inbox(connection, owner)
                read_time = self.clock.now() if read else None
                marked = await rows.mark(connection, owner, chosen, read_time)
                sequence = await _number(connection, owner, last)
                return resources.WORKSPACE.format(workspace=owner.workspace)

            await self.idempotency.run(connection, key, change)
            unread = await rows.count_unread(connection, owner)
        self.watcher.poke(owner, sequence)
        return marked, unread


async def _number(connection: AsyncConnection, owner: InboxOwner, last: int) -> int:
    """Numbers all changes of a locked inbox. Returns the number of the last."""
    while count := await rows.number_changes(connection, owner, last):
        last += count
    return last


def parse_ids(owner: InboxOwner, names: Sequence[str]) -> Sequence[UUID]:
    """Returns the ids of items. Raises InvalidRequest for names of another workspace."""
    found = []
    for place, name in enumerate(names):
        parts = resources.INBOX_ITEM.parse(name)
        if parts["workspace"] != owner.workspace:
            raise errors.invalid(f"names[{place}]", "is of another workspace than parent")
        try:
            found.append(UUID(parts["inbox_item"]))
        except ValueError:
            raise errors.invalid(f"names[{place}]", "does not end in a UUID") from None
    return found


def _read_name(pattern: Pattern) -> list_filter.Kind:
    """The kind of a field that holds a name of `pattern`."""

    def read(value: str) -> str:
        if not pattern.match(value):
            raise ValueError(f"{value!r} is no name such as {pattern.template}")
        return value

    return list_filter.Kind(("=", "!="), read)


_FILTER_FIELDS: Final[Mapping[str, list_filter.Kind]] = {
    "state": list_filter.state(InboxItemState),
    "kind": list_filter.state(InboxItemKind),
    "automation": _read_name(resources.AUTOMATION),
    "thread": _read_name(resources.THREAD),
    "create_time": list_filter.TIME,
}
