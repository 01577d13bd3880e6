"""Conversion of inbox items and events to protobuf."""

from rota.automation.v1 import inbox_pb2 as pb

from automation_service.inbox.watch import InboxChange
from automation_service.persistence.enums import InboxItemState
from automation_service.persistence.inbox import InboxItem
from shared.rpc.messages.timestamps import to_timestamp


def item(found: InboxItem) -> pb.InboxItem:
    state = InboxItemState.UNREAD if found.read_time is None else InboxItemState.READ
    # A newer replica may store a kind that this one does not know.
    kind = pb.InboxItem.Kind.DESCRIPTOR.values_by_name.get(found.kind.upper())
    return pb.InboxItem(
        name=found.resource,
        kind="KIND_UNSPECIFIED" if kind is None else kind.name,
        state=state.name,
        subject=found.subject,
        snippet=found.snippet,
        body=found.body,
        format=found.format,
        automation=found.automation,
        run=found.run,
        delivery=found.delivery,
        thread=found.thread,
        approval=found.approval,
        destination=found.destination,
        create_time=to_timestamp(found.create_time),
        read_time=to_timestamp(found.read_time),
    )


def event(change: InboxChange) -> pb.InboxEvent:
    made = pb.InboxEvent(sequence=change.sequence, unread_count=change.unread_count)
    if change.item is None:
        made.heartbeat.SetInParent()
    else:
        made.item.CopyFrom(item(change.item))
    return made
