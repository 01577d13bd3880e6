"""Queries of deliveries of notices to destinations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.tables import deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNoticeDelivery:
    """One message about notices of a person. `link` is the name of what it is about."""

    id: UUID
    workspace: str
    user: str
    destination: str
    notices: Sequence[UUID]
    event_type: str
    subject: str
    body: str
    link: str = ""


async def insert(
    connection: AsyncConnection, new: Sequence[NewNoticeDelivery], now: datetime
) -> None:
    """Adds deliveries that are due now. They have neither automation nor run."""
    values = [
        {
            "id": one.id,
            "workspace_id": one.workspace,
            "automation": "",
            "step_id": "",
            "user_id": one.user,
            "destination": one.destination,
            "source": one.event_type,
            "notice_ids": list(one.notices),
            "subject": one.subject,
            "body": one.body,
            "format": "text",
            "condition": "always",
            "content_digest": "",
            "link": one.link,
            "state": DeliveryState.PENDING,
            "create_time": now,
            "next_attempt_time": now,
        }
        for one in new
    ]
    if values:
        await connection.execute(sa.insert(deliveries), values)
