"""The caller of an RPC, admitted to the workspace that a resource name begins with."""

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import errors, resources
from shared.clock import Clock
from shared.db.tenancy import Tenancy
from shared.security import caller
from shared.security.caller import ROLES, Caller, Grant

Role = Literal["viewer", "editor", "owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """To a caller without access, `name` does not exist: ResourceNotFound."""

    db: AsyncEngine
    clock: Clock
    tenancy: Tenancy

    def identify(self, name: str) -> Caller:
        """Returns the caller, who by the token alone is a member of the workspace of `name`.

        Reads no table: whoever acts on it asks the stored membership, as `admit` does, and then
        calls `record_grant`.
        """
        who = caller.current()
        if _workspace(name) not in who.workspaces:
            raise errors.ResourceNotFound(name)
        return who

    def record_grant(self, name: str, role: Role) -> None:
        """Records what the present call was admitted to: its stream goes on while that holds."""
        caller.record_grant(Grant(name=name, workspace=_workspace(name), role=role))

    async def admit(self, name: str, role: Role) -> Caller:
        """Returns the caller, recorded as a member, who has at least `role` today.

        Raises PermissionDenied for a lower role. A revoked member has no access. In the
        workspace of `name` the role of the returned caller is that of today.
        """
        who, workspace = self.identify(name), _workspace(name)
        try:
            has = await self.tenancy.admit(self.db, who, workspace, self.clock.now())
        except errors.ResourceNotFound:
            raise errors.ResourceNotFound(name) from None
        caller.require_role(has, role)
        self.record_grant(name, role)
        return replace(who, workspaces={**who.workspaces, workspace: has})

    def is_recorded(self, who: Caller, workspace: str, role: Role) -> bool:
        """Returns whether the member was recorded lately, and the token grants at least `role`."""
        granted = who.workspaces[workspace]
        return granted in ROLES[ROLES.index(role) :] and self.tenancy.is_recorded(who, workspace)


def workspace_of(parent: str) -> str:
    """Returns the id in `workspaces/{workspace}`."""
    return resources.WORKSPACE.parse(parent)["workspace"]


def _workspace(name: str) -> str:
    return name.split("/")[1] if name.startswith("workspaces/") else ""
