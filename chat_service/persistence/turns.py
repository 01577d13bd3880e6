"""Turns, with their states, leases and fences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import TurnState
from shared.db.queries import matches, newest_first
from shared.db.statements import Statement
from shared.list_filter import Filter
from shared.security.caller import ROLES_THAT_ACT

t = tables.turns

# Spelled as in the index, without parameters, so that PostgreSQL uses the index.
IS_OPEN: Final = sa.text("chat.turns.state in ('running', 'awaiting_approval')")
IS_RUNNING: Final = sa.text("chat.turns.state = 'running'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    id: UUID
    thread_id: UUID
    workspace_id: str
    requested_by: str
    state: TurnState
    segments: Sequence[int]
    user_message_id: UUID | None  # None: a run delivered the turn
    agent_message_id: UUID
    model_config_id: int
    model_auto: bool = False
    time_zone: str
    time_zone_assumed: bool
    locale: str
    disabled_tools: Sequence[str]
    task: Mapping[str, Any] | None
    request_id: str | None = None
    mentions: Sequence[Mapping[str, str]] | None = None
    delivery_id: UUID | None = None
    last_sequence: int
    fence: int
    lease_owner: UUID | None
    lease_expire_time: datetime | None
    cancel_requested: bool
    usage: Mapping[str, Any]
    error: bytes | None
    create_time: datetime
    update_time: datetime
    end_time: datetime | None
    frames_kept: bool = True

    @property
    def segment(self) -> int:
        return len(self.segments) - 1

    @property
    def asked_message_id(self) -> UUID:
        """The message that a turn answers. One that a run delivered answers none."""
        assert self.user_message_id is not None
        return self.user_message_id


def lease_expiry(lease: "timedelta | sa.ColumnElement[Any]") -> "sa.ColumnElement[datetime]":
    # The database's clock, since replicas may disagree on the time.
    return sa.func.clock_timestamp() + sa.cast(lease, sa.Interval)


_GIVEN: Final = {c.name: sa.bindparam(c.name, type_=c.type) for c in t.columns} | {
    "lease_expire_time": lease_expiry(sa.bindparam("lease", type_=sa.Interval))
}
_BY_ID: Final = sa.select(t).where(t.c.id == sa.bindparam("turn"))
# Statement: what every turn does (`python -m bench chat`).
_GET: Final = Statement(_BY_ID)
_GET_LOCKED: Final = Statement(_BY_ID.with_for_update(key_share=True))
_OPEN_TURN: Final = Statement(sa.select(t).where(t.c.thread_id == sa.bindparam("thread"), IS_OPEN))


_IS_GIVEN: Final = t.c.id == sa.func.any(sa.bindparam("turns", type_=ARRAY(UUID_COLUMN)))
_MEMBERS: Final = tables.tenants.memberships.c
_ACCESS_LOST: Final = sa.exists().where(
    _MEMBERS.workspace_id == t.c.workspace_id,
    _MEMBERS.user_id == t.c.requested_by,
    _MEMBERS.revoked_time.is_not(None) | ~sa.or_(*(_MEMBERS.role == r for r in ROLES_THAT_ACT)),
)
_TO_STOP: Final = Statement(
    sa.select(t.c.id, _ACCESS_LOST.label("access_lost"), t.c.requested_by).where(
        _IS_GIVEN, t.c.cancel_requested | _ACCESS_LOST
    )
)
_PROGRESS: Final = Statement(sa.select(t.c.id, t.c.last_sequence, t.c.state).where(_IS_GIVEN))


def _renew() -> "sa.Update":
    fences = sa.bindparam("fences", type_=ARRAY(sa.Integer))
    turns = sa.bindparam("turns", type_=ARRAY(UUID_COLUMN))
    held = sa.func.unnest(turns, fences).table_valued("id", "fence").render_derived()
    # A row that is locked, maybe by a frozen process, must not cost other turns their leases. It is
    # skipped and renewed next time; adopt_orphans skips locked rows too.
    still = (
        sa.select(t.c.id)
        .join(held, t.c.id == held.c.id)
        .where(t.c.fence == held.c.fence)
        .where(t.c.lease_owner == sa.bindparam("owner", type_=UUID_COLUMN))
        .order_by(t.c.id)
        .with_for_update(of=t, key_share=True, skip_locked=True)
        .cte("still")
    )
    return (
        sa.update(t)
        .where(t.c.id.in_(sa.select(still.c.id)))
        .values(lease_expire_time=lease_expiry(sa.bindparam("lease", type_=sa.Interval)))
        .returning(t.c.id)
    )


def _adopt() -> "sa.Update":
    live = sa.bindparam("live", type_=ARRAY(UUID_COLUMN))
    orphans = (
        sa.select(t.c.id)
        .where(IS_RUNNING, t.c.lease_expire_time < sa.func.clock_timestamp())
        .where(t.c.id != sa.func.all(live))
        .order_by(t.c.lease_expire_time)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .with_for_update(skip_locked=True, key_share=True)
        .cte("orphans")
    )
    return (
        sa.update(t)
        .where(t.c.id.in_(sa.select(orphans.c.id)))
        .values(
            fence=t.c.fence + 1,
            lease_owner=sa.bindparam("owner", type_=UUID_COLUMN),
            lease_expire_time=lease_expiry(sa.bindparam("lease", type_=sa.Interval)),
        )
        .returning(t)
    )


_RENEW: Final = Statement(_renew())
_ADOPT: Final = Statement(_adopt())


def column_values(turn: Turn) -> dict[str, Any]:
    """Returns the columns of the turn's row."""
    return {c.name: getattr(turn, c.name) for c in t.columns}


