"""Queries of messages to webhooks, an outbox."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import WebhookDeliveryStatus
from automation_service.persistence.tables import webhook_deliveries, webhooks
from shared.db.queries import matches, newest_first
from shared.list_filter import Filter
from shared.resources import WEBHOOK_DELIVERY

# Of one workspace. A further message fails at once.
MAX_PENDING: Final = 1000
TOO_MANY_PENDING: Final = f"{MAX_PENDING} messages waited already"

# Verbatim as in the indexes, so that PostgreSQL uses them.
_WAITS = sa.text("webhook_deliveries.status = 'pending'")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    id: UUID
    workspace: str
    event_type: str
    subject: str
    body: str
    status: WebhookDeliveryStatus
    attempts: int = 0
    status_code: int = 0
    error: str = ""
    create_time: datetime
    next_attempt_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def resource(self) -> str:
        return WEBHOOK_DELIVERY.format(workspace=self.workspace, delivery=self.id)


async def add(
    connection: AsyncConnection,
    *,
    delivery: UUID,
    workspace: str,
    event_type: str,
    subject: str,
    body: str,
    now: datetime,
    any_type: bool = False,
) -> WebhookDeliveryStatus | None:
    """Adds a message if the webhook is on and wants its type. A second add of an id does nothing.

    `any_type` ignores the types that the webhook wants. Returns PENDING, or FAILED when too
    many messages wait, or None when nothing was added.
    """
    waiting = sa.select(webhook_deliveries.c.id).where(
        webhook_deliveries.c.workspace_id == workspace, _WAITS
    )
    count = sa.select(sa.func.count()).select_from(waiting.limit(MAX_PENDING).subquery())
    crowded = count.scalar_subquery() >= MAX_PENDING

    def unless_crowded(value: Any, otherwise: Any, kind: Any) -> Any:
        return sa.case((crowded, sa.literal(otherwise, kind)), else_=sa.literal(value, kind)).cast(
            kind
        )

    time, status = webhook_deliveries.c.create_time.type, webhook_deliveries.c.status.type
    message = {
        webhook_deliveries.c.id: sa.literal(delivery, webhook_deliveries.c.id.type),
        webhook_deliveries.c.workspace_id: webhooks.c.workspace_id,
        webhook_deliveries.c.event_type: sa.literal(event_type),
        webhook_deliveries.c.subject: sa.literal(subject),
        webhook_deliveries.c.body: sa.literal(body),
        webhook_deliveries.c.create_time: sa.literal(now, time),
        webhook_deliveries.c.status: unless_crowded(
            WebhookDeliveryStatus.PENDING, WebhookDeliveryStatus.FAILED, status
        ),
        webhook_deliveries.c.error: unless_crowded("", TOO_MANY_PENDING, sa.Text()),
        webhook_deliveries.c.next_attempt_time: unless_crowded(now, None, time),
        webhook_deliveries.c.end_time: unless_crowded(None, now, time),
    }
    types = webhooks.c.event_types
    told = (
        sa.true()
        if any_type
        else (sa.func.jsonb_array_length(types) == 0) | types.has_key(event_type)
    )
    source = sa.select(*message.values()).where(
        webhooks.c.workspace_id == workspace, webhooks.c.uri != "", ~webhooks.c.disabled, told
    )
    written: WebhookDeliveryStatus | None = await connection.scalar(
        insert(webhook_deliveries)
        .from_select(list(message), source)
        .on_conflict_do_nothing()
        .returning(webhook_deliveries.c.status)
    )
    return written


async def claim_due(
    connection: AsyncConnection,
    now: datetime,
    *,
    lease: timedelta,
    per_workspace: int,
    workspaces: int,
    busy: Collection[str],
) -> list[WebhookDelivery]:
    """Starts an attempt of due messages: at most `per_workspace` of each of `workspaces`.

    Those whose messages wait for the longest come first. They are due again after `lease`, if this
    process dies. Skips workspaces in `busy`.
    """
    due = sa.and_(_WAITS, webhook_deliveries.c.next_attempt_time <= now)
    with_due = sa.select(webhook_deliveries.c.workspace_id).where(
        due, webhook_deliveries.c.workspace_id.not_in(list(busy))
    )
    by_workspace = with_due.group_by(webhook_deliveries.c.workspace_id)
    longest_first = by_workspace.order_by(sa.func.min(webhook_deliveries.c.next_attempt_time))
    chosen = longest_first.limit(workspaces).subquery("chosen")
    first = (
        sa.select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.workspace_id == chosen.c.workspace_id, due)
        .order_by(webhook_deliveries.c.next_attempt_time)
        .limit(per_workspace)
        .with_for_update(skip_locked=True, key_share=True)
        .lateral("first")
    )
    ids = sa.select(first.c.id).select_from(chosen.join(first, sa.true())).cte("ids")
    rows = await connection.execute(
        sa.update(webhook_deliveries)
        .where(webhook_deliveries.c.id.in_(sa.select(ids.c.id)))
        .values(
            attempts=webhook_deliveries.c.attempts + 1,
            next_attempt_time=now + lease,
            status_code=0,
            error="",
        )
        .returning(webhook_deliveries)
    )
    return [_delivery(row) for row in rows]


async def end(
    connection: AsyncConnection,
    tried: WebhookDelivery,
    *,
    status: WebhookDeliveryStatus,
    status_code: int,
    error: str,
    now: datetime,
) -> bool:
    """Ends a message. False when another attempt has started or the message has ended."""
    values = {
        "status": status,
        "status_code": status_code,
        "error": error,
        "next_attempt_time": None,
        "end_time": now,
    }
    return await _write(connection, tried, values)


async def postpone(
    connection: AsyncConnection,
    tried: WebhookDelivery,
    *,
    status_code: int,
    error: str,
    until: datetime,
) -> bool:
    values = {"status_code": status_code, "error": error, "next_attempt_time": until}
    return await _write(connection, tried, values)


async def fail_pending(
    connection: AsyncConnection, workspace: str, error: str, now: datetime
) -> int:
    """Fails all pending messages of a workspace. Returns their number."""
    answer = await connection.execute(
        sa.update(webhook_deliveries)
        .where(webhook_deliveries.c.workspace_id == workspace, _WAITS)
        .values(
            status=WebhookDeliveryStatus.FAILED, error=error, next_attempt_time=None, end_time=now
        )
    )
    return int(answer.rowcount)


async def find_oldest_pending(connection: AsyncConnection) -> datetime | None:
    """Returns the create_time of the oldest pending message."""
    found: datetime | None = await connection.scalar(
        sa.select(sa.func.min(webhook_deliveries.c.create_time)).where(_WAITS)
    )
    return found


async def find(
    connection: AsyncConnection, workspace: str, delivery: UUID
) -> WebhookDelivery | None:
    row = (
        await connection.execute(
            sa.select(webhook_deliveries).where(
                webhook_deliveries.c.workspace_id == workspace, webhook_deliveries.c.id == delivery
            )
        )
    ).one_or_none()
    return None if row is None else _delivery(row)


_FILTER_COLUMNS: Final = {
    "state": webhook_deliveries.c.status,
    "create_time": webhook_deliveries.c.create_time,
}


async def page(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
) -> list[WebhookDelivery]:
    """Lists messages, newest first: one more than `size` when there is another page."""
    query = sa.select(webhook_deliveries).where(
        webhook_deliveries.c.workspace_id == workspace, matches(filter_, _FILTER_COLUMNS)
    )
    key = (webhook_deliveries.c.create_time, webhook_deliveries.c.id)
    query = newest_first(query, *key, after=after, limit=size + 1)
    return [_delivery(row) for row in await connection.execute(query)]


async def _write(
    connection: AsyncConnection, tried: WebhookDelivery, values: dict[str, Any]
) -> bool:
    answer = await connection.execute(
        sa.update(webhook_deliveries)
        .where(
            webhook_deliveries.c.id == tried.id,
            webhook_deliveries.c.attempts == tried.attempts,
            webhook_deliveries.c.status == WebhookDeliveryStatus.PENDING,
        )
        .values(values)
    )
    return bool(answer.rowcount)


def _delivery(row: Any) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.id,
        workspace=row.workspace_id,
        event_type=row.event_type,
        subject=row.subject,
        body=row.body,
        status=row.status,
        attempts=row.attempts,
        status_code=row.status_code,
        error=row.error,
        create_time=row.create_time,
        next_attempt_time=row.next_attempt_time,
        end_time=row.end_time,
    )
