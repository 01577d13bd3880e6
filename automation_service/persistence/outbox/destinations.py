"""Queries of destinations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DestinationKind, DestinationState
from automation_service.persistence.tables import audit_events, destination_names, destinations
from shared.db.queries import matches, newest_first, take_lock
from shared.list_filter import Filter
from shared.resources import DESTINATION

# What the audit calls a message that a person sends through a destination.
TEST: Final = "TestDestination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`settings` has what is no secret. `secrets` is JSON, encrypted and bound to `bound_to`.

    `owner` is None for a shared one. A code waits while `code_hash` is set: it was sent for
    `code_user`, who gave another one `code_tries` times.
    """

    id: UUID
    workspace: str
    resource_id: str
    owner: str | None
    creator: str | None
    display_name: str
    kind: DestinationKind
    host: str
    settings: Mapping[str, Any] = field(repr=False)
    secrets: bytes | None = field(default=None, repr=False)
    secret_hint: str = ""
    state: DestinationState
    pause_reason: str = ""
    last_error: str = ""
    consecutive_failures: int = 0
    verified_member: str | None = None
    verify_time: datetime | None = None
    code_hash: bytes | None = field(default=None, repr=False)
    code_user: str | None = None
    code_tries: int = 0
    code_expire_time: datetime | None = None
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def resource(self) -> str:
        return DESTINATION.format(workspace=self.workspace, destination=self.resource_id)

    @property
    def bound_to(self) -> str:
        return f"automation.destinations/{self.workspace}/{self.id}"


async def take_name(connection: AsyncConnection, workspace: str, resource_id: str) -> bool:
    """Has a name be no other destination's, ever. False when it is or was one's already."""
    values = {"workspace_id": workspace, "resource_id": resource_id}
    taken = postgresql.insert(destination_names).values(values).on_conflict_do_nothing()
    return bool((await connection.execute(taken)).rowcount)


async def is_name_taken(connection: AsyncConnection, workspace: str, resource_id: str) -> bool:
    """Whether a destination has or had the name."""
    query = sa.select(destination_names.c.resource_id).where(
        destination_names.c.workspace_id == workspace,
        destination_names.c.resource_id == resource_id,
    )
    return await connection.scalar(query) is not None


async def insert(connection: AsyncConnection, made: Destination) -> None:
    await connection.execute(sa.insert(destinations).values(_values(made)))


