"""The methods of deliveries: get, list, retry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as automation_rows
from automation_service.persistence import runs as run_rows
from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox import destinations as destination_rows
from automation_service.persistence.outbox.deliveries import ANY, Delivery, DeliveryAttempt
from shared import errors, filters, resources
from shared.aip import Page
from shared.clock import Clock
from shared.definition.destination_names import INBOX
from shared.filters import Kind
from shared.rpc.idempotency import IdempotencyKey


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

    async def get(self, name: str) -> DeliveryView:
        async with self.db.connect() as connection:
            found = await _find(connection, name)
            attempts = await rows.list_attempts(connection, found.id)
        return DeliveryView(delivery=found, attempts=attempts)

    async def list(self, parent: str, page: Page, filter_: str) -> Sequence[Delivery]:
        """Returns a page and one more if there is one.

        Raises ResourceNotFound for an automation or a run that is not there, unless deliveries of
        the run are.
        """
        wanted = filters.parse(filter_, _FILTER_FIELDS)
        parts = resources.RUN.parse(parent)
        if parts["run"] != ANY:
            resources.parse_uuid(parts["run"], parent)
        async with self.db.connect() as connection:
            await self._require(connection, parent, parts)
            return await rows.page(
                connection,
                parts,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
            )

    async def retry(self, key: IdempotencyKey, name: str) -> DeliveryView:
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

        view = await self.get(await self.changes.make(key, make))
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
    try:
        parts = resources.DESTINATION.parse(found.destination)
    except errors.ResourceNotFound:
        return False
    now = await destination_rows.find(connection, parts["workspace"], parts["destination"])
    return now is not None and found.create_time < now.create_time


def _read_destination(value: str) -> str:
    if value != INBOX and not value.startswith("workspaces/"):
        raise ValueError("must be inbox, or the name of a thread or of a destination")
    return value


_FILTER_FIELDS: Final = {
    "state": filters.state(DeliveryState),
    "destination": Kind(("=", "!="), _read_destination),
    "create_time": filters.TIME,
}
