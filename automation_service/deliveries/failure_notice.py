"""The notice of a result that did not arrive, told once until one arrives."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.destinations import access
from automation_service.destinations.place_words import describe_place, find_named
from automation_service.persistence.enums import DestinationState, NoticeKind
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox import notices
from automation_service.persistence.outbox.deliveries import Delivery
from automation_service.persistence.outbox.destinations import Destination

MAX_ERROR: Final = 500


async def record_delivery_failed(
    connection: AsyncConnection, failed: Delivery, error: str, now: datetime
) -> None:
    """Tells whom the automation concerns that a delivery failed for good.

    Once until its destination takes a result of the automation, and not to whom the notice of
    the destination's own pause tells it.
    """
    if failed.automation_id is None or failed.event_type != rows.RESULT:
        return
    found = await find_named(connection, failed.workspace, failed.destination)
    if found is not None and await _is_told_of_pause(connection, failed, found):
        return
    last = await rows.find_last_sent(connection, failed.automation_id, failed.destination)
    await notices.add_of_automation(
        connection,
        workspace=failed.workspace,
        automation=failed.automation_id,
        author=failed.user,
        kind=NoticeKind.DELIVERY_FAILED,
        resource_name=failed.run_name,
        facts={
            "destination": failed.destination,
            "place": describe_place(failed.destination, found, failed.user),
            "error": error[:MAX_ERROR],
        },
        time=now,
        key=f"delivery_failed|{failed.automation_id}|{failed.destination}|{last or ''}",
    )


async def _is_told_of_pause(
    connection: AsyncConnection, failed: Delivery, found: Destination
) -> bool:
    """Whether whom the run acted for was told that the destination is paused."""
    if found.state is not DestinationState.PAUSED or failed.user is None:
        return False
    if found.owner is not None:
        return found.owner == failed.user
    role = await rows.find_user_role(connection, failed.workspace, failed.user)
    return found.creator == failed.user or role == access.OWNER
