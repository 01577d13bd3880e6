"""The caller of an RPC, admitted to the workspace that a resource name begins with."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import errors, resources
from shared.clock import Clock
from shared.db.tenancy import Tenancy
from shared.security import caller
from shared.security.caller import Caller

Role = Literal["viewer", "editor", "owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """To a caller without access, `name` does not exist: ResourceNotFound."""

    db: AsyncEngine
    clock: Clock
    tenancy: Tenancy

    def authorize(self, name: str, role: Role) -> Caller:
        """Returns the caller, whose token grants at least `role` in the workspace of `name`.

        Reads no table, so it does not see that a membership was revoked.
        """
        who = caller.current()
        who.require(_workspace(name), role, name=name)
        return who

    async def admit(self, name: str, role: Role) -> Caller:
        """Like `authorize`, and records the member. A revoked member has no access."""
        who = self.authorize(name, role)
        try:
            await self.tenancy.admit(self.db, who, _workspace(name), self.clock.now())
        except errors.ResourceNotFound:
            raise errors.ResourceNotFound(name) from None
        return who


def workspace_of(parent: str) -> str:
    """Returns the id in `workspaces/{workspace}`."""
    return resources.WORKSPACE.parse(parent)["workspace"]


def _workspace(name: str) -> str:
    return name.split("/")[1] if name.startswith("workspaces/") else ""
