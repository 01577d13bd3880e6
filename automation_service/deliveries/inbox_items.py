"""The inbox items that deliveries make."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.persistence.outbox.deliveries import Delivery, NewDelivery
from shared.resources import AUTOMATION, DELIVERY, RUN


async def add_to_inboxes(connection: AsyncConnection, sent: Sequence[NewDelivery]) -> None:
    """Adds what is delivered to inboxes, in the transaction that stores the deliveries."""
    await add_items(
        connection,
        [
            NewInboxItem(
                id=one.id,
                workspace=one.workspace,
                user=one.user,
                kind=InboxItemKind.RESULT,
                subject=one.subject,
                body=one.body,
                format=one.format,
                automation=AUTOMATION.format(workspace=one.workspace, automation=one.automation),
                run=RUN.format(workspace=one.workspace, automation=one.automation, run=one.run),
                delivery=DELIVERY.format(
                    workspace=one.workspace,
                    automation=one.automation,
                    run=one.run,
                    delivery=one.id,
                ),
                create_time=one.time,
            )
            for one in sent
            if one.user is not None
        ],
    )


def build_result_item(sent: Delivery, *, user: str, now: datetime) -> NewInboxItem:
    """Returns the item of a result that has arrived in a thread."""
    return NewInboxItem(
        id=sent.id,
        workspace=sent.workspace,
        user=user,
        kind=InboxItemKind.RESULT,
        subject=sent.subject,
        body=sent.body,
        format=sent.format,
        automation=sent.automation_name,
        run=sent.run_name,
        delivery=sent.resource,
        thread=sent.destination,
        create_time=now,
    )


def build_pause_item(failed: Delivery, *, user: str, error: str, now: datetime) -> NewInboxItem:
    """Returns the item that tells of a destination that a failed delivery paused."""
    return NewInboxItem(
        id=uuid5(failed.id, f"paused/{failed.attempts}"),
        workspace=failed.workspace,
        user=user,
        kind=InboxItemKind.DESTINATION_PAUSED,
        subject=f"A destination is paused: {failed.destination.rpartition('/')[2]}",
        body=f"It takes no results until it is enabled again. The last one failed: {error}",
        format="text",
        automation=failed.automation_name,
        run=failed.run_name,
        delivery=failed.resource,
        destination=failed.destination,
        create_time=now,
    )
