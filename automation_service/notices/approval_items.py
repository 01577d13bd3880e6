"""Inbox items of approvals: read once the approval waits no more, wherever it was decided."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.notices.dispatcher import ApprovalReader
from automation_service.persistence import inbox as rows
from automation_service.persistence.inbox import InboxOwner, ItemSelection
from shared import errors
from shared.aio import run_every
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs

# How often it is asked which approvals still wait.
SECONDS: Final = 30.0
# People that one query reads.
MAX_PEOPLE: Final = 100

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalItems:
    """Any number of replicas may run one at the same time."""

    db: AsyncEngine
    clock: Clock
    approvals: ApprovalReader

    async def run(self, stop: asyncio.Event) -> None:
        on_error = partial(database.log_fault, log, "approval_items_failed")
        await run_every(SECONDS, self.mark_settled, stop=stop, on_error=on_error, delay=SECONDS)

    async def mark_settled(self) -> int:
        """Marks unread items as read whose approvals wait no more. Returns how many.

        While chat_service can't say, they stay.
        """
        count, after = 0, InboxOwner(workspace="", user="")
        while True:
            async with self.db.connect() as connection:
                people = await rows.list_owners_with_unread_approvals(
                    connection, after=after, limit=MAX_PEOPLE
                )
            for owner in people:
                try:
                    count += await self._mark(owner)
                except errors.PeerUnavailable as error:
                    log.warning("approvals_unknown", reason=error.reason)
                    return count
                except Exception as error:  # noqa: BLE001 - others don't wait for one person
                    database.log_fault(log, "approval_items_failed", error)
            if len(people) < MAX_PEOPLE:
                return count
            after = people[-1]

    async def _mark(self, owner: InboxOwner) -> int:
        async with self.db.connect() as connection:
            items = await rows.list_unread_approvals(connection, owner)
        names = sorted(set(items.values()))
        pending = await self.approvals.find_pending(
            names, workspace=owner.workspace, user=owner.user
        )
        settled = [item for item, approval in items.items() if approval not in pending]
        if not settled:
            return 0
        async with database.transaction(self.db) as connection:
            await rows.lock_inbox(connection, owner)
            chosen = ItemSelection(ids=settled)
            return await rows.mark(connection, owner, chosen, self.clock.now())