async def find(
    connection: AsyncConnection, workspace: str, resource_id: str, *, lock: bool = False
) -> Destination | None:
    query = sa.select(destinations).where(
        destinations.c.workspace_id == workspace, destinations.c.resource_id == resource_id
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _destination(row)


async def lock_by_id(connection: AsyncConnection, destination: UUID) -> Destination | None:
    query = sa.select(destinations).where(destinations.c.id == destination).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _destination(row)


async def list_named(
    connection: AsyncConnection, workspace: str, resource_ids: Sequence[str]
) -> dict[str, Destination]:
    """Returns those that exist, by the last segment of their names."""
    query = sa.select(destinations).where(
        destinations.c.workspace_id == workspace,
        destinations.c.resource_id.in_(list(resource_ids)),
    )
    found = map(_destination, await connection.execute(query))
    return {one.resource_id: one for one in found}


async def page(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None,
    reader: str | None,
) -> Sequence[Destination]:
    """Returns a page, newest first, and one more if there is one.

    `reader` sees shared ones and their own; None sees all: the rule of `access.may_see`.
    """
    columns = destinations.c
    query = sa.select(destinations).where(
        columns.workspace_id == workspace,
        matches(
            filter_,
            {"state": columns.state, "kind": columns.kind, "create_time": columns.create_time},
        ),
    )
    if reader is not None:
        query = query.where(columns.owner_id.is_(None) | (columns.owner_id == reader))
    query = newest_first(query, columns.create_time, columns.id, after=after, limit=size + 1)
    return [_destination(row) for row in await connection.execute(query)]


async def count_created(
    connection: AsyncConnection, workspace: str, user: str, *, lock: bool = True
) -> int:
    """Returns how many destinations the user created.

    With `lock` further ones wait until the end of the transaction.
    """
    if lock:
        await take_lock(connection, f"destinations|{workspace}|{user}")
    query = sa.select(sa.func.count()).where(
        destinations.c.workspace_id == workspace, destinations.c.creator_id == user
    )
    return int(await connection.scalar(query) or 0)


async def save(connection: AsyncConnection, changed: Destination, now: datetime) -> Destination:
    """Stores a change of a locked destination under its next version."""
    values = _values(changed) | {"version": changed.version + 1, "update_time": now}
    statement = sa.update(destinations).where(destinations.c.id == changed.id).values(values)
    row = (await connection.execute(statement.returning(destinations))).one()
    return _destination(row)


async def update_columns(
    connection: AsyncConnection,
    destination: UUID,
    values: Mapping[str, Any],
    *,
    version: int | None = None,
) -> None:
    """Stores what results and codes came to, if it still has that version. The version stays."""
    statement = sa.update(destinations).where(destinations.c.id == destination)
    if version is not None:
        statement = statement.where(destinations.c.version == version)
    await connection.execute(statement.values(dict(values)))


async def forget_code(connection: AsyncConnection, destination: UUID, code_hash: bytes) -> None:
    """Has a code not wait any more, unless another one was sent since."""
    columns = destinations.c
    await connection.execute(
        sa.update(destinations)
        .where(columns.id == destination, columns.code_hash == code_hash)
        .values(code_hash=None, code_user_id=None, code_tries=0, code_expire_time=None)
    )


async def list_test_times(
    connection: AsyncConnection,
    workspace: str,
    since: datetime,
    limit: int,
    *,
    actor: str | None = None,
    resource: str | None = None,
) -> Sequence[datetime]:
    """Returns when the last tests since a moment were, newest first."""
    columns = audit_events.c
    query = sa.select(columns.create_time).where(
        columns.workspace_id == workspace,
        columns.create_time > since,
        columns.action == TEST,
    )
    if actor is not None:
        query = query.where(columns.actor == actor)
    if resource is not None:
        query = query.where(columns.resource == resource)
    query = query.order_by(columns.create_time.desc()).limit(limit)
    return list(await connection.scalars(query))


async def delete(connection: AsyncConnection, destination: UUID) -> None:
    await connection.execute(sa.delete(destinations).where(destinations.c.id == destination))


async def list_with_other_key(
    connection: AsyncConnection, prefix: bytes, limit: int, *, after: UUID | None
) -> Sequence[Destination]:
    """Locks destinations whose secrets do not start with `prefix`, in order of id."""
    columns = destinations.c
    query = (
        sa.select(destinations)
        .where(
            columns.secrets.is_not(None),
            sa.func.substring(columns.secrets, 1, len(prefix)) != prefix,
        )
        .order_by(columns.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        query = query.where(columns.id > after)
    return [_destination(row) for row in await connection.execute(query)]


def _values(made: Destination) -> dict[str, Any]:
    return {
        "id": made.id,
        "workspace_id": made.workspace,
        "resource_id": made.resource_id,
        "owner_id": made.owner,
        "creator_id": made.creator,
        "display_name": made.display_name,
        "kind": made.kind,
        "host": made.host,
        "settings": dict(made.settings),
        "secrets": made.secrets,
        "secret_hint": made.secret_hint,
        "state": made.state,
        "pause_reason": made.pause_reason,
        "last_error": made.last_error,
        "consecutive_failures": made.consecutive_failures,
        "verified_member_id": made.verified_member,
        "verify_time": made.verify_time,
        "code_hash": made.code_hash,
        "code_user_id": made.code_user,
        "code_tries": made.code_tries,
        "code_expire_time": made.code_expire_time,
        "version": made.version,
        "create_time": made.create_time,
        "update_time": made.update_time,
    }


def _destination(row: Any) -> Destination:
    return Destination(
        id=row.id,
        workspace=row.workspace_id,
        resource_id=row.resource_id,
        owner=row.owner_id,
        creator=row.creator_id,
        display_name=row.display_name,
        kind=row.kind,
        host=row.host,
        settings=row.settings,
        secrets=row.secrets,
        secret_hint=row.secret_hint,
        state=row.state,
        pause_reason=row.pause_reason,
        last_error=row.last_error,
        consecutive_failures=row.consecutive_failures,
        verified_member=row.verified_member_id,
        verify_time=row.verify_time,
        code_hash=row.code_hash,
        code_user=row.code_user_id,
        code_tries=row.code_tries,
        code_expire_time=row.code_expire_time,
        version=row.version,
        create_time=row.create_time,
        update_time=row.update_time,
    )
