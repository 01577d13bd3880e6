"""Tables of workspaces, users, members and served requests, which both services have."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from cachetools import TTLCache
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import errors
from shared.db.queries import advisory_lock, try_advisory_lock
from shared.db.statements import Statement
from shared.resources import WORKSPACE
from shared.security.caller import Caller, Membership

CACHE_SECONDS: Final = 60.0
CACHE_SIZE: Final = 100_000
# Equal requests wait here for the end of each other's transactions; `key` names the request.
_REQUEST_KEY: Final = sa.bindparam("key", type_=sa.Text)
REQUEST_LOCK: Final = advisory_lock(_REQUEST_KEY)
TRY_REQUEST_LOCK: Final = try_advisory_lock(_REQUEST_KEY)
_LOCK_REQUEST: Final = Statement(sa.select(REQUEST_LOCK))
REQUEST_RETENTION = timedelta(days=30)
# How long the thread of a run's step is kept after its last turn. No shorter than a request, as a
# repeat of one attaches to its task.
SESSION_RETENTION = REQUEST_RETENTION


@dataclass(frozen=True, slots=True)
class TenantTables:
    workspaces: sa.Table
    users: sa.Table
    memberships: sa.Table
    requests: sa.Table


def tenant_tables(metadata: sa.MetaData) -> TenantTables:
    """workspaces, users, memberships and requests, in the metadata's schema.

    Ids of workspaces and users are those of the tokens.
    """
    workspaces = sa.Table(
        "workspaces",
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
    )
    users = sa.Table(
        "users",
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
    )
    memberships = sa.Table(
        "memberships",
        metadata,
        sa.Column(
            "workspace_id", sa.ForeignKey(workspaces.c.id, ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("user_id", sa.ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        # What set the role, and when: a token changes only what an older token set.
        sa.Column("source", sa.Text, nullable=False, server_default="token"),
        sa.Column(
            "set_time",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default="1970-01-01 00:00:00+00",
        ),
        sa.Column("seen_time", sa.TIMESTAMP(timezone=True), nullable=False),
        # Set by an operator; a token that is still valid never clears it.
        sa.Column("revoked_time", sa.TIMESTAMP(timezone=True)),
    )
    requests = sa.Table(
        "requests",
        metadata,
        sa.Column(
            "workspace_id", sa.ForeignKey(workspaces.c.id, ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("rpc", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("body_hash", sa.LargeBinary, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False, index=True),
    )
    return TenantTables(workspaces, users, memberships, requests)


def request_key(workspace: str, rpc: str, user: str, request_id: str) -> str:
    """Returns the key of a request for `REQUEST_LOCK` and `TRY_REQUEST_LOCK`."""
    return f"{workspace}|{rpc}|{user}|{request_id}"


@dataclass(slots=True)
class Tenancy:
    """Members of workspaces, as tokens name them, and requests that were served."""

    tables: TenantTables
    most_known: int = CACHE_SIZE
    timer: Callable[[], float] = time.monotonic
    # By workspace and user: the newest claim that was recorded lately.
    _known: TTLCache[tuple[str, str], Membership] = field(init=False)
    _select_member: Statement = field(init=False)
    _select_request: Statement = field(init=False)
    _insert_request: Statement = field(init=False)

    def __post_init__(self) -> None:
        self._known = TTLCache(self.most_known, CACHE_SECONDS, timer=self.timer)
        members, requests = self.tables.memberships, self.tables.requests
        self._select_member = Statement(
            sa.select(members.c.role, members.c.source, members.c.set_time).where(
                members.c.revoked_time.is_(None),
                members.c.workspace_id == sa.bindparam("workspace"),
                members.c.user_id == sa.bindparam("user"),
            )
        )
        self._select_request = Statement(
            sa.select(requests.c.body_hash, requests.c.resource).where(
                requests.c.workspace_id == sa.bindparam("workspace"),
                requests.c.rpc == sa.bindparam("rpc"),
                requests.c.user_id == sa.bindparam("user"),
                requests.c.request_id == sa.bindparam("request_id"),
            )
        )
        self._insert_request = Statement(
            sa.insert(requests).values(
                {c.name: sa.bindparam(c.name, type_=c.type) for c in requests.columns}
            )
        )

    async def admit(
        self, engine: AsyncEngine, caller: Caller, workspace: str, now: datetime
    ) -> str:
        """Records the member and returns today's role. Raises ResourceNotFound for others.

        It commits in a transaction of its own, so the cache holds only committed rows.
        """
        fresh = not self.is_recorded(caller, workspace)
        # Nothing but a look needs no transaction.
        async with engine.begin() if fresh else engine.connect() as connection:
            if fresh:
                await self._record(connection, caller, workspace, now)
            stored = await self.find_membership(connection, workspace, caller.user)
            if stored is None:
                raise errors.ResourceNotFound(WORKSPACE.format(workspace=workspace))
        if fresh and (claim := caller.claim(workspace)) is not None:
            self._known[workspace, caller.user] = claim
        return stored.role_of(caller, workspace)

    def is_recorded(self, caller: Caller, workspace: str) -> bool:
        """True if `admit` recorded this or something newer lately, even if it was revoked since."""
        claim, known = caller.claim(workspace), self._known.get((workspace, caller.user))
        if claim is None:  # nothing to record
            return True
        return known is not None and (claim == known or claim.set_time < known.set_time)

    async def find_membership(
        self, connection: AsyncConnection, workspace: str, user: str
    ) -> Membership | None:
        """Returns None for a user who is no member, or whose membership was revoked."""
        found = await self._select_member.row(connection, workspace=workspace, user=user)
        return None if found is None else Membership(**found)

    async def read_memberships(
        self, engine: AsyncEngine, asked: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], Membership]:
        """Like `read_membership`, for pairs of workspace and user, with one query."""
        members = self.tables.memberships.c
        pairs = (
            sa.func.unnest(
                sa.cast([workspace for workspace, _ in asked], sa.ARRAY(sa.Text)),
                sa.cast([user for _, user in asked], sa.ARRAY(sa.Text)),
            )
            .table_valued("workspace_id", "user_id")
            .render_derived("asked")
        )
        columns = members.workspace_id, members.user_id, members.role, members.source
        query = (
            sa.select(*columns, members.set_time)
            .join_from(
                pairs,
                self.tables.memberships,
                (members.workspace_id == pairs.c.workspace_id)
                & (members.user_id == pairs.c.user_id),
            )
            .where(members.revoked_time.is_(None))
        )
        async with engine.connect() as connection:
            return {
                (row.workspace_id, row.user_id): Membership(
                    role=row.role, source=row.source, set_time=row.set_time
                )
                for row in await connection.execute(query)
            }

    async def read_membership(
        self, engine: AsyncEngine, workspace: str, user: str
    ) -> Membership | None:
        """Like `find_membership`, on a connection of its own."""
        async with engine.connect() as connection:
            return await self.find_membership(connection, workspace, user)

    async def find_request(
        self,
        connection: AsyncConnection,
        *,
        workspace: str,
        rpc: str,
        user: str,
        request_id: str,
        body_hash: bytes,
    ) -> str | None:
        """Returns the resource that the request made before; None when it is new.

        An equal request waits here until the first one's transaction ends. An empty hash on
        either side matches any body. Raises RequestIdReused for another body.
        """
        await _LOCK_REQUEST.run(connection, key=request_key(workspace, rpc, user, request_id))
        row = await self._select_request.row(
            connection, workspace=workspace, rpc=rpc, user=user, request_id=request_id
        )
        if row is None:
            return None
        if body_hash and row["body_hash"] and row["body_hash"] != body_hash:
            raise errors.RequestIdReused(request_id)
        return str(row["resource"])

    async def store_request(
        self,
        connection: AsyncConnection,
        *,
        workspace: str,
        rpc: str,
        user: str,
        request_id: str,
        body_hash: bytes,
        resource: str,
        now: datetime,
    ) -> None:
        """Stores what a request made, in the transaction that made it."""
        await self._insert_request.run(
            connection,
            workspace_id=workspace,
            rpc=rpc,
            user_id=user,
            request_id=request_id,
            body_hash=body_hash,
            resource=resource,
            create_time=now,
        )

    async def delete_requests(
        self, connection: AsyncConnection, before: datetime, *, most: int
    ) -> int:
        """Deletes requests served before a moment. Returns how many."""
        requests = self.tables.requests
        key = requests.primary_key.columns
        old = (
            sa.select(*key)
            .where(requests.c.create_time < before)
            .order_by(requests.c.create_time)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        found = [tuple(row) for row in await connection.execute(old)]
        if found:
            await connection.execute(sa.delete(requests).where(sa.tuple_(*key).in_(found)))
        return len(found)

    async def _record(
        self, connection: AsyncConnection, caller: Caller, workspace: str, now: datetime
    ) -> None:
        t = self.tables
        if (claim := caller.claim(workspace)) is None:
            return
        await connection.execute(
            insert(t.workspaces).values(id=workspace, create_time=now).on_conflict_do_nothing()
        )
        person = insert(t.users).values(
            id=caller.user, display_name=caller.display_name, zone=caller.zone, create_time=now
        )
        # A service names a user it acts for, and knows neither name nor zone.
        fresh = {} if caller.service else {"display_name": caller.display_name, "zone": caller.zone}
        await connection.execute(
            person.on_conflict_do_update(index_elements=["id"], set_=fresh)
            if fresh
            else person.on_conflict_do_nothing()
        )
        members = t.memberships.c
        member = insert(t.memberships).values(
            workspace_id=workspace,
            user_id=caller.user,
            role=claim.role,
            source=claim.source,
            set_time=claim.set_time,
            seen_time=now,
        )
        said = member.excluded
        newer = sa.and_(
            said.set_time >= members.set_time,
            sa.or_(members.source == "token", said.source != "token"),
        )
        set_ = {
            name: sa.case((newer, said[name]), else_=members[name])
            for name in ("role", "source", "set_time")
        }
        await connection.execute(
            member.on_conflict_do_update(
                index_elements=["workspace_id", "user_id"], set_={**set_, "seen_time": now}
            )
        )
