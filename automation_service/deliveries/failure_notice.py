"""The notice of a result that did not arrive, told once until one arrives."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.destinations import access
from automation_service.persistence.enums import DestinationState, NoticeKind
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox import destinations as destination_rows
from automation_service.persistence.outbox import notices
from automation_service.persistence.outbox.deliveries import Delivery
from automation_service.persistence.outbox.destinations import Destination
from shared import resources
from shared.definition.destination_names import is_destination, is_thread

MAX_ERROR: Final = 500


async def record_delivery_failed(
    connection: AsyncConnection, failed: Delivery, error: str, now: datetime
) -> None:
    """Tells whom the automation concerns that a delivery failed for good.

    Once until its destination takes a result of the automation, and not to whom the notice of
    the destination's own pause tells it.
    """
    if failed.automation_id is None or failed.source != rows.RESULT:
        return
    found = await _find_destination(connection, failed)
    if found is not None and await _is_told_of_pause(connection, failed, found):
        return
    last = await rows.find_last_sent(connection, failed.automation_id, failed.destination)
    await notices.add_of_automation(
        connection,
        workspace=failed.workspace,
        automation=failed.automation_id,
        author=failed.user,
        kind=NoticeKind.DELIVERY_FAILED,
        subject=failed.run_name,
        facts={
            "destination": failed.destination,
            "place": _describe(failed, found),
            "error": error[:MAX_ERROR],
        },
        time=now,
        key=f"delivery_failed|{failed.automation_id}|{failed.destination}|{last or ''}",
    )


async def _find_destination(connection: AsyncConnection, failed: Delivery) -> Destination | None:
    if not is_destination(failed.destination):
        return None
    segment = resources.DESTINATION.parse(failed.destination)["destination"]
    return await destination_rows.find(connection, failed.workspace, segment)


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


def _describe(failed: Delivery, found: Destination | None) -> str:
    if is_thread(failed.destination):
        return "its thread"
    if found is None or failed.user is None or not access.may_deliver(failed.user, found):
        return f"the destination {failed.destination.rpartition('/')[2]}"
    return f"{found.display_name} ({found.kind.name.capitalize()} at {found.host})"
