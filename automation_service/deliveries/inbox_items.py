"""The inbox items that deliveries make."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.persistence import inbox as rows
from automation_service.persistence.outbox.deliveries import Delivery, NewDelivery
from shared.definition.destination_names import INBOX
from shared.registries.actions.deliver import delivery_id
from shared.resources import AUTOMATION, DELIVERY, RUN


async def add_to_inboxes(
    connection: AsyncConnection, sent: Sequence[NewDelivery]
) -> Sequence[NewDelivery]:
    """Adds what is delivered to inboxes, in the transaction that stores the deliveries.

    Returns those of whom is no member any more, who have no inbox.
    """
    made = await add_items(
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
    return [one for one in sent if one.id not in made]


async def add_to_thread(
    connection: AsyncConnection, sent: Delivery, *, user: str, now: datetime
) -> None:
    """Has the inbox count what has arrived in a thread.

    Where the step delivers to the inbox too, that item names the thread from now on: one result is
    one item.
    """
    if sent.run is not None:
        owner = rows.InboxOwner(workspace=sent.workspace, user=user)
        of_step = delivery_id(str(sent.run), sent.step_id, INBOX)
        if await rows.place_in_thread(
            connection, owner, of_step, thread=sent.destination, delivery=sent.resource
        ):
            return
    await add_items(connection, [build_result_item(sent, user=user, now=now)])


async def add_without_thread(
    connection: AsyncConnection, failed: Delivery, *, user: str, now: datetime
) -> None:
    """Puts a result into the inbox whose thread is gone, once for a step."""
    if failed.run is None:
        return
    item = build_result_item(failed, user=user, now=now)
    of_step = delivery_id(str(failed.run), failed.step_id, INBOX)
    await add_items(connection, [replace(item, id=of_step, thread="")])


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
