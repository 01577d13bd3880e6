"""Callers in workspaces, and requests that were served before."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from google.protobuf.message import Message as Proto
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import tables
from shared import aip
from shared.clock import Clock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.security import caller
from shared.security.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a request_id is remembered by."""

    workspace: str
    rpc: str
    user: str
    request_id: str
    body_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    engine: AsyncEngine
    clock: Clock
    tenancy: Tenancy

    def named(self, workspace: str, role: str, *, name: str) -> Caller:
        """The caller, whose token gives at least `role` in the workspace."""
        who = caller.current()
        who.require(workspace, role, name=name)
        return who

    async def admit(self, workspace: str, role: str, *, name: str) -> Caller:
        """The caller, who has at least `role` in the workspace and was not revoked."""
        who = self.named(workspace, role, name=name)
        await self.tenancy.admit(self.engine, who, workspace, self.clock.now())
        return who

    def request(
        self, message: Proto, *, workspace: str, rpc: str, user: str, request_id: str
    ) -> Request:
        body = message.SerializeToString(deterministic=True)
        return Request(
            workspace=workspace,
            rpc=rpc,
            user=user,
            request_id=request_id.lower(),
            body_hash=aip.hash_body(body),
        )

    async def made(self, request: Request) -> str | None:
        """What the request made; None when it is new. RequestIdReused with another body."""
        async with database.transaction(self.engine) as connection:
            return await self.tenancy.find_request(connection, **asdict(request))

    async def once(
        self,
        connection: AsyncConnection,
        request: Request,
        make: Callable[[], Awaitable[str]],
    ) -> tuple[str, bool]:
        """What the request made, and whether it was made just now.

        Without a request_id it is always made anew.
        """
        if not request.request_id:
            return await make(), True
        made = await self.tenancy.find_request(connection, **asdict(request))
        if made is not None:
            return made, False
        resource = await make()
        await self.tenancy.store_request(
            connection, **asdict(request), resource=resource, now=self.clock.now()
        )
        return resource, True


def tenancy() -> Tenancy:
    return Tenancy(tables.tenants)
