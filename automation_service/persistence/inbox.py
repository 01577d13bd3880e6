"""Queries of inboxes. A member of a workspace has one inbox there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import InboxItemState
from automation_service.persistence.tables import TENANTS, inbox_items, inboxes
from shared.db.queries import matches, newest_first
from shared.list_filter import Filter
from shared.resources import INBOX_ITEM

# Changes that one statement numbers, or reads.
BATCH: Final = 200
_COLUMNS: Final = inbox_items.c
# Verbatim as in the index, so that PostgreSQL uses it.
_IS_AWAITED: Final = sa.text("inbox_items.approval <> '' and inbox_items.read_time is null")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOwner:
    """Whose inbox it is: a user's, in a workspace."""

    workspace: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInboxItem:
    """What an inbox gets. `automation` to `destination` are resource names, or empty.

    `kind` is one of InboxItemKind; a replica of a later version may have stored another.
    """

    id: UUID
    workspace: str
    user: str
    kind: str
    subject: str
    snippet: str = ""
    body: str = ""
    format: str = "markdown"
    automation: str = ""
    run: str = ""
    delivery: str = ""
    thread: str = ""
    approval: str = ""
    destination: str = ""
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem(NewInboxItem):
    """An item as it is stored. `sequence` is 0 while its last change has no number."""

    read_time: datetime | None = None
    sequence: int = 0

    @property
    def resource(self) -> str:
        return INBOX_ITEM.format(workspace=self.workspace, inbox_item=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxProgress:
    """The number of the last change, and whether there are changes without a number."""

    sequence: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSelection:
    """Which items a call marks: those with an id of `ids`, or of `thread`, or all.

    In each case only those that were created up to `end_time`, if that is given.
    """

    ids: Sequence[UUID] | None = None
    thread: str = ""
    end_time: datetime | None = None


async def insert_items(
    connection: AsyncConnection, items: Sequence[NewInboxItem]
) -> Sequence[UUID]:
    """Inserts items whose ids are new, for members of today. Returns their ids.

    An item of anybody else is left out: it must not undo the transaction that it is part of.
    """
    if not items:
        return []
    # In one order everywhere, so that two transactions with the same ids wait and do not deadlock.
    ordered = sorted(items, key=lambda item: item.id)
    names = [field.name for field in fields(NewInboxItem)]
    given = (
        sa.values(*(sa.column(name, _column(name).type) for name in names), name="given")
        .data([tuple(getattr(item, name) for name in names) for item in ordered])
        .cte("given")
    )
    members = TENANTS.memberships.c
    source = (
        sa.select(*(sa.cast(given.c[name], _column(name).type) for name in names))
        .join_from(
            given,
            TENANTS.memberships,
            (members.workspace_id == given.c.workspace) & (members.user_id == given.c.user),
        )
        .where(members.revoked_time.is_(None))
        .order_by(given.c.id)
    )
    made = await connection.scalars(
        insert(inbox_items)
        .from_select([_column(name) for name in names], source)
        .on_conflict_do_nothing()
        .returning(inbox_items.c.id)
    )
    return list(made)


async def place_in_thread(
    connection: AsyncConnection, owner: InboxOwner, item: UUID, *, thread: str, delivery: str
) -> bool:
    """Stores a thread, and the delivery to it, at an item.

    Returns False if there is no such item, or it names a thread already.
    """
    changed = await connection.execute(
        sa.update(inbox_items)
        .where(_of(owner), _COLUMNS.id == item, _COLUMNS.thread == "")
        .values(thread=thread, delivery=delivery, sequence=None)
    )
    return bool(changed.rowcount)


async def find(connection: AsyncConnection, owner: InboxOwner, item: UUID) -> InboxItem | None:
    query = sa.select(inbox_items).where(_of(owner), _COLUMNS.id == item)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _item(row)


_STATE: Final = sa.case(
    (_COLUMNS.read_time.is_(None), InboxItemState.UNREAD.value), else_=InboxItemState.READ.value
)
_FILTER_COLUMNS: Final = {
    "state": _STATE,
    "kind": _COLUMNS.kind,
    "automation": _COLUMNS.automation,
    "thread": _COLUMNS.thread,
    "create_time": _COLUMNS.create_time,
}


async def page(
    connection: AsyncConnection,
    owner: InboxOwner,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
    full: bool = False,
) -> list[InboxItem]:
    """Lists items, newest first: one more than `size` when there is another page.

    Bodies are empty unless `full`.
    """
    query = sa.select(*_listed(full=full)).where(_of(owner), matches(filter_, _FILTER_COLUMNS))
    query = newest_first(query, _COLUMNS.create_time, _COLUMNS.id, after=after, limit=size + 1)
    return [_item(row) for row in await connection.execute(query)]


async def count_unread(connection: AsyncConnection, owner: InboxOwner) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(inbox_items)
        .where(_of(owner), _COLUMNS.read_time.is_(None))
    )
    return int((await connection.execute(query)).scalar_one())


