"""Who sees, manages and uses a destination."""

from automation_service.persistence.outbox.destinations import Destination
from shared import errors
from shared.security.caller import Caller

OWNER = "owner"


def may_see_all(who: Caller, workspace: str) -> bool:
    return who.workspaces[workspace] == OWNER


def may_see(who: Caller, found: Destination) -> bool:
    """Whether it is shared or the caller's own; an owner of the workspace sees all."""
    return found.owner in (None, who.user) or may_see_all(who, found.workspace)


def may_manage(who: Caller, found: Destination) -> bool:
    """Whether the caller created it and is an editor still, or is an owner of the workspace."""
    role = who.workspaces[found.workspace]
    return role == OWNER or (role == "editor" and found.creator == who.user)


def require_manager(who: Caller, found: Destination) -> None:
    """Raises PermissionDenied."""
    if not may_manage(who, found):
        raise errors.PermissionDenied(role=who.workspaces[found.workspace], needs=OWNER)


def may_deliver(user: str | None, owner: str | None) -> bool:
    """Whether what acts for a user may deliver to a destination of an owner; None: it is shared."""
    return owner in (None, user)
