"""Queries of webhooks. A workspace has one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import webhooks
from shared.db.queries import take_lock
from shared.resources import WEBHOOK


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The endpoint of a workspace. The secrets are encrypted."""

    workspace: str
    uri: str = ""
    event_types: tuple[str, ...] = ()
    disabled: bool = False
    disabled_reason: str = ""
    include_output: bool = False
    secret: bytes = field(default=b"", repr=False)
    secret_create_time: datetime | None = None
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_secret_expire_time: datetime | None = None
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None

    @property
    def resource(self) -> str:
        return WEBHOOK.format(workspace=self.workspace)

    @property
    def is_active(self) -> bool:
        return bool(self.uri) and not self.disabled


async def get(connection: AsyncConnection, workspace: str, *, lock: bool = False) -> Webhook:
    """Returns the webhook of a workspace. Version 0 when it was never set."""
    if lock:
        # An advisory lock, because the row may not exist yet.
        await take_lock(connection, f"webhook|{workspace}")
    query = sa.select(webhooks).where(webhooks.c.workspace_id == workspace)
    row = (await connection.execute(query)).one_or_none()
    return Webhook(workspace=workspace) if row is None else _webhook(row)


async def save(
    connection: AsyncConnection, found: Webhook, values: Mapping[str, Any], now: datetime
) -> Webhook:
    """Updates columns of a locked webhook, or inserts it."""
    statement: Any
    if found.version:
        changed = {"update_time": now, "version": found.version + 1, **values}
        at = webhooks.c.workspace_id == found.workspace
        statement = sa.update(webhooks).where(at).values(changed)
    else:
        unsaid = {"uri": "", "event_types": [], "disabled": False, "disabled_reason": ""}
        times = {"create_time": now, "update_time": now}
        fresh = {"workspace_id": found.workspace, "version": 1, **unsaid, **times, **values}
        statement = sa.insert(webhooks).values(fresh)
    return _webhook((await connection.execute(statement.returning(webhooks))).one())


async def disable(connection: AsyncConnection, workspace: str, reason: str, now: datetime) -> None:
    """Disables the webhook, and says why."""
    await connection.execute(
        sa.update(webhooks)
        .where(webhooks.c.workspace_id == workspace, ~webhooks.c.disabled)
        .values(
            disabled=True,
            disabled_reason=reason,
            version=webhooks.c.version + 1,
            update_time=now,
        )
    )


async def claim_old_keys(
    connection: AsyncConnection, prefix: bytes, limit: int, *, after: str
) -> Sequence[Webhook]:
    """Locks webhooks with a secret that does not start with `prefix`, in order of workspace."""
    size = len(prefix)

    def other(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return sa.func.substring(column, 1, size) != prefix

    rows = await connection.execute(
        sa.select(webhooks)
        .where(
            webhooks.c.workspace_id > after,
            other(webhooks.c.secret) | sa.func.coalesce(other(webhooks.c.previous_secret), False),
        )
        .order_by(webhooks.c.workspace_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_webhook(row) for row in rows]


async def update_secrets(
    connection: AsyncConnection, workspace: str, secret: bytes, previous: bytes | None
) -> None:
    """Stores the same secrets under another key. The etag stays."""
    await connection.execute(
        sa.update(webhooks)
        .where(webhooks.c.workspace_id == workspace)
        .values(secret=secret, previous_secret=previous)
    )


def _webhook(row: Any) -> Webhook:
    return Webhook(
        workspace=row.workspace_id,
        uri=row.uri,
        event_types=tuple(row.event_types),
        disabled=row.disabled,
        disabled_reason=row.disabled_reason,
        include_output=row.include_output,
        secret=row.secret,
        secret_create_time=row.secret_create_time,
        previous_secret=row.previous_secret,
        previous_secret_expire_time=row.previous_secret_expire_time,
        version=row.version,
        create_time=row.create_time,
        update_time=row.update_time,
    )