async def mark(
    connection: AsyncConnection,
    owner: InboxOwner,
    chosen: ItemSelection,
    read_time: datetime | None,
) -> int:
    """Marks items as read at a time, or as unread (None). Returns how many it changed.

    The caller has locked the inbox.
    """
    state = _COLUMNS.read_time.is_(None)
    where = [_of(owner), state if read_time is not None else ~state]
    if chosen.ids is not None:
        where.append(_COLUMNS.id.in_(list(chosen.ids)))
    if chosen.thread:
        where.append(_COLUMNS.thread == chosen.thread)
    if chosen.end_time is not None:
        where.append(_COLUMNS.create_time <= chosen.end_time)
    changed = await connection.execute(
        sa.update(inbox_items).where(*where).values(read_time=read_time, sequence=None)
    )
    return int(changed.rowcount)


async def list_owners_with_unread_approvals(
    connection: AsyncConnection, *, after: InboxOwner, limit: int
) -> list[InboxOwner]:
    """Lists whose inboxes have unread items of approvals, in order."""
    owner = (_COLUMNS.workspace_id, _COLUMNS.user_id)
    query = sa.select(*owner).where(
        _IS_AWAITED, sa.tuple_(*owner) > sa.tuple_(after.workspace, after.user)
    )
    query = query.distinct().order_by(*owner).limit(limit)
    return [_owner(row) for row in await connection.execute(query)]


async def list_unread_approvals(connection: AsyncConnection, owner: InboxOwner) -> dict[UUID, str]:
    """Returns up to `BATCH` unread items of approvals, the oldest, with what each waits for."""
    query = sa.select(_COLUMNS.id, _COLUMNS.approval).where(_of(owner), _IS_AWAITED)
    query = query.order_by(_COLUMNS.create_time).limit(BATCH)
    return {row.id: row.approval for row in await connection.execute(query)}


async def lock_inbox(connection: AsyncConnection, owner: InboxOwner) -> int:
    """Locks an inbox against other marks and numbers. Returns the number of its last change."""
    statement = insert(inboxes).values(workspace_id=owner.workspace, user_id=owner.user, sequence=0)
    locked = statement.on_conflict_do_update(
        index_elements=[inboxes.c.workspace_id, inboxes.c.user_id],
        set_={"sequence": inboxes.c.sequence},
    )
    return int((await connection.execute(locked.returning(inboxes.c.sequence))).scalar_one())


