"""The servicer of InboxService: each caller's own inbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from rota.automation.v1 import inbox_pb2 as pb
from rota.automation.v1 import inbox_pb2_grpc

from automation_service.api.convert import inbox as convert_inbox
from automation_service.inbox.service import Inboxes, parse_ids
from automation_service.persistence.inbox import InboxOwner, ItemSelection
from shared import aip, errors, resources
from shared.rpc.access import Access
from shared.rpc.idempotency import IdempotencyKey
from shared.rpc.messages.timestamps import read_timestamp
from shared.rpc.page_tokens import PageReader


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxServicer(inbox_pb2_grpc.InboxServiceServicer):
    access: Access
    pages: PageReader
    inboxes: Inboxes

    async def GetInboxItem(self, request: Any, context: Any) -> pb.InboxItem:
        owner = await self._owner(request.name)
        return convert_inbox.item(await self.inboxes.get(owner, request.name))

    async def ListInboxItems(self, request: Any, context: Any) -> pb.ListInboxItemsResponse:
        owner = await self._owner(request.parent)
        page = self.pages.read(request)
        full = request.view == pb.INBOX_ITEM_VIEW_FULL
        found = await self.inboxes.list(owner, page, request.filter, full=full)
        shown, token = aip.fill_page(
            page, found.items, convert_inbox.item, lambda i: (i.create_time, i.id)
        )
        return pb.ListInboxItemsResponse(
            inbox_items=shown,
            next_page_token=token,
            unread_count=found.unread_count,
            sequence=found.sequence,
        )

    async def WatchInboxItems(self, request: Any, context: Any) -> AsyncIterator[pb.InboxEvent]:
        owner = await self._owner(request.parent)
        async for change in self.inboxes.watch(owner, request.after_sequence):
            yield convert_inbox.event(change)

    async def MarkInboxItems(self, request: Any, context: Any) -> pb.MarkInboxItemsResponse:
        owner = await self._owner(request.parent)
        key = IdempotencyKey.of(
            request, rpc="MarkInboxItems", workspace=owner.workspace, user=owner.user
        )
        chosen = _selection(owner, request)
        marked, unread = await self.inboxes.mark(owner, chosen, key, read=not request.unread)
        return pb.MarkInboxItemsResponse(marked_count=marked, unread_count=unread)

    async def _owner(self, name: str) -> InboxOwner:
        """Returns whose inbox a call is about: the caller's, in the workspace of `name`.

        A viewer may mark too: nobody else sees whether an item is read.
        """
        who = await self.access.admit(name, "viewer")
        return InboxOwner(workspace=name.split("/")[1], user=who.user)


def _selection(owner: InboxOwner, request: Any) -> ItemSelection:
    has_end = request.HasField("end_time")
    if not (request.names or request.thread or has_end):
        raise errors.invalid(
            "names", "or thread or end_time is required", errors.FieldReason.REQUIRED
        )
    if request.names and request.thread:
        raise errors.invalid("thread", "can't stand beside names")
    if request.thread and resources.THREAD.parse(request.thread)["workspace"] != owner.workspace:
        raise errors.invalid("thread", "is of another workspace than parent")
    return ItemSelection(
        ids=parse_ids(owner, request.names) if request.names else None,
        thread=request.thread,
        end_time=read_timestamp(request.end_time, field="end_time") if has_end else None,
    )