def insert_cte(*where: "sa.ColumnElement[bool]") -> sa.CTE:
    """Returns the part of a statement that inserts a turn unless its thread has an open one."""
    insert = upsert(t).from_select(list(_GIVEN), sa.select(*_GIVEN.values()).where(*where))
    return (
        insert.on_conflict_do_nothing(
            index_elements=["thread_id"],
            index_where=sa.text("state in ('running', 'awaiting_approval')"),
        )
        .returning(t.c.id)
        .cte("begun")
    )


async def get(
    connection: AsyncConnection,
    turn: UUID,
    *,
    workspace: str | None = None,
    thread: UUID | None = None,
    lock: bool = False,
) -> Turn | None:
    row = await (_GET_LOCKED if lock else _GET).row(connection, turn=turn)
    if row is None or workspace not in (None, row["workspace_id"]):
        return None
    return None if thread not in (None, row["thread_id"]) else Turn(**row)


async def get_open(connection: AsyncConnection, thread: UUID) -> Turn | None:
    row = await _OPEN_TURN.row(connection, thread=thread)
    return None if row is None else Turn(**row)


_FILTER_COLUMNS: Final = {"state": t.c.state, "create_time": t.c.create_time}


async def list_newest(
    connection: AsyncConnection,
    thread: UUID,
    *,
    size: int,
    before: UUID | None,
    filter_: Filter | None = None,
) -> list[Turn]:
    query = sa.select(t).where(t.c.thread_id == thread, matches(filter_, _FILTER_COLUMNS))
    last = None if before is None else (before,)
    rows = await connection.execute(newest_first(query, t.c.id, after=last, limit=size))
    return [Turn(**row) for row in rows.mappings()]


async def update(connection: AsyncConnection, turn: UUID, now: datetime, **values: Any) -> None:
    await _update(tuple(values)).run(connection, turn=turn, update_time=now, **values)


@cache
def _update(columns: Sequence[str]) -> Statement:
    given = {name: sa.bindparam(name, type_=t.c[name].type) for name in ("update_time", *columns)}
    return Statement(sa.update(t).where(t.c.id == sa.bindparam("turn")).values(given))


