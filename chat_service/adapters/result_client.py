"""The gRPC client of inboxes, runs and deliveries, on a user's behalf."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf import json_format
from rota.automation.v1 import (
    automation_pb2,
    automation_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    inbox_pb2,
    inbox_pb2_grpc,
)

from chat_service.runtime.result_ports import (
    InboxItemView,
    InboxView,
    ResultRunView,
    SentResult,
)
from shared.aip import name_value
from shared.resources import WORKSPACE
from shared.rpc import status
from shared.rpc.client import DEADLINE_SECONDS, DelegatedCredentials
from shared.rpc.messages.timestamps import from_timestamp

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultClient:
    """The agent's port `ResultsPort`."""

    automations: automation_pb2_grpc.AutomationServiceStub
    inboxes: inbox_pb2_grpc.InboxServiceStub
    deliveries: delivery_pb2_grpc.DeliveryServiceStub
    behalf: DelegatedCredentials

    @classmethod
    def of(cls, channel: grpc.aio.Channel, behalf: DelegatedCredentials) -> "ResultClient":
        return cls(
            automations=automation_pb2_grpc.AutomationServiceStub(channel),
            inboxes=inbox_pb2_grpc.InboxServiceStub(channel),
            deliveries=delivery_pb2_grpc.DeliveryServiceStub(channel),
            behalf=behalf,
        )

    async def list_inbox(
        self, *, workspace: str, user: str, matching: str, limit: int
    ) -> InboxView:
        request = inbox_pb2.ListInboxItemsRequest(
            parent=WORKSPACE.format(workspace=workspace), page_size=limit, filter=matching
        )
        answer = await self._call(self.inboxes.ListInboxItems, request, workspace, user)
        return InboxView(
            items=[_item(one) for one in answer.inbox_items],
            more=bool(answer.next_page_token),
            unread=answer.unread_count,
        )

    async def get_inbox_item(self, *, workspace: str, user: str, name: str) -> InboxItemView:
        request = inbox_pb2.GetInboxItemRequest(name=name)
        return _item(await self._call(self.inboxes.GetInboxItem, request, workspace, user))

    async def list_runs(
        self, *, workspace: str, user: str, parent: str, matching: str, limit: int
    ) -> tuple[Sequence[ResultRunView], bool]:
        request = automation_pb2.ListRunsRequest(parent=parent, page_size=limit, filter=matching)
        answer = await self._call(self.automations.ListRuns, request, workspace, user)
        return [_run(one) for one in answer.runs], bool(answer.next_page_token)

    async def get_run(self, *, workspace: str, user: str, name: str) -> ResultRunView:
        request = automation_pb2.GetRunRequest(name=name)
        return _run(await self._call(self.automations.GetRun, request, workspace, user))

    async def list_deliveries(
        self, *, workspace: str, user: str, run: str, limit: int
    ) -> Sequence[SentResult]:
        request = delivery_pb2.ListDeliveriesRequest(parent=run, page_size=limit)
        answer = await self._call(self.deliveries.ListDeliveries, request, workspace, user)
        return [_delivery(one) for one in answer.deliveries]

    async def _call(
        self, method: Callable[..., Awaitable[T]], request: object, workspace: str, user: str
    ) -> T:
        metadata = await self.behalf.metadata(user=user, workspace=workspace)
        try:
            return await method(request, metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise status.from_call(error, peer="automation_service") from error


def _item(answer: inbox_pb2.InboxItem) -> InboxItemView:
    return InboxItemView(
        name=answer.name,
        kind=name_value(inbox_pb2.InboxItem.Kind, answer.kind).lower(),
        unread=answer.state == inbox_pb2.InboxItem.UNREAD,
        subject=answer.subject,
        snippet=answer.snippet,
        create_time=from_timestamp(answer.create_time),
        automation=answer.automation,
        run=answer.run,
        delivery=answer.delivery,
        thread=answer.thread,
    )


def _run(answer: automation_pb2.Run) -> ResultRunView:
    snapshot = json_format.MessageToDict(
        answer.definition_snapshot, preserving_proto_field_name=True
    )
    slot = from_timestamp(answer.slot_time) if answer.HasField("slot_time") else None
    return ResultRunView(
        name=answer.name,
        automation=answer.name.rpartition("/runs/")[0],
        display_name=answer.automation_display_name,
        state=name_value(automation_pb2.Run.State, answer.state).lower(),
        trigger=answer.trigger,
        revision=answer.revision,
        backfill=answer.backfill,
        snippet=answer.output_snippet,
        create_time=from_timestamp(answer.create_time),
        slot_time=slot,
        triggers=snapshot.get("triggers", ()),
    )


def _delivery(answer: delivery_pb2.Delivery) -> SentResult:
    return SentResult(
        name=answer.name,
        destination=answer.destination,
        state=name_value(delivery_pb2.Delivery.State, answer.state).lower(),
        subject=answer.subject,
    )
