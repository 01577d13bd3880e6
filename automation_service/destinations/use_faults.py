"""Reasons why an automation can't deliver to a destination."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.destinations import access
from automation_service.persistence.enums import DestinationState
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox.destinations import Destination
from shared import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class UseFault:
    """Why a destination takes no results of an automation. `called` is what people call it.

    `is_refused`: an automation that names it can't be saved. Any other has a note, and delivers
    there once the destination takes results.
    """

    name: str
    called: str
    description: str
    is_refused: bool


async def find_use_faults(
    connection: AsyncConnection, workspace: str, author: str, names: Sequence[str]
) -> Sequence[UseFault]:
    """Returns what is wrong with the destinations that automations of `author` name."""
    [faults] = await find_use_faults_of_many(connection, workspace, [(author, names)])
    return faults


async def find_use_faults_of_many(
    connection: AsyncConnection, workspace: str, uses: Sequence[tuple[str, Sequence[str]]]
) -> Sequence[Sequence[UseFault]]:
    """Returns what `find_use_faults` does for each author with names, by one statement."""
    wanted = {
        name: _resource_id(workspace, name)
        for name in dict.fromkeys(n for _, ns in uses for n in ns)
    }
    found = await rows.list_named(connection, workspace, [one for one in wanted.values() if one])
    return [
        [
            fault
            for name in dict.fromkeys(names)
            if (fault := _fault(name, found.get(wanted[name]), author)) is not None
        ]
        for author, names in uses
    ]


def _fault(name: str, found: Destination | None, author: str) -> UseFault | None:
    segment = name.rpartition("/")[2]
    # To anybody else a personal destination does not exist.
    if found is None or not access.may_deliver(author, found.owner):
        return UseFault(
            name=name,
            called=f"the destination {segment}",
            description="there is no such destination that this automation may deliver to",
            is_refused=True,
        )
    # Notes have many readers: of a personal destination they give neither its name for people,
    # which may be an address, nor what its service answered.
    is_shared = found.owner is None
    called = found.display_name if is_shared else f"a personal destination ({segment})"
    reason = f": {found.pause_reason}" if is_shared else ""
    said = {
        DestinationState.PAUSED: f"it is paused and takes no results{reason}",
        DestinationState.UNVERIFIED: "it takes no results until its address is verified",
    }.get(found.state)
    if said is None:
        return None
    return UseFault(name=name, called=called, description=said, is_refused=False)


def _resource_id(workspace: str, name: str) -> str:
    """The last segment of a name of this workspace; empty for any other name."""
    parts = resources.DESTINATION.match(name, workspace=workspace)
    return parts["destination"] if parts else ""
