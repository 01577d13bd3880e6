"""A change under a request_id: made once, and answered with the resource as it is now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import automations as automation_rows
from automation_service.persistence.records import Automation
from shared import errors, resources
from shared.aip import hash_body
from shared.clock import Clock
from shared.db import database
from shared.db.tenancy import Tenancy

Change = Callable[[AsyncConnection], Awaitable[Automation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call that changes something. `body` is its deterministic bytes."""

    rpc: str
    workspace: str
    user: str
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    db: AsyncEngine
    tenancy: Tenancy
    clock: Clock

    async def change(self, request: Request, change: Change) -> Automation:
        """Makes a change of an automation in one transaction, and its audit row with it.

        A repeat of the request makes none; NOT_FOUND when the automation was deleted since.
        """
        async with database.transaction(self.db) as connection:
            if (before := await self._served(connection, request)) is not None:
                return await _as_it_is_now(connection, before)
            changed = await change(connection)
            await self._remember(connection, request, f"{changed.resource}#{changed.id}")
            await self._audit(connection, request, changed.resource)
        return changed

    async def delete(
        self, request: Request, delete: Callable[[AsyncConnection], Awaitable[str]]
    ) -> None:
        """Deletes something; a repeat of the request does nothing."""
        await self.act(request, delete)

    async def act(self, request: Request, act: Callable[[AsyncConnection], Awaitable[str]]) -> str:
        """Does what gives a resource's name, and gives it; a repeat of the request only that."""
        async with database.transaction(self.db) as connection:
            if (before := await self._served(connection, request)) is not None:
                return before
            resource = await act(connection)
            await self._remember(connection, request, resource)
            await self._audit(connection, request, resource)
        return resource

    async def _served(self, connection: AsyncConnection, request: Request) -> str | None:
        if not request.request_id:
            return None
        return await self.tenancy.find_request(
            connection,
            workspace=request.workspace,
            rpc=request.rpc,
            user=request.user,
            request_id=request.request_id,
            body_hash=hash_body(request.body),
        )

    async def _remember(self, connection: AsyncConnection, request: Request, resource: str) -> None:
        if not request.request_id:
            return
        await self.tenancy.store_request(
            connection,
            workspace=request.workspace,
            rpc=request.rpc,
            user=request.user,
            request_id=request.request_id,
            body_hash=hash_body(request.body),
            resource=resource,
            now=self.clock.now(),
        )

    async def _audit(self, connection: AsyncConnection, request: Request, resource: str) -> None:
        await automation_rows.audit(
            connection,
            workspace=request.workspace,
            actor=request.user,
            action=request.rpc,
            resource=resource,
            now=self.clock.now(),
        )


async def _as_it_is_now(connection: AsyncConnection, before: str) -> Automation:
    # The id, since the name may have been given to another one meanwhile.
    name, _, automation_id = before.partition("#")
    found = await automation_rows.find_by_id(connection, UUID(automation_id))
    if found is None:
        raise errors.ResourceNotFound(name)
    return found


def new_name(workspace: str, chosen: str) -> tuple[UUID, str]:
    """An id, and the last segment of the name: the caller's choice or the id."""
    made = resources.new_id()
    return made, chosen or str(made)
