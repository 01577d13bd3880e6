"""Calls on destinations of a workspace."""

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import destination_pb2 as dp
from rota.automation.v1 import destination_pb2_grpc

from tests.support.system.automation import Running

State = dp.Destination.State
Kind = dp.Destination.Kind
TOPIC: Final = "a-topic-that-nobody-knows-1234"


async def call(rota: Running, rpc: str, request: Any, *, user: str = "ada", role: str = "") -> Any:
    """Calls as a member: `ada`, an owner, unless said otherwise."""
    role = role or ("owner" if user == "ada" else "editor")
    stub = destination_pb2_grpc.DestinationServiceStub(rota.channel)
    return await getattr(stub, rpc)(request, metadata=rota.headers(user, role), timeout=60)


def ntfy(**fields: Any) -> dp.NtfySettings:
    return dp.NtfySettings(**{"topic": TOPIC, **fields})


async def create(
    rota: Running,
    *,
    destination_id: str = "",
    request_id: str = "",
    user: str = "ada",
    role: str = "",
    **fields: Any,
) -> Any:
    """Creates a shared topic of ntfy, unless `fields` say otherwise."""
    if not any(kind in fields for kind in ("ntfy", "email", "webhook", "matrix", "slack")):
        fields["ntfy"] = ntfy()
    request = dp.CreateDestinationRequest(
        parent=rota.parent,
        destination=dp.Destination(**fields),
        destination_id=destination_id,
        request_id=request_id,
    )
    return await call(rota, "CreateDestination", request, user=user, role=role)


async def get(rota: Running, name: str, **caller: Any) -> Any:
    return await call(rota, "GetDestination", dp.GetDestinationRequest(name=name), **caller)


async def listed(rota: Running, filter_: str = "", **caller: Any) -> list[Any]:
    request = dp.ListDestinationsRequest(parent=rota.parent, filter=filter_)
    return list((await call(rota, "ListDestinations", request, **caller)).destinations)


async def update(
    rota: Running, name: str, *mask: str, user: str = "ada", role: str = "", **fields: Any
) -> Any:
    request = dp.UpdateDestinationRequest(
        destination=dp.Destination(name=name, **fields), update_mask=FieldMask(paths=mask)
    )
    return await call(rota, "UpdateDestination", request, user=user, role=role)


async def enable(rota: Running, name: str, *, send_missed: bool = False, **caller: Any) -> Any:
    request = dp.EnableDestinationRequest(name=name, send_missed=send_missed)
    return await call(rota, "EnableDestination", request, **caller)


async def delete(rota: Running, name: str, **caller: Any) -> Any:
    return await call(rota, "DeleteDestination", dp.DeleteDestinationRequest(name=name), **caller)


class AnyDestination:
    """A directory in which there is every destination, for definitions that name no real ones."""

    async def find_refused(self, *_: Any, **__: Any) -> dict[str, str]:
        return {}
