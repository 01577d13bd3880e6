"""The threads and destinations to which a person's automations can deliver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.destinations.use_faults import find_use_faults
from shared.definition.destination_names import is_thread

NO_THREAD: Final = "is no thread that you can write to"


class ThreadDirectory(Protocol):
    async def find_closed_threads(
        self, threads: Sequence[str], *, workspace: str, user: str
    ) -> Sequence[str]:
        """Returns those that the user can't write to. Raises RotaError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDirectory:
    """Asks chat_service for threads, and the database for destinations."""

    db: AsyncEngine
    threads: ThreadDirectory

    async def find_refused(
        self, names: Sequence[str], *, workspace: str, user: str
    ) -> Mapping[str, str]:
        """Returns those that the user's automations can't deliver to, each with why not.

        Raises CreatorAccessLost and PeerUnavailable.
        """
        threads = [name for name in names if is_thread(name)]
        others = [name for name in names if name not in threads]
        refused: dict[str, str] = {}
        if threads:
            closed = await self.threads.find_closed_threads(threads, workspace=workspace, user=user)
            refused |= dict.fromkeys(closed, NO_THREAD)
        if others:
            async with self.db.connect() as connection:
                faults = await find_use_faults(connection, workspace, user, others)
            refused |= {fault.name: fault.description for fault in faults if fault.is_refused}
        return refused
