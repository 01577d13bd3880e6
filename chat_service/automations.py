"""automation_service, as this service sees it: over gRPC, on a person's behalf."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, TypeVar
from uuid import UUID

import grpc
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc

from chat_service.agent.ports import SavedAutomation, SchedulePreview, Slot
from shared import errors
from shared.definition import AutomationCreate, dump
from shared.registries import Catalogue, check
from shared.resources import WORKSPACE
from shared.rpc import status, struct
from shared.rpc.client import DEADLINE_SECONDS, Behalf

PEER: Final = "automation_service"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationClient:
    """The agent's port `Automations`."""

    stub: automation_pb2_grpc.AutomationServiceStub
    behalf: Behalf
    catalogue: Callable[[], Catalogue]

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        return await self._create(workspace, user, payload, validate_only=True)

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        return await self._create(workspace, user, payload, request_id=str(request_id))

    async def preview(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> SchedulePreview:
        request = pb.PreviewScheduleRequest(
            parent=WORKSPACE.format(workspace=workspace), config=struct.struct(config), count=count
        )
        answer = await self._call(self.stub.PreviewSchedule, request, workspace, user)
        return SchedulePreview(
            slots=tuple(_slot(s) for s in answer.slots),
            summary=answer.summary,
            notes=tuple(answer.notes),
        )

    async def _create(
        self, workspace: str, user: str, payload: Mapping[str, Any], **how: Any
    ) -> SavedAutomation:
        if found := check(dict(payload), self.catalogue()):
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(field=v.field, description=v.message, reason=v.reason)
                    for v in (one.under("automation") for one in found)
                ]
            )
        request = pb.CreateAutomationRequest(
            parent=WORKSPACE.format(workspace=workspace), automation=_message(payload), **how
        )
        answer = await self._call(self.stub.CreateAutomation, request, workspace, user)
        return SavedAutomation(
            name=answer.name, payload=_payload(answer), next_fires=_next_fires(answer)
        )

    async def _call(
        self,
        method: Callable[..., Awaitable[T]],
        request: object,
        workspace: str,
        user: str,
    ) -> T:
        metadata = self.behalf.metadata(user=user, workspace=workspace)
        try:
            return await method(request, metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise status.from_call(error, peer=PEER) from error


def _message(payload: Mapping[str, Any]) -> pb.Automation:
    """A checked payload, so what the contract has no field for is not in it."""
    canonical = dump(AutomationCreate.model_validate(dict(payload)))
    return json_format.ParseDict(canonical, pb.Automation())


def _payload(answer: pb.Automation) -> dict[str, Any]:
    found = json_format.MessageToDict(answer.definition, preserving_proto_field_name=True)
    create = AutomationCreate.model_validate(
        {
            "display_name": answer.display_name,
            "description": answer.description,
            "definition": found,
        }
    )
    return dump(create)


def _next_fires(answer: pb.Automation) -> tuple[str, ...]:
    times = [t.next_fire_time for t in answer.triggers if t.HasField("next_fire_time")]
    return tuple(t.ToJsonString() for t in sorted(times, key=lambda t: (t.seconds, t.nanos)))


def _slot(slot: pb.PlannedSlot) -> Slot:
    return Slot(
        fire_time=slot.fire_time.ToDatetime(tzinfo=UTC),
        local_time=slot.local_time,
        utc_offset=slot.utc_offset.ToTimedelta(),
        dst_note=slot.dst_note,
        skipped=slot.skipped,
    )