async def number_changes(connection: AsyncConnection, owner: InboxOwner, last: int) -> int:
    """Numbers up to `BATCH` changes of a locked inbox, from `last` on. Returns how many.

    Only changes that are committed get a number, so whoever has seen a number has seen all changes
    before it.
    """
    changed = (
        sa.select(_COLUMNS.id, _COLUMNS.create_time)
        .where(_of(owner), _COLUMNS.sequence.is_(None))
        .order_by(_COLUMNS.create_time, _COLUMNS.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("changed")
    )
    order = sa.func.row_number().over(order_by=[changed.c.create_time, changed.c.id])
    numbered = sa.select(changed.c.id, order.label("place")).cte("numbered")
    done = await connection.execute(
        sa.update(inbox_items)
        .where(_COLUMNS.id == numbered.c.id)
        .values(sequence=last + sa.cast(numbered.c.place, sa.Integer))
    )
    count = int(done.rowcount)
    if count:
        await connection.execute(
            sa.update(inboxes)
            .where(inboxes.c.workspace_id == owner.workspace, inboxes.c.user_id == owner.user)
            .values(sequence=last + count)
        )
    return count


async def list_progress(
    connection: AsyncConnection, owners: Collection[InboxOwner]
) -> dict[InboxOwner, InboxProgress]:
    """Reads how far inboxes are, with one query."""
    asked = as_members(owners)
    unnumbered = sa.exists().where(
        _COLUMNS.workspace_id == asked.c.workspace_id,
        _COLUMNS.user_id == asked.c.user_id,
        _COLUMNS.sequence.is_(None),
    )
    query = sa.select(
        asked.c.workspace_id,
        asked.c.user_id,
        sa.func.coalesce(inboxes.c.sequence, 0).label("sequence"),
        unnumbered.label("has_more"),
    ).select_from(
        asked.outerjoin(
            inboxes,
            (inboxes.c.workspace_id == asked.c.workspace_id)
            & (inboxes.c.user_id == asked.c.user_id),
        )
    )
    return {
        _owner(row): InboxProgress(sequence=row.sequence, has_more=row.has_more)
        for row in await connection.execute(query)
    }


async def list_changes(
    connection: AsyncConnection, owner: InboxOwner, sequence: int
) -> list[InboxItem]:
    """Lists up to `BATCH` items whose last change has a higher number, in order, without bodies."""
    query = (
        sa.select(*_listed(full=False))
        .where(_of(owner), _COLUMNS.sequence > sequence)
        .order_by(_COLUMNS.sequence)
        .limit(BATCH)
    )
    return [_item(row) for row in await connection.execute(query)]


def as_members(owners: Collection[InboxOwner]) -> Any:
    """Returns owners as a table of workspaces and users, with two parameters for any number."""
    return (
        sa.func.unnest(
            sa.cast([owner.workspace for owner in owners], sa.ARRAY(sa.Text)),
            sa.cast([owner.user for owner in owners], sa.ARRAY(sa.Text)),
        )
        .table_valued("workspace_id", "user_id")
        .render_derived("asked")
    )


def _column(field: str) -> sa.Column[Any]:
    return _COLUMNS[{"workspace": "workspace_id", "user": "user_id"}.get(field, field)]


def _of(owner: InboxOwner) -> sa.ColumnElement[bool]:
    return sa.and_(_COLUMNS.workspace_id == owner.workspace, _COLUMNS.user_id == owner.user)


def _owner(row: Any) -> InboxOwner:
    return InboxOwner(workspace=row.workspace_id, user=row.user_id)


def _listed(*, full: bool) -> list[Any]:
    if full:
        return list(inbox_items.columns)
    return [
        sa.literal("").label("body") if column.name == "body" else column
        for column in inbox_items.columns
    ]


def _item(row: Any) -> InboxItem:
    return InboxItem(
        id=row.id,
        workspace=row.workspace_id,
        user=row.user_id,
        kind=row.kind,
        subject=row.subject,
        snippet=row.snippet,
        body=row.body,
        format=row.format,
        automation=row.automation,
        run=row.run,
        delivery=row.delivery,
        thread=row.thread,
        approval=row.approval,
        destination=row.destination,
        create_time=row.create_time,
        read_time=row.read_time,
        sequence=row.sequence or 0,
    )
