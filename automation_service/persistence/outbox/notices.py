"""Queries of notices, each for one person about one thing, until they have gone out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import NoticeKind, NoticeState
from automation_service.persistence.tables import (
    TENANTS,
    automations,
    notices,
    revisions,
)
from shared.db.queries import try_advisory_lock

# Owners who are told when nobody nearer is left.
MAX_OWNERS: Final = 20
# Verbatim as in the indexes, so that PostgreSQL uses them.
_WAITS: Final = sa.text("notices.due_time is not null")
# Among the facts; a further failed run begins the count anew.
_TRIES: Final = "tries"
# Those of a later version wait for a replica that knows them.
_IS_KNOWN: Final = notices.c.kind.in_([kind.value for kind in NoticeKind])
_FAILURE_WAITS: Final = sa.text("kind = 'run_failed' and due_time is not null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`resource_name` is of the resource that it is about; of failed runs the last one.

    `count` is how many failed runs it tells of, the first of them at `first_time`.
    """

    id: UUID
    workspace: str
    user: str
    kind: NoticeKind
    resource_name: str
    automation_id: UUID | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    first_time: datetime
    last_time: datetime
    expire_time: datetime | None = None

    @property
    def tries(self) -> int:
        """How many tries to send it an error of the code has ended."""
        return int(self.facts.get(_TRIES, 0))


# Who wrote the present revision of the automation that a notice is about.
AUTHOR_OF_TODAY: Final[sa.ColumnElement[str]] = (
    sa.select(revisions.c.author_id)
    .where(
        revisions.c.automation_id == automations.c.id,
        revisions.c.revision == automations.c.revision,
    )
    .correlate(automations)
    .scalar_subquery()
)


async def add(
    connection: AsyncConnection,
    notice: UUID,
    *,
    workspace: str,
    user: str,
    kind: NoticeKind,
    resource_name: str,
    facts: Mapping[str, Any],
    time: datetime,
    expire_time: datetime | None = None,
) -> None:
    """Adds a notice for a user. A second add of an id does nothing."""
    values = {
        "id": notice,
        "workspace_id": workspace,
        "user_id": user,
        "kind": kind,
        "subject": resource_name,
        "facts": dict(facts),
        "count": 1,
        "first_time": time,
        "last_time": time,
        "due_time": time,
        "expire_time": expire_time,
        "state": NoticeState.WAITING,
    }
    await connection.execute(insert(notices).values(values).on_conflict_do_nothing())


async def add_of_automation(
    connection: AsyncConnection,
    *,
    workspace: str,
    automation: UUID,
    author: str | sa.ColumnElement[str] | None,
    kind: NoticeKind,
    resource_name: str,
    facts: Mapping[str, Any],
    time: datetime,
    key: str = "",
) -> None:
    """Adds a notice for whoever an automation concerns: its author, else its creator, else the
    workspace's owners, as far as they are members.

    `author` is that of the run's revision, or AUTHOR_OF_TODAY. A failed run joins the notice of
    the automation that still waits. A second add of a key does nothing.
    """
    members, creator = TENANTS.memberships.c, automations.c.creator_id
    nearness = sa.case(
        (members.user_id == author, 1),
        (members.user_id == creator, 2),
        (members.role == "owner", 3),
    )
    near = (
        sa.select(
            members.user_id,
            automations.c.name,
            nearness.label("nearness"),
            sa.func.min(nearness).over().label("nearest"),
        )
        .select_from(automations)
        .join(TENANTS.memberships, members.workspace_id == automations.c.workspace_id)
        .where(automations.c.id == automation, members.revoked_time.is_(None))
        .subquery("near")
    )
    moment = sa.literal(time, notices.c.due_time.type)
    of_key = sa.func.md5(sa.literal(f"{key}|") + near.c.user_id).cast(notices.c.id.type)
    row = {
        "id": of_key if key else sa.func.gen_random_uuid(),
        "workspace_id": sa.literal(workspace),
        "user_id": near.c.user_id,
        "kind": sa.literal(kind, notices.c.kind.type),
        "subject": sa.literal(resource_name),
        "automation_id": sa.literal(automation, notices.c.automation_id.type),
        "facts": sa.literal(dict(facts), notices.c.facts.type).op("||")(
            sa.func.jsonb_build_object("name", near.c.name)
        ),
        "count": sa.literal(1),
        "first_time": moment,
        "last_time": moment,
        "due_time": moment,
        "state": sa.literal(NoticeState.WAITING, notices.c.state.type),
    }
    source = sa.select(*row.values()).where(near.c.nearness == near.c.nearest).limit(MAX_OWNERS)
    written = insert(notices).from_select(list(row), source)
    if kind is NoticeKind.RUN_FAILED:
        written = written.on_conflict_do_update(
            index_elements=["user_id", "automation_id"],
            index_where=_FAILURE_WAITS,
            set_={
                "count": notices.c.count + 1,
                "subject": written.excluded.subject,
                "facts": written.excluded.facts,
                "last_time": written.excluded.last_time,
            },
        )
    elif key:
        written = written.on_conflict_do_nothing(index_elements=["id"])
    await connection.execute(written)


