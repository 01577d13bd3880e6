"""The words for a place that did not take a delivery."""

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.destinations import access
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox.destinations import Destination
from shared import resources
from shared.definition.destination_names import is_destination, is_thread


async def find_named(connection: AsyncConnection, workspace: str, place: str) -> Destination | None:
    """Returns the destination that has a name; None for another place and for one that is gone."""
    if not is_destination(place):
        return None
    segment = resources.DESTINATION.parse(place)["destination"]
    return await rows.find(connection, workspace, segment)


def describe_place(place: str, found: Destination | None, user: str | None) -> str:
    """`Phone (Ntfy at ntfy.sh)`, for whoever may use it; else no more than the id that it has."""
    if is_thread(place):
        return "its thread"
    if found is None or user is None or not access.may_deliver(user, found.owner):
        return f"the destination {place.rpartition('/')[2]}"
    where = f"{found.kind.name.capitalize()} at {found.host}"
    return where if found.display_name == found.host else f"{found.display_name} ({where})"
