"""Changes under an idempotency key, each with its audit event."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import automations as automation_rows
from automation_service.persistence.records import Automation
from shared import errors
from shared.clock import Clock
from shared.db import database
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.security import caller

ChangeAutomation = Callable[[AsyncConnection], Awaitable[Automation]]
MakeResource = Callable[[AsyncConnection], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentChanges:
    """A change, its key and its audit event are one transaction."""

    db: AsyncEngine
    clock: Clock
    idempotency: Idempotency

    async def change(self, key: IdempotencyKey, change: ChangeAutomation) -> Automation:
        """Changes an automation and returns it. A repeat returns it as it is now.

        Raises ResourceNotFound for a repeat when the automation was deleted since.
        """
        changed: list[Automation] = []
        async with database.transaction(self.db) as connection:

            async def make() -> str:
                changed.append(await change(connection))
                await self._audit(connection, key, changed[0].resource)
                return f"{changed[0].resource}#{changed[0].id}"

            made, _ = await self.idempotency.run(connection, key, make)
            return changed[0] if changed else await _find(connection, made)

    async def make(self, key: IdempotencyKey, make: MakeResource) -> str:
        """Changes a resource and returns its name. A repeat only returns the name."""
        async with database.transaction(self.db) as connection:

            async def audited() -> str:
                resource = await make(connection)
                await self._audit(connection, key, resource)
                return resource

            made, _ = await self.idempotency.run(connection, key, audited)
            return made

    async def _audit(self, connection: AsyncConnection, key: IdempotencyKey, resource: str) -> None:
        await automation_rows.audit(
            connection,
            workspace=key.workspace,
            actor=key.user,
            action=key.rpc,
            resource=resource,
            decision=caller.current().approval,
            now=self.clock.now(),
        )


async def _find(connection: AsyncConnection, made: str) -> Automation:
    # By id: another automation may have the name now.
    name, _, automation_id = made.partition("#")
    found = await automation_rows.find_by_id(connection, UUID(automation_id))
    if found is None:
        raise errors.ResourceNotFound(name)
    return found
