"""The methods of deliveries: get, list, retry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.destinations import access
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as automation_rows
from automation_service.persistence import runs as run_rows
from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox import destinations as destination_rows
from automation_service.persistence.outbox.deliveries import ANY, Delivery, DeliveryAttempt
from automation_service.persistence.outbox.destinations import Destination
from shared import errors, list_filter, resources
from shared.aip import Page
from shared.clock import Clock
from shared.definition.destination_names import is_destination, read_place
from shared.list_filter import Kind
from shared.rpc.idempotency import IdempotencyKey
from shared.security.caller import Caller

# In the place of what a destination answered that the caller may not see.
HIDDEN: Final = "shown to those who may see the destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery with its last attempts, oldest first."""

    delivery: Delivery
    attempts: Sequence[DeliveryAttempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """`on_due` is called after a delivery is to be sent again."""

    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    on_due: Callable[[], None] = lambda: None

    async def get(self, who: Caller, name: str) -> DeliveryView:
        async with self.db.connect() as connection:
            found = await _find(connection, name)
            attempts = await rows.list_attempts(connection, found.id)
            [shown] = await _hide_answers(connection, who, [found])
        if shown is not found:
            attempts = [replace(one, **_hidden(one.error)) for one in attempts]
        return DeliveryView(delivery=shown, attempts=attempts)

    async def list(self, who: Caller, parent: str, page: Page, filter_: str) -> Sequence[Delivery]:
        """Returns a page and one more if there is one.

        Raises ResourceNotFound for an automation or a run that is not there, unless deliveries of
        the run are.
        """
        wanted = list_filter.parse(filter_, _FILTER_FIELDS)
        parts = resources.RUN.parse(parent)
        if parts["run"] != ANY:
            resources.parse_uuid(parts["run"], parent)
        async with self.db.connect() as connection:
            await self._require(connection, parent, parts)
            found = await rows.page(
                connection,
                parts,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
            )
            return await _hide_answers(connection, who, found)

    async def retry(self, who: Caller, key: IdempotencyKey, name: str) -> DeliveryView:
        """Has a FAILED delivery sent again.

        Raises StateConflict for any other, and for one of a destination that was removed and whose
        name another one has.
        """

        async def make(connection: AsyncConnection) -> str:
            found = await _find(connection, name, lock=True)
            if await _is_of_removed(connection, found):
                raise errors.StateConflict(found.destination, "newer than the delivery")
            if not await rows.send_again(connection, found.id, self.clock.now()):
                raise errors.StateConflict(found.resource, found.state.name)
            return found.resource

        view = await self.get(who, await self.changes.make(key, make))
        self.on_due()
        return view

    async def _require(
        self, connection: AsyncConnection, parent: str, parts: dict[str, str]
    ) -> None:
        workspace, automation = parts["workspace"], parts["automation"]
        if parts["run"] == ANY:
            if automation != ANY:
                await automation_rows.get(connection, workspace, automation)
            return
        if await rows.page(connection, parts, size=1, after=None):
            return
        run = resources.parse_uuid(parts["run"], parent)
        if automation == ANY or not await run_rows.find(connection, workspace, automation, run):
            raise errors.ResourceNotFound(parent)


async def _find(connection: AsyncConnection, name: str, *, lock: bool = False) -> Delivery:
    parts = resources.DELIVERY.parse(name)
    delivery = resources.parse_uuid(parts["delivery"], name)
    if parts["run"] != ANY:
        resources.parse_uuid(parts["run"], name)
    found = await rows.find(connection, parts, delivery, lock=lock)
    if found is None:
        raise errors.ResourceNotFound(name)
    return found


async def _is_of_removed(connection: AsyncConnection, found: Delivery) -> bool:
    """Whether the destination that has the name now is another one than the delivery was for."""
    named = await _list_destinations(connection, [found])
    now = named.get(found.destination)
    return now is not None and found.create_time < now.create_time


async def _hide_answers(
    connection: AsyncConnection, who: Caller, found: Sequence[Delivery]
) -> Sequence[Delivery]:
    """Returns deliveries as a caller may see them.

    What a personal destination answered is for those who may see it; of one that was removed, for
    whom the run acted for and the owners of the workspace.
    """
    named = await _list_destinations(connection, found)

    def sees(one: Delivery) -> bool:
        if (
            not is_destination(one.destination)
            or one.user == who.user
            or access.may_see_all(who, one.workspace)
        ):
            return True
        now = named.get(one.destination)
        return now is not None and one.create_time >= now.create_time and access.may_see(who, now)

    return [one if sees(one) else replace(one, **_hidden(one.error)) for one in found]


def _hidden(error: str) -> dict[str, Any]:
    return {"status_code": 0, "error": HIDDEN if error else ""}


async def _list_destinations(
    connection: AsyncConnection, found: Sequence[Delivery]
) -> Mapping[str, Destination]:
    """Returns the destinations that have the names of deliveries of one workspace now."""
    segments = {
        one.destination.rpartition("/")[2] for one in found if is_destination(one.destination)
    }
    if not segments:
        return {}
    rows_of = await destination_rows.list_named(connection, found[0].workspace, sorted(segments))
    return {one.resource: one for one in rows_of.values()}


_FILTER_FIELDS: Final = {
    "state": list_filter.state(DeliveryState),
    "destination": Kind(("=", "!="), read_place),
    "create_time": list_filter.TIME,
}
