"""An item of an approval is read once the approval waits no more."""

from typing import Final
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.notices import approval_items
from automation_service.notices.approval_items import ApprovalItems
from shared.clock import ManualClock
from shared.db import database
from tests.automation_service.notices.conftest import Approvals
from tests.support.system.automation import execute

APPROVALS: Final = [f"workspaces/w/approvals/{UUID(int=n)}" for n in range(4)]


async def test_items_of_approvals_that_wait_no_more_are_read_and_watchers_are_told(
    url: str,
    db: AsyncEngine,
    clock: ManualClock,
    members: None,
    approvals: Approvals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(approval_items, "MAX_PEOPLE", 1)
    of = zip(APPROVALS, ("ada", "ada", "bob", "cyd"), strict=True)
    async with database.transaction(db) as connection:
        await add_items(
            connection,
            [
                NewInboxItem(
                    id=UUID(int=100 + number),
                    workspace="w",
                    user=user,
                    kind=InboxItemKind.APPROVAL_WAITING,
                    subject="Waits",
                    approval=approval,
                    create_time=clock.now(),
                )
                for number, (approval, user) in enumerate(of)
            ],
        )
    await execute(url, "update inbox_items set sequence = 1")
    items = ApprovalItems(db=db, clock=clock, approvals=approvals)
    approvals.is_away = True
    assert await items.mark_settled() == 0
    approvals.is_away, approvals.pending = False, {APPROVALS[1], APPROVALS[2]}
    assert await items.mark_settled() == 2
    rows = await execute(url, "select * from inbox_items order by id")
    assert [row["read_time"] is not None for row in rows] == [True, False, False, True]
    assert [row["sequence"] for row in rows] == [None, 1, 1, None]
    approvals.asked.clear()
    assert await items.mark_settled() == 0
    assert approvals.asked == [[APPROVALS[1]], [APPROVALS[2]]]
