"""Calls about the caller's inbox: list, read, watch and mark."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime

from rota_client.calls import Calls, new_id
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name
from rota_client.pager import Pager
from rota_client.streams import StreamPosition, follow


class Inbox:
    """The methods of RotaClient about the inbox of whoever the token names."""

    address: str
    workspace: str
    inbox: automation_v1.InboxServiceStub
    _calls: Calls

    async def get_inbox_item(self, name: str) -> automation_v1.InboxItem:
        """Returns an item with its body. It stays unread until it is marked."""
        name = complete_name(self.workspace, "inboxItems", name)
        request = automation_v1.GetInboxItemRequest(name=name)
        return await self._calls.unary(self.inbox.get_inbox_item, request)

    def list_inbox_items(
        self, *, filter_: str = "", full: bool = False, page_token: str = ""
    ) -> Pager[automation_v1.InboxItem]:
        """Lists items, newest first. `full` lists them with their bodies."""
        views = automation_v1.InboxItemView
        return self._calls.pager(
            self.inbox.list_inbox_items,
            automation_v1.ListInboxItemsRequest(
                parent=self.workspace,
                filter=filter_,
                view=views.FULL if full else views.BASIC,
            ),
            lambda page: page.inbox_items,
            page_token,
        )

    async def read_inbox_state(self) -> tuple[int, int]:
        """Returns how many items are unread, and the sequence after which a watch begins."""
        request = automation_v1.ListInboxItemsRequest(parent=self.workspace, page_size=1)
        found = await self._calls.unary(self.inbox.list_inbox_items, request)
        return found.unread_count, found.sequence

    def watch_inbox(
        self, *, after_sequence: int = 0
    ) -> AsyncGenerator[automation_v1.InboxEvent, None]:
        """Yields each item that changed after `after_sequence`, then each that changes."""
        return follow(
            _InboxStream(self),
            address=self.address,
            retry_policy=self._calls.retry_policy,
            at=StreamPosition(name=self.workspace, sequence=after_sequence),
        )

    async def mark_inbox_items(
        self,
        names: Sequence[str] = (),
        *,
        thread: str = "",
        end_time: datetime | None = None,
        unread: bool = False,
        request_id: str = "",
    ) -> automation_v1.MarkInboxItemsResponse:
        """Marks items as read: those named, all of a thread, or all up to an aware moment."""
        request = automation_v1.MarkInboxItemsRequest(
            parent=self.workspace,
            names=[complete_name(self.workspace, "inboxItems", name) for name in names],
            thread=complete_name(self.workspace, "threads", thread) if thread else "",
            end_time=end_time,
            unread=unread,
            request_id=request_id or new_id(),
        )
        return await self._calls.unary(self.inbox.mark_inbox_items, request)


class _InboxStream:
    def __init__(self, rota: Inbox) -> None:
        self._rota = rota

    def watch(self, name: str, after_sequence: int) -> AsyncIterator[automation_v1.InboxEvent]:
        request = automation_v1.WatchInboxItemsRequest(parent=name, after_sequence=after_sequence)
        return self._rota.inbox.watch_inbox_items(request)

    async def has_ended(self, name: str, sequence: int) -> bool:
        return False
