"""The servicer of DeliveryService."""

from dataclasses import dataclass
from typing import Any

from rota.automation.v1 import delivery_pb2 as pb
from rota.automation.v1 import delivery_pb2_grpc

from automation_service.api.convert import deliveries as convert_deliveries
from automation_service.deliveries.service import Deliveries, DeliveryView
from shared import aip
from shared.rpc.access import Access
from shared.rpc.idempotency import IdempotencyKey
from shared.rpc.page_tokens import PageReader


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryServicer(delivery_pb2_grpc.DeliveryServiceServicer):
    access: Access
    pages: PageReader
    deliveries: Deliveries

    async def GetDelivery(self, request: Any, context: Any) -> pb.Delivery:
        who = await self.access.admit(request.name, "viewer")
        return _message(await self.deliveries.get(who, request.name))

    async def ListDeliveries(self, request: Any, context: Any) -> Any:
        who = await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        found = await self.deliveries.list(who, request.parent, page, request.filter)
        shown, token = aip.fill_page(
            page, found, convert_deliveries.delivery, lambda d: (d.create_time, d.id)
        )
        return pb.ListDeliveriesResponse(deliveries=shown, next_page_token=token)

    async def RetryDelivery(self, request: Any, context: Any) -> pb.Delivery:
        who = await self.access.admit(request.name, "editor")
        workspace = request.name.split("/")[1]
        key = IdempotencyKey.of(request, rpc="RetryDelivery", workspace=workspace, user=who.user)
        return _message(await self.deliveries.retry(who, key, request.name))


def _message(view: DeliveryView) -> pb.Delivery:
    return convert_deliveries.delivery(view.delivery, view.attempts)
