"""What runs sent: each call's success and documented refusals."""

from typing import Final
from uuid import UUID

from rota.automation.v1 import delivery_pb2 as dp

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id

M: Final = "DeliveryService/"
SENT: Final = dp.Delivery.SENT


def _run(stage: Stage) -> str:
    return stage.sent.name.partition("/deliveries/")[0]


def _retrying(stage: Stage) -> dp.RetryDeliveryRequest:
    return dp.RetryDeliveryRequest(name=stage.failed_delivery().name, request_id=new_id())


def _elsewhere(request: dp.RetryDeliveryRequest) -> None:
    request.name = f"{request.name.rpartition('/')[0]}/{UUID(int=9)}"


DELIVERY_ROWS: Final[list[Row]] = [
    ok(
        f"{M}GetDelivery",
        lambda s: dp.GetDeliveryRequest(name=s.sent.name),
        lambda d: (d.destination, d.state) == ("inbox", SENT) and d.body,
    ),
    ok(
        f"{M}ListDeliveries",
        lambda s: dp.ListDeliveriesRequest(parent=_run(s), filter="destination = inbox"),
        lambda page: [d.state for d in page.deliveries] == [SENT] and not page.deliveries[0].body,
    ),
    refused(
        f"{M}ListDeliveries",
        "INVALID_REQUEST",
        lambda s: dp.ListDeliveriesRequest(parent=_run(s), filter="state = LOST"),
        "filter",
    ),
    refused(
        f"{M}ListDeliveries",
        "RESOURCE_NOT_FOUND",
        lambda s: dp.ListDeliveriesRequest(parent=f"{_run(s).rpartition('/')[0]}/{UUID(int=9)}"),
    ),
    ok(f"{M}RetryDelivery", _retrying, lambda d: d.HasField("create_time")),
    again(f"{M}RetryDelivery", _retrying, _elsewhere),
    refused(
        f"{M}RetryDelivery",
        "STATE_CONFLICT",
        lambda s: dp.RetryDeliveryRequest(name=s.sent.name),
    ),
]
