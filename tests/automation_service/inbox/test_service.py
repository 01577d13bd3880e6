"""An inbox over gRPC: listed, read, marked and watched by its own person only."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import inbox_pb2 as pb
from rota.automation.v1 import inbox_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.inbox.items import add_items
from automation_service.inbox.watch import InboxChange, InboxWatcher
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.errors import Code
from tests.automation_service.inbox.test_items import ADA, item
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import Running, execute, new_request_id, running

THREAD = "workspaces/w/threads/t"
DEADLINE = 20.0


class Box:
    """Calls of one person."""

    def __init__(self, rota: Running, user: str = "ada", workspace: str = "w") -> None:
        self.stub: Any = inbox_pb2_grpc.InboxServiceStub(rota.channel)
        self.parent = f"workspaces/{workspace}"
        token = rota.keys.user_token(user, {workspace: "viewer"})
        self.headers = [("authorization", f"Bearer {token}")]

    async def list(self, **fields: Any) -> Any:
        request = pb.ListInboxItemsRequest(parent=self.parent, **fields)
        return await self.stub.ListInboxItems(request, metadata=self.headers, timeout=DEADLINE)

    async def get(self, number: int) -> Any:
        name = f"{self.parent}/inboxItems/{UUID(int=number)}"
        request = pb.GetInboxItemRequest(name=name)
        return await self.stub.GetInboxItem(request, metadata=self.headers, timeout=DEADLINE)

    async def mark(self, *numbers: int, **fields: Any) -> Any:
        names = [f"{self.parent}/inboxItems/{UUID(int=number)}" for number in numbers]
        request = pb.MarkInboxItemsRequest(parent=self.parent, names=names, **fields)
        return await self.stub.MarkInboxItems(request, metadata=self.headers, timeout=DEADLINE)

    def watch(self, after: int = 0) -> Any:
        request = pb.WatchInboxItemsRequest(parent=self.parent, after_sequence=after)
        return self.stub.WatchInboxItems(request, metadata=self.headers, timeout=60)


@pytest.fixture
async def rota(url: str, keys: Keys, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(url, keys, clock=clock, roles="api") as service:
        yield service


@pytest.fixture
def db(rota: Running) -> AsyncEngine:
    return rota.service.db


@pytest.fixture
async def box(rota: Running) -> Box:
    found = Box(rota)
    await found.list()  # she is a member from now on
    return found


async def add(db: AsyncEngine, *items: Any) -> None:
    async with database.transaction(db) as connection:
        await add_items(connection, items)


def number(name: str) -> int:
    return UUID(name.rpartition("/")[2]).int


async def test_items_are_listed_newest_first_without_their_bodies(
    box: Box, db: AsyncEngine
) -> None:
    await add(db, *(item(n, body=f"# text {n}", thread=THREAD) for n in range(1, 6)))
    first = await box.list(page_size=2)
    rest = await box.list(page_size=2, page_token=first.next_page_token)
    assert [number(one.name) for one in [*first.inbox_items, *rest.inbox_items]] == [5, 4, 3, 2]
    assert {one.body for one in first.inbox_items} == {""}
    assert first.inbox_items[0].snippet == "text 5"
    assert first.unread_count == 5
    full = await box.list(view=pb.INBOX_ITEM_VIEW_FULL)
    assert full.inbox_items[-1].body == (await box.get(1)).body == "# text 1"
    assert full.inbox_items[-1].state == pb.InboxItem.UNREAD  # whoever reads it marks it too


async def test_a_filter_finds_items_by_state_kind_thread_and_time(
    box: Box, db: AsyncEngine
) -> None:
    await add(db, item(1), item(2, thread=THREAD), item(3))
    await box.mark(1)

    async def found(text: str) -> list[int]:
        return [number(one.name) for one in (await box.list(filter=text)).inbox_items]

    assert await found("state = UNREAD") == [3, 2]
    assert await found("state = READ") == [1]
    assert await found(f'thread = "{THREAD}" AND kind = RESULT') == [2]
    assert await found("kind = APPROVAL_WAITING") == []
    assert await found("create_time > 2126-01-01T00:00:00Z") == []


async def test_nobody_sees_or_marks_the_items_of_another(
    box: Box, rota: Running, db: AsyncEngine
) -> None:
    await add(db, item(1))
    other, elsewhere = Box(rota, "bob"), Box(rota, "ada", "v")
    for one in (other, elsewhere):
        assert not (await one.list()).inbox_items
        assert (await one.mark(1)).marked_count == 0
        assert (await one.mark(end_time=Timestamp(seconds=2**33))).marked_count == 0
        assert (await refusal(one.get(1))).reason == "RESOURCE_NOT_FOUND"
    assert (await box.list()).unread_count == 1


async def test_items_are_marked_by_name_by_thread_and_up_to_a_moment(
    box: Box, db: AsyncEngine
) -> None:
    later = item(4).create_time + timedelta(hours=1)
    await add(db, item(1), item(2, thread=THREAD), item(3), item(4))
    await execute_later(db, 4, later)
    assert (await box.mark(1)).unread_count == 3
    assert (await box.mark(1)).marked_count == 0
    assert (await box.mark(thread=THREAD)).marked_count == 1
    end = Timestamp()
    end.FromDatetime(later - timedelta(minutes=1))
    answer = await box.mark(end_time=end)
    assert (answer.marked_count, answer.unread_count) == (1, 1)
    answer = await box.mark(1, 4, unread=True)
    assert (answer.marked_count, answer.unread_count) == (1, 2)
    assert not (await box.get(1)).HasField("read_time")


async def execute_later(db: AsyncEngine, number: int, moment: Any) -> None:
    async with database.transaction(db) as connection:
        raw = await database.asyncpg_connection(connection)
        await raw.execute(
            "update automation.inbox_items set create_time = $1 where id = $2",
            moment,
            UUID(int=number),
        )


async def test_a_repeat_of_a_mark_marks_nothing_that_came_since(box: Box, db: AsyncEngine) -> None:
    await add(db, item(1))
    all_of_it = {"end_time": Timestamp(seconds=2**33), "request_id": new_request_id()}
    assert (await box.mark(**all_of_it)).marked_count == 1
    await add(db, item(2))
    repeat = await box.mark(**all_of_it)
    assert (repeat.marked_count, repeat.unread_count) == (0, 1)


async def test_a_watch_tells_what_came_and_what_was_marked_and_goes_on_after_a_cut(
    box: Box, db: AsyncEngine
) -> None:
    await add(db, item(1), item(2))
    call = box.watch()
    first, second = [await anext(aiter(call)) for _ in range(2)]
    assert [number(event.item.name) for event in (first, second)] == [1, 2]
    assert first.unread_count == second.unread_count == 2
    assert first.sequence < second.sequence
    await add(db, item(3))
    third = await anext(aiter(call))
    assert (number(third.item.name), third.unread_count) == (3, 3)
    await box.mark(1)
    marked = await anext(aiter(call))
    assert (number(marked.item.name), marked.item.state) == (1, pb.InboxItem.READ)
    assert marked.unread_count == 2
    call.cancel()
    # What changed twice comes once, as it is now.
    await box.mark(3)
    await box.mark(3, unread=True)
    again = box.watch(second.sequence)
    found = [await anext(aiter(again)) for _ in range(2)]
    assert [(number(e.item.name), e.item.state) for e in found] == [
        (1, pb.InboxItem.READ),
        (3, pb.InboxItem.UNREAD),
    ]
    again.cancel()
    listed = await box.list()
    assert listed.sequence == found[-1].sequence
    late = await refusal(anext(aiter(box.watch(listed.sequence + 1))))
    assert (late.code, late.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_change_that_commits_late_is_not_passed_by(box: Box, db: AsyncEngine) -> None:
    """Two transactions end in another order than they wrote."""
    call = box.watch()
    async with database.transaction(db) as slow:
        await add_items(slow, [item(1)])
        await add(db, item(2))
        assert number((await anext(aiter(call))).item.name) == 2
    assert number((await anext(aiter(call))).item.name) == 1
    call.cancel()


async def test_whoever_adds_an_item_waits_for_no_reader(box: Box, db: AsyncEngine) -> None:
    async with database.transaction(db) as connection:
        raw = await database.asyncpg_connection(connection)
        await raw.execute("insert into automation.inboxes values ('w', 'ada', 7)")
        async with asyncio.timeout(DEADLINE):
            await add(db, item(1))


@pytest.fixture
async def watcher(db: AsyncEngine, box: Box) -> AsyncIterator[InboxWatcher]:
    """That of another replica, with quick heartbeats."""
    stop, made = asyncio.Event(), InboxWatcher(db=db, poll_seconds=0.05, heartbeat_seconds=0.2)
    loop = asyncio.create_task(made.run(stop))
    yield made
    stop.set()
    await loop


async def test_a_watch_of_another_replica_hears_it_and_has_heartbeats(
    watcher: InboxWatcher, box: Box, db: AsyncEngine
) -> None:
    changes = watcher.watch(ADA, 0)
    quiet = await anext(changes)
    assert (quiet.item, quiet.unread_count, quiet.sequence) == (None, 0, 0)
    await add(db, *(item(n) for n in range(1, 451)))
    seen: list[InboxChange] = []
    while len(seen) < 450:
        change = await anext(changes)
        if change.item is not None:
            seen.append(change)
    assert [change.sequence for change in seen] == list(range(1, 451))
    assert [change.item.id.int for change in seen if change.item] == list(range(1, 451))
    await box.mark(7)
    while (change := await anext(changes)).item is None:
        pass
    assert (change.item.id, change.unread_count) == (UUID(int=7), 449)
    await changes.aclose()
    with pytest.raises(errors.InvalidRequest):
        await anext(watcher.watch(ADA, 10_000))


async def test_a_stream_ends_when_its_person_is_no_member_any_more(
    url: str, keys: Keys, rota: Running, box: Box
) -> None:
    await execute(url, "update memberships set revoked_time = now()")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(box.watch()))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