async def set_usage(connection: AsyncConnection, turn: UUID, usage: Mapping[str, Any]) -> None:
    """Does not change update_time."""
    await connection.execute(sa.update(t).where(t.c.id == turn).values(usage=usage))


async def switch_model(connection: AsyncConnection, turn: UUID, fence: int, config_id: int) -> bool:
    """Returns False, and changes nothing, if the turn no longer runs under `fence`."""
    done = await connection.execute(
        sa.update(t)
        .where(t.c.id == turn, t.c.fence == fence, t.c.state == TurnState.RUNNING)
        .values(model_config_id=config_id)
    )
    return bool(done.rowcount)


async def acquire_lease(
    connection: AsyncConnection, turn: UUID, *, owner: UUID, lease: timedelta
) -> int:
    """Returns the new fence."""
    fence = await connection.scalar(
        sa.update(t)
        .where(t.c.id == turn)
        .values(fence=t.c.fence + 1, lease_owner=owner, lease_expire_time=lease_expiry(lease))
        .returning(t.c.fence)
    )
    assert fence is not None
    return int(fence)


async def renew_leases(
    connection: AsyncConnection, owner: UUID, turns: Mapping[UUID, int], lease: timedelta
) -> set[UUID]:
    """Renews leases that `owner` still holds under the given fences. Returns their turns.

    The connection must not be in a transaction, as in `adopt_orphans`: an owner that freezes would
    lock rows that other replicas must take over.
    """
    rows = await _RENEW.rows(
        connection, owner=owner, turns=list(turns), fences=list(turns.values()), lease=lease
    )
    return {row["id"] for row in rows}


async def find_turns_to_stop(
    connection: AsyncConnection, turns: Sequence[UUID]
) -> dict[UUID, str | None]:
    """Finds turns whose cancellation is requested, or whose requester may no longer act.

    Returns the requester by turn, or None for a cancellation.
    """
    rows = await _TO_STOP.rows(connection, turns=list(turns))
    return {row["id"]: row["requested_by"] if row["access_lost"] else None for row in rows}


async def adopt_orphans(
    connection: AsyncConnection,
    *,
    owner: UUID,
    lease: timedelta,
    live: Sequence[UUID],
    limit: int,
) -> list[Turn]:
    """Takes over running turns whose lease expired, except the `live` ones."""
    rows = await _ADOPT.rows(connection, owner=owner, lease=lease, live=list(live), limit=limit)
    return [Turn(**row) for row in rows]


async def get_progress(
    connection: AsyncConnection, turns: Sequence[UUID]
) -> dict[UUID, tuple[int, TurnState]]:
    """Returns turn → (last sequence, state). Deleted turns are missing."""
    rows = await _PROGRESS.rows(connection, turns=list(turns))
    return {row["id"]: (row["last_sequence"], row["state"]) for row in rows}


async def delete_old_frames(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes the frames of turns that ended before `before`. Returns the number of turns."""
    old = (
        sa.select(t.c.id)
        .where(t.c.end_time < before, t.c.frames_kept)
        .order_by(t.c.end_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = list(await connection.scalars(old))
    if found:
        events = tables.turn_events
        await connection.execute(sa.delete(events).where(events.c.turn_id.in_(found)))
        await connection.execute(sa.update(t).where(t.c.id.in_(found)).values(frames_kept=False))
    return len(found)


async def list_with_checkpoints(connection: AsyncConnection, *, limit: int) -> list[UUID]:
    """Returns turns that ended or were deleted and still have checkpoints."""
    rows = await connection.execute(
        sa.text(
            "with kept as materialized ("
            " select distinct left(thread_id, 36) as thread_id from checkpoints"
            " where thread_id ~ '^[0-9a-f-]{36}(/[0-9]+)?$')"
            " select k.thread_id from kept k left join turns t on t.id = k.thread_id::uuid"
            " where t.id is null or t.end_time is not null limit :limit"
        ),
        {"limit": limit},
    )
    return [UUID(row.thread_id) for row in rows]
