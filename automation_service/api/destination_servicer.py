"""The servicer of DestinationService."""

from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2
from rota.automation.v1 import destination_pb2 as pb
from rota.automation.v1 import destination_pb2_grpc

from automation_service.api.convert import destinations as convert_destinations
from automation_service.destinations import access
from automation_service.destinations.service import Destinations, etag_of
from automation_service.destinations.verification import DestinationVerification
from automation_service.destinations.verification_code import is_waiting
from automation_service.persistence.outbox.destinations import TEST, Destination
from shared import aip
from shared.clock import Clock
from shared.rpc.access import Access, workspace_of
from shared.rpc.idempotency import IdempotencyKey
from shared.rpc.page_tokens import PageReader
from shared.security.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationServicer(destination_pb2_grpc.DestinationServiceServicer):
    access: Access
    pages: PageReader
    destinations: Destinations
    verification: DestinationVerification
    clock: Clock

    async def CreateDestination(self, request: Any, context: Any) -> pb.Destination:
        who = await self.access.admit(request.parent, "editor")
        draft = convert_destinations.destination_draft(request.destination)
        if request.validate_only:
            found = await self.destinations.validate_new(
                who, workspace_of(request.parent), draft, request.destination_id
            )
            return aip.clear_identity(self._message(who, found))
        key = _key(who, "CreateDestination", request, request.parent)
        return self._message(
            who, await self.destinations.create(who, key, draft, request.destination_id)
        )

    async def GetDestination(self, request: Any, context: Any) -> pb.Destination:
        who = await self.access.admit(request.name, "viewer")
        return self._message(who, await self.destinations.get(who, request.name))

    async def ListDestinations(self, request: Any, context: Any) -> pb.ListDestinationsResponse:
        who = await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        found = await self.destinations.list(
            who, workspace_of(request.parent), page, request.filter
        )
        shown, token = aip.fill_page(
            page, found, lambda d: self._message(who, d), lambda d: (d.create_time, d.id)
        )
        return pb.ListDestinationsResponse(destinations=shown, next_page_token=token)

    async def UpdateDestination(self, request: Any, context: Any) -> pb.Destination:
        name, etag = request.destination.name, request.destination.etag
        who = await self.access.admit(name, "editor")
        change = convert_destinations.destination_change(
            request.destination, request.update_mask.paths
        )
        digest = request.payload_digest
        if request.validate_only:
            found = await self.destinations.validate(who, name, change, etag=etag, digest=digest)
            return convert_destinations.destination(
                found,
                etag=etag_of(found),
                is_managed=True,
                payload_digest=self.destinations.digest(found),
            )
        key = _key(who, "UpdateDestination", request, name)
        return self._message(
            who,
            await self.destinations.update(who, key, name, change, etag=etag, digest=digest),
        )

    async def DeleteDestination(self, request: Any, context: Any) -> empty_pb2.Empty:
        who = await self.access.admit(request.name, "editor")
        key = _key(who, "DeleteDestination", request, request.name)
        await self.destinations.delete(who, key, request.name, etag=request.etag)
        return empty_pb2.Empty()

    async def EnableDestination(self, request: Any, context: Any) -> pb.Destination:
        who = await self.access.admit(request.name, "editor")
        key = _key(who, "EnableDestination", request, request.name)
        enabled = await self.destinations.enable(
            who, key, request.name, etag=request.etag, send_missed=request.send_missed
        )
        return self._message(who, enabled)

    async def TestDestination(self, request: Any, context: Any) -> pb.TestDestinationResponse:
        who = await self.access.admit(request.name, "editor")
        key = _key(who, TEST, request, request.name)
        outcome = await self.verification.test(who, key, request.name, verify=request.verify)
        return pb.TestDestinationResponse(
            destination=self._message(who, outcome.destination),
            status_code=outcome.status_code,
            error=outcome.error,
        )

    async def VerifyDestination(self, request: Any, context: Any) -> pb.Destination:
        who = await self.access.admit(request.name, "editor")
        key = _key(who, "VerifyDestination", request, request.name)
        return self._message(
            who, await self.verification.verify(who, key, request.name, request.code)
        )

    def _message(self, who: Caller, found: Destination) -> pb.Destination:
        waits = is_waiting(found, who.user, self.clock.now())
        return convert_destinations.destination(
            found,
            etag=etag_of(found),
            is_managed=access.may_manage(who, found),
            code_expire_time=found.code_expire_time if waits else None,
        )


def _key(who: Caller, rpc: str, request: Any, name: str) -> IdempotencyKey:
    workspace = name.split("/")[1]
    return IdempotencyKey.of(request, rpc=rpc, workspace=workspace, user=who.user)
