"""Who may do what: the caller of an RPC, admitted to the workspace it names."""

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
    db: AsyncEngine
    tenancy: Tenancy
    clock: Clock

    async def enter(self, name: str, role: Role) -> Caller:
        """The caller, who has at least `role` in the workspace that `name` begins with.

        To anybody else `name` does not exist.
        """
        workspace = name.split("/")[1] if name.startswith("workspaces/") else ""
        who = caller.current()
        who.require(workspace, role, name=name)
        try:
            await self.tenancy.admit(self.db, who, workspace, self.clock.now())
        except errors.ResourceNotFound:
            raise errors.ResourceNotFound(name) from None
        return who


def workspace_of(parent: str) -> str:
    return resources.WORKSPACE.parse(parent)["workspace"]


def automation_of(name: str) -> tuple[str, str]:
    """The workspace and the id of an automation."""
    parts = resources.AUTOMATION.parse(name)
    return parts["workspace"], parts["automation"]


def webhook_workspace(name: str) -> str:
    return resources.WEBHOOK.parse(name)["workspace"]