async def add_of_destination(
    connection: AsyncConnection,
    *,
    workspace: str,
    owner: str | None,
    creator: str | None,
    resource_name: str,
    facts: Mapping[str, Any],
    time: datetime,
) -> None:
    """Adds a notice for the owner of a destination that is paused.

    Of a shared one it is for the workspace's owners and for whoever created it.
    """
    members = TENANTS.memberships.c
    concerned = members.user_id == owner
    if owner is None:
        concerned = (members.role == "owner") | (members.user_id == creator)
    moment = sa.literal(time, notices.c.due_time.type)
    row = {
        "id": sa.func.gen_random_uuid(),
        "workspace_id": members.workspace_id,
        "user_id": members.user_id,
        "kind": sa.literal(NoticeKind.DESTINATION_PAUSED, notices.c.kind.type),
        "subject": sa.literal(resource_name),
        "facts": sa.literal(dict(facts), notices.c.facts.type),
        "count": sa.literal(1),
        "first_time": moment,
        "last_time": moment,
        "due_time": moment,
        "state": sa.literal(NoticeState.WAITING, notices.c.state.type),
    }
    source = sa.select(*row.values()).where(
        members.workspace_id == workspace, members.revoked_time.is_(None), concerned
    )
    nearest_first = sa.case((members.user_id == creator, 0), else_=1)
    source = source.order_by(nearest_first, members.user_id).limit(MAX_OWNERS)
    await connection.execute(insert(notices).from_select(list(row), source))


async def list_people(
    connection: AsyncConnection, now: datetime, limit: int
) -> Sequence[tuple[str, str, bool]]:
    """Returns workspace and user of people with due notices, and whether an approval is due."""
    is_approval = notices.c.kind == NoticeKind.APPROVAL_WAITING
    query = (
        sa.select(
            notices.c.workspace_id,
            notices.c.user_id,
            sa.func.bool_or(is_approval).label("has_approval"),
        )
        .where(_WAITS, notices.c.due_time <= now, _IS_KNOWN)
        .group_by(notices.c.workspace_id, notices.c.user_id)
        .order_by(sa.func.min(notices.c.due_time))
        .limit(limit)
    )
    return [
        (row.workspace_id, row.user_id, row.has_approval) for row in await connection.execute(query)
    ]


async def lock_person(connection: AsyncConnection, workspace: str, user: str) -> bool:
    """Whether this transaction may end the person's notices; without waiting."""
    lock = try_advisory_lock(f"notices|{workspace}|{user}")
    return bool(await connection.scalar(sa.select(lock)))


async def list_due(
    connection: AsyncConnection,
    workspace: str,
    user: str,
    now: datetime,
    limit: int,
    *,
    lock: bool = False,
    notice_id: UUID | None = None,
) -> list[Notice]:
    """Returns due notices of a person, oldest first; or one of them, if it is due."""
    query = (
        sa.select(notices)
        .where(
            notices.c.workspace_id == workspace,
            notices.c.user_id == user,
            _WAITS,
            notices.c.due_time <= now,
            _IS_KNOWN,
            sa.true() if notice_id is None else notices.c.id == notice_id,
        )
        .order_by(notices.c.first_time, notices.c.id)
        .limit(limit)
    )
    if lock:
        query = query.with_for_update(key_share=True)
    return [_notice(row) for row in await connection.execute(query)]


async def list_by_id(connection: AsyncConnection, ids: Collection[UUID]) -> list[Notice]:
    """Returns notices that are still kept, oldest first."""
    query = sa.select(notices).where(notices.c.id.in_(ids))
    query = query.order_by(notices.c.first_time, notices.c.id)
    return [_notice(row) for row in await connection.execute(query)]


async def find_last_failures(
    connection: AsyncConnection, user: str, automation_ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Returns when failed runs of automations were last told to a user."""
    if not automation_ids:
        return {}
    query = (
        sa.select(notices.c.automation_id, sa.func.max(notices.c.end_time).label("time"))
        .where(
            notices.c.automation_id.in_(automation_ids),
            notices.c.user_id == user,
            notices.c.kind == NoticeKind.RUN_FAILED,
            notices.c.state == NoticeState.SENT,
        )
        .group_by(notices.c.automation_id)
    )
    return {row.automation_id: row.time for row in await connection.execute(query)}


async def find_zone(connection: AsyncConnection, user: str) -> str:
    """Returns the time zone of a user; empty for one who has none."""
    zone = await connection.scalar(
        sa.select(TENANTS.users.c.zone).where(TENANTS.users.c.id == user)
    )
    return zone or ""


async def postpone(connection: AsyncConnection, ids: Collection[UUID], until: datetime) -> None:
    """Lets locked notices wait."""
    await connection.execute(sa.update(notices).where(notices.c.id.in_(ids)).values(due_time=until))


async def postpone_broken(connection: AsyncConnection, broken: Notice, until: datetime) -> None:
    """Lets a notice wait whose try an error of the code has ended."""
    facts = notices.c.facts.op("||")(sa.func.jsonb_build_object(_TRIES, broken.tries + 1))
    await connection.execute(
        sa.update(notices)
        .where(notices.c.id == broken.id, _WAITS)
        .values(due_time=until, facts=facts)
    )


async def end(
    connection: AsyncConnection, ids: Collection[UUID], state: NoticeState, now: datetime
) -> None:
    """Ends locked notices."""
    await connection.execute(
        sa.update(notices)
        .where(notices.c.id.in_(ids))
        .values(state=state, due_time=None, end_time=now)
    )


def _notice(row: Any) -> Notice:
    return Notice(
        id=row.id,
        workspace=row.workspace_id,
        user=row.user_id,
        kind=NoticeKind(row.kind),
        resource_name=row.subject,
        automation_id=row.automation_id,
        facts=row.facts,
        count=row.count,
        first_time=row.first_time,
        last_time=row.last_time,
        expire_time=row.expire_time,
    )
