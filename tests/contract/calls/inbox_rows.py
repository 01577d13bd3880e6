"""The inbox of the caller: each call's success and documented refusals."""

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import inbox_pb2 as ip

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id

M: Final = "InboxService/"
ITEM: Final = ip.InboxItem


def _listing(stage: Stage, **fields: Any) -> ip.ListInboxItemsRequest:
    assert stage.inbox_item
    return ip.ListInboxItemsRequest(parent=stage.workspace, **fields)


def _watching(stage: Stage, **fields: Any) -> ip.WatchInboxItemsRequest:
    assert stage.inbox_item
    return ip.WatchInboxItemsRequest(parent=stage.workspace, **fields)


def _marking(stage: Stage, **fields: Any) -> ip.MarkInboxItemsRequest:
    return ip.MarkInboxItemsRequest(parent=stage.workspace, **fields)


def _unread(request: Any) -> None:
    request.unread = True


INBOX_ROWS: Final[list[Row]] = [
    ok(
        f"{M}GetInboxItem",
        lambda s: ip.GetInboxItemRequest(name=s.inbox_item),
        lambda i: (i.subject, i.body, i.kind) == ("Trains", "They are late.", ITEM.RESULT),
    ),
    ok(
        f"{M}ListInboxItems",
        _listing,
        lambda page: page.inbox_items and not page.inbox_items[0].body,
    ),
    ok(
        f"{M}ListInboxItems",
        lambda s: _listing(s, view=ip.INBOX_ITEM_VIEW_FULL, filter="kind = RESULT"),
        lambda page: "They are late." in [one.body for one in page.inbox_items],
    ),
    refused(
        f"{M}ListInboxItems",
        "INVALID_REQUEST",
        lambda s: _listing(s, filter="thread = t"),
        "filter",
    ),
    ok(
        f"{M}WatchInboxItems",
        _watching,
        lambda events: events[0].item.subject and events[0].sequence and not events[0].item.body,
    ),
    refused(
        f"{M}WatchInboxItems",
        "INVALID_REQUEST",
        lambda s: _watching(s, after_sequence=2**31 - 1),
        "after_sequence",
    ),
    ok(
        f"{M}MarkInboxItems",
        lambda s: _marking(s, end_time=Timestamp(seconds=1)),
        lambda answer: answer.marked_count == 0,
    ),
    ok(
        f"{M}MarkInboxItems",
        lambda s: _marking(s, names=[s.new_inbox_item(), f"{s.workspace}/inboxItems/{new_id()}"]),
        lambda answer: answer.marked_count == 1,
    ),
    again(
        f"{M}MarkInboxItems",
        lambda s: _marking(s, end_time=Timestamp(seconds=1), request_id=new_id()),
        _unread,
    ),
    refused(f"{M}MarkInboxItems", "INVALID_REQUEST", _marking, "names"),
    refused(
        f"{M}MarkInboxItems",
        "INVALID_REQUEST",
        lambda s: _marking(s, names=["workspaces/elsewhere/inboxItems/x"]),
        "names[0]",
    ),
    refused(
        f"{M}MarkInboxItems",
        "INVALID_REQUEST",
        lambda s: _marking(s, names=[s.inbox_item], thread=f"{s.workspace}/threads/t"),
        "thread",
    ),
]
