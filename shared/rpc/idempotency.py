"""Requests that take effect once for each request_id (AIP-155)."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import aip
from shared.clock import Clock
from shared.db import database
from shared.db.tenancy import Tenancy


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """Identifies a request. A request without a request_id is always new.

    An empty `body_hash` matches any body.
    """

    workspace: str
    rpc: str
    user: str
    request_id: str
    body_hash: bytes

    @classmethod
    def of(cls, request: Any, *, rpc: str, workspace: str, user: str) -> Self:
        """Returns the key of a message that has a `request_id`, a UUID in either case."""
        request_id = request.request_id.lower()
        body = request if request.request_id == request_id else _replace_id(request, request_id)
        return cls(
            workspace=workspace,
            rpc=rpc,
            user=user,
            request_id=request_id,
            body_hash=aip.hash_body(body.SerializeToString(deterministic=True)),
        )


def _replace_id(request: Any, request_id: str) -> Any:
    """Returns the request under another id: the body has the id in it."""
    body = type(request)()
    body.CopyFrom(request)
    body.request_id = request_id
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    db: AsyncEngine
    clock: Clock
    tenancy: Tenancy

    async def look_up(self, key: IdempotencyKey) -> str | None:
        """Like `find`, in a transaction of its own."""
        async with database.transaction(self.db) as connection:
            return await self.find(connection, key)

    async def find(self, connection: AsyncConnection, key: IdempotencyKey) -> str | None:
        """Returns what the request made; None when it is new.

        Holds the key until the transaction ends: an equal request waits. Raises RequestIdReused
        when the request had another body.
        """
        if not key.request_id:
            return None
        return await self.tenancy.find_request(connection, **asdict(key))

    async def store(self, connection: AsyncConnection, key: IdempotencyKey, resource: str) -> None:
        """Records what the request made, in the transaction that makes it."""
        if key.request_id:
            await self.tenancy.store_request(
                connection, **asdict(key), resource=resource, now=self.clock.now()
            )

    async def run(
        self,
        connection: AsyncConnection,
        key: IdempotencyKey,
        make: Callable[[], Awaitable[str]],
    ) -> tuple[str, bool]:
        """Returns what the request made, and whether this call made it."""
        if (found := await self.find(connection, key)) is not None:
            return found, False
        resource = await make()
        await self.store(connection, key, resource)
        return resource, True
