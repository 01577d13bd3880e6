"""The gRPC client of automation_service, on a user's behalf."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

import grpc
from google.protobuf import field_mask_pb2, json_format
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc, destination_pb2_grpc
from rota.automation.v1 import destination_pb2 as destination_pb

from chat_service.adapters.result_client import ResultClient
from chat_service.runtime.ports import (
    MAX_DESTINATIONS_OF_LIST,
    AutomationView,
    BackfillView,
    DestinationView,
    ExplanationView,
    LedgerSlotView,
    PreviewView,
    RevisionView,
    RunView,
    SavedAutomation,
    SkippedSlotView,
    SlotView,
    TriggerView,
)
from shared import errors
from shared.aip import name_value
from shared.clock import rfc3339
from shared.definition.envelope import AutomationCreate, dump
from shared.registries.catalogue import Catalogue
from shared.resources import USER, WORKSPACE
from shared.rpc import status
from shared.rpc.client import DEADLINE_SECONDS, DelegatedCredentials
from shared.rpc.messages import struct
from shared.rpc.messages.timestamps import from_timestamp, to_timestamp
from shared.schedule import zones
from shared.security.caller import ApprovalClaim
from shared.validation import violations
from shared.validation.check_runner import CheckRunner

AUTOMATION_SERVICE: Final = "automation_service"
_UPDATE_MASK: Final = ("display_name", "description", "definition")
_MAX_PAGE_SIZE: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationClient:
    """The agent's port `AutomationsPort`."""

    stub: automation_pb2_grpc.AutomationServiceStub
    destinations: destination_pb2_grpc.DestinationServiceStub
    behalf: DelegatedCredentials
    results: ResultClient
    catalogue: Callable[[], Catalogue]
    checks: CheckRunner
    # The decision on the approval whose id is the request id of a change.
    claims: Callable[[UUID], Awaitable[ApprovalClaim | None]] | None = None

    async def validate(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        return await self._create(workspace, user, payload, validate_only=True)

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        return await self._create(workspace, user, payload, request_id=request_id)

    async def preview_schedule(
        self, *, workspace: str, user: str, config: Mapping[str, Any], count: int
    ) -> PreviewView:
        request = pb.PreviewScheduleRequest(
            parent=WORKSPACE.format(workspace=workspace),
            config=struct.to_struct(config),
            count=count,
        )
        answer = await self._call(self.stub.PreviewSchedule, request, workspace, user)
        return PreviewView(
            slots=tuple(_slot(s) for s in answer.slots),
            summary=answer.summary,
            notes=tuple(answer.notes),
        )

    async def list(
        self, *, workspace: str, user: str, limit: int
    ) -> tuple[Sequence[AutomationView], bool]:
        found: tuple[AutomationView, ...] = ()
        token = ""
        while True:
            request = pb.ListAutomationsRequest(
                parent=WORKSPACE.format(workspace=workspace),
                page_size=min(limit - len(found), _MAX_PAGE_SIZE),
                page_token=token,
                filter="state != ARCHIVED",
            )
            answer = await self._call(self.stub.ListAutomations, request, workspace, user)
            found += tuple(_known(one) for one in answer.automations)
            token = answer.next_page_token
            if not token or len(found) >= limit:
                return found, bool(token)

    async def get(self, *, workspace: str, user: str, name: str) -> AutomationView:
        request = pb.GetAutomationRequest(name=name)
        return _known(await self._call(self.stub.GetAutomation, request, workspace, user))

    async def list_runs(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RunView]:
        request = pb.ListRunsRequest(parent=name, page_size=limit)
        answer = await self._call(self.stub.ListRuns, request, workspace, user)
        return [_run(one) for one in answer.runs]

    async def list_destinations(self, *, workspace: str, user: str) -> Sequence[DestinationView]:
        found: list[DestinationView] = []
        token = ""
        while True:
            request = destination_pb.ListDestinationsRequest(
                parent=WORKSPACE.format(workspace=workspace),
                page_size=_MAX_PAGE_SIZE,
                page_token=token,
            )
            answer = await self._call(self.destinations.ListDestinations, request, workspace, user)
            views = (_destination(one, user) for one in answer.destinations)
            # an owner of the workspace sees those of others, and may not use them
            found += [one for one in views if not one.is_others]
            token = answer.next_page_token
            if not token or len(found) >= MAX_DESTINATIONS_OF_LIST:
                return found[:MAX_DESTINATIONS_OF_LIST]

    async def find_destinations(
        self, *, workspace: str, user: str, names: Sequence[str]
    ) -> Sequence[DestinationView]:
        found: list[DestinationView] = []
        for name in names:
            request = destination_pb.GetDestinationRequest(name=name)
            try:
                answer = await self._call(
                    self.destinations.GetDestination, request, workspace, user
                )
            except errors.RotaError as error:
                if error.code not in (errors.Code.NOT_FOUND, errors.Code.INVALID_ARGUMENT):
                    raise
            else:
                found.append(_destination(answer, user))
        return found

    async def explain_slot(
        self, *, workspace: str, user: str, trigger: str, moment: datetime
    ) -> ExplanationView:
        request = pb.ExplainSlotRequest(trigger=trigger, time=to_timestamp(moment))
        answer = await self._call(self.stub.ExplainSlot, request, workspace, user)
        recorded = answer.HasField("slot")
        return ExplanationView(
            text=answer.explanation,
            is_slot=recorded or not answer.nearest_slots,
            outcome=name_value(pb.Slot.Outcome, answer.slot.outcome).lower() if recorded else "",
            run=answer.slot.run,
            nearest=tuple(_slot(one) for one in answer.nearest_slots),
        )

    async def validate_update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any]
    ) -> SavedAutomation:
        saved = await self._update(workspace, user, payload, validate_only=True)
        held = {"name": payload["name"], "etag": payload["etag"]}
        return SavedAutomation(
            name=saved.name, payload={**held, **saved.payload}, next_fires=saved.next_fires
        )

    async def update(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        return await self._update(workspace, user, payload, request_id=request_id)

    async def pause(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        note: str,
        resume_time: datetime | None,
        etag: str,
        request_id: UUID,
    ) -> SavedAutomation:
        request = pb.PauseAutomationRequest(
            name=name,
            note=note,
            resume_time=to_timestamp(resume_time),
            etag=etag,
            request_id=str(request_id),
        )
        method = self.stub.PauseAutomation
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def resume(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> SavedAutomation:
        request = pb.ResumeAutomationRequest(name=name, etag=etag, request_id=str(request_id))
        method = self.stub.ResumeAutomation
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def skip_next_slot(
        self,
        *,
        workspace: str,
        user: str,
        trigger: str,
        slot_time: datetime,
        note: str,
        request_id: UUID,
    ) -> SavedAutomation:
        request = pb.SkipNextSlotRequest(
            name=trigger.rpartition("/triggers/")[0],
            trigger=trigger,
            slot_time=to_timestamp(slot_time),
            note=note,
            request_id=str(request_id),
        )
        method = self.stub.SkipNextSlot
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def unskip_slots(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        skipped: Sequence[tuple[str, datetime]],
        request_id: UUID,
    ) -> SavedAutomation:
        saved, left_out, refusal = None, list[str](), None
        for trigger, slot_time in skipped:
            request = pb.UnskipSlotRequest(
                name=name,
                trigger=trigger,
                slot_time=to_timestamp(slot_time),
                request_id=str(uuid5(request_id, f"{trigger} {rfc3339(slot_time)}")),
            )
            try:
                saved = await self._call(self.stub.UnskipSlot, request, workspace, user, request_id)
            except errors.RotaError as error:
                if error.reason != errors.SlotNotSkipped.reason:
                    raise
                refusal = error
                left_out.append(f"{rfc3339(slot_time)} has come, or is not skipped any more")
        if saved is None:
            raise refusal or errors.SlotNotSkipped(name, slot_time="")
        return replace(_saved(saved), left_out=tuple(left_out))

    async def find_backfill(
        self, *, workspace: str, user: str, name: str, start: datetime, end: datetime
    ) -> BackfillView:
        request = pb.BackfillSlotsRequest(
            parent=name,
            start_time=to_timestamp(start),
            end_time=to_timestamp(end),
            validate_only=True,
        )
        answer = await self._call(self.stub.BackfillSlots, request, workspace, user)
        causes = pb.BackfillSlotsResponse.LeftOut.Cause
        return BackfillView(
            slots=tuple(_ledger_slot(one) for one in answer.slots),
            left_out={name_value(causes, one.cause).lower(): one.count for one in answer.left_out},
        )

    async def backfill(
        self,
        *,
        workspace: str,
        user: str,
        name: str,
        slots: Sequence[str],
        etag: str,
        request_id: UUID,
    ) -> SavedAutomation:
        request = pb.BackfillSlotsRequest(
            parent=name, slots=slots, etag=etag, request_id=str(request_id)
        )
        await self._call(self.stub.BackfillSlots, request, workspace, user, request_id)
        found = pb.GetAutomationRequest(name=name)
        return _saved(await self._call(self.stub.GetAutomation, found, workspace, user))

    async def list_revisions(
        self, *, workspace: str, user: str, name: str, limit: int
    ) -> Sequence[RevisionView]:
        request = pb.ListRevisionsRequest(parent=name, page_size=limit)
        answer = await self._call(self.stub.ListRevisions, request, workspace, user)
        return [_revision(one) for one in answer.revisions]

    async def get_revision(
        self, *, workspace: str, user: str, name: str, revision: int
    ) -> RevisionView:
        request = pb.GetRevisionRequest(name=f"{name}/revisions/{revision}")
        return _revision(await self._call(self.stub.GetRevision, request, workspace, user))

    async def validate_roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str
    ) -> SavedAutomation:
        request = pb.RollbackAutomationRequest(
            name=name, revision=revision, etag=etag, validate_only=True
        )
        return _saved(await self._call(self.stub.RollbackAutomation, request, workspace, user))

    async def roll_back(
        self, *, workspace: str, user: str, name: str, revision: int, etag: str, request_id: UUID
    ) -> SavedAutomation:
        request = pb.RollbackAutomationRequest(
            name=name, revision=revision, etag=etag, request_id=str(request_id)
        )
        method = self.stub.RollbackAutomation
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def delete(
        self, *, workspace: str, user: str, name: str, etag: str, request_id: UUID
    ) -> None:
        request = pb.DeleteAutomationRequest(name=name, etag=etag, request_id=str(request_id))
        await self._call(self.stub.DeleteAutomation, request, workspace, user, request_id)

    async def _create(
        self,
        workspace: str,
        user: str,
        payload: Mapping[str, Any],
        *,
        request_id: UUID | None = None,
        validate_only: bool = False,
    ) -> SavedAutomation:
        await self._check(payload, workspace)
        request = pb.CreateAutomationRequest(
            parent=WORKSPACE.format(workspace=workspace),
            automation=_message(payload),
            request_id=str(request_id or ""),
            validate_only=validate_only,
        )
        method = self.stub.CreateAutomation
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def _update(
        self,
        workspace: str,
        user: str,
        payload: Mapping[str, Any],
        *,
        request_id: UUID | None = None,
        validate_only: bool = False,
    ) -> SavedAutomation:
        if not payload["etag"]:
            raise errors.invalid("automation.etag", "is required", errors.FieldReason.REQUIRED)
        said = {key: value for key, value in payload.items() if key not in ("name", "etag")}
        await self._check(said, workspace)
        automation = _message(said)
        automation.name, automation.etag = payload["name"], payload["etag"]
        request = pb.UpdateAutomationRequest(
            automation=automation,
            update_mask=field_mask_pb2.FieldMask(paths=_UPDATE_MASK),
            request_id=str(request_id or ""),
            validate_only=validate_only,
        )
        method = self.stub.UpdateAutomation
        return _saved(await self._call(method, request, workspace, user, request_id))

    async def _check(self, payload: Mapping[str, Any], workspace: str) -> None:
        found = await self.checks.check(dict(payload), self.catalogue(), workspace=workspace)
        violations.refuse(found, field="automation")

    async def _call(
        self,
        method: Callable[..., Awaitable[T]],
        request: object,
        workspace: str,
        user: str,
        request_id: UUID | None = None,
    ) -> T:
        approval = None
        if request_id is not None and self.claims is not None:
            approval = await self.claims(request_id)
        metadata = await self.behalf.metadata(user=user, workspace=workspace, approval=approval)
        try:
            return await method(request, metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise status.from_call(error, peer=AUTOMATION_SERVICE) from error


def _message(payload: Mapping[str, Any]) -> pb.Automation:
    """Converts a payload that `_check` accepted: the proto has a field for each of its keys."""
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


def _saved(answer: pb.Automation) -> SavedAutomation:
    # triggers of a paused automation still have a next_fire_time; they fire if it resumes
    fires = answer.state == pb.Automation.ACTIVE or answer.HasField("resume_time")
    triggers = answer.triggers if fires else ()
    times = sorted(
        (time, one.trigger_id, str(struct.to_json(one.config).get("timezone", "UTC")))
        for one in triggers
        if (time := _moment(one, "next_fire_time"))
    )
    return SavedAutomation(
        name=answer.name,
        payload=_payload(answer),
        next_fires=tuple(
            f"{time.astimezone(zones.load(zone)).isoformat()} {zone}" for time, _, zone in times
        ),
    )


def _known(answer: pb.Automation) -> AutomationView:
    last = answer.last_run_state
    return AutomationView(
        name=answer.name,
        display_name=answer.display_name,
        state=name_value(pb.Automation.State, answer.state).lower(),
        etag=answer.etag,
        revision=answer.revision,
        last_run=name_value(pb.Run.State, last).lower() if last else "",
        resume_time=_moment(answer, "resume_time"),
        triggers=tuple(
            TriggerView(
                trigger_id=one.trigger_id,
                type=one.type,
                config=struct.to_json(one.config),
                enabled=one.enabled,
                next_fire=_moment(one, "next_fire_time"),
                next_slot=_slot(one.next_slot) if one.HasField("next_slot") else None,
                skipped=tuple(
                    SkippedSlotView(
                        slot_time=from_timestamp(slot.slot_time),
                        fire_time=from_timestamp(slot.fire_time),
                        local_time=slot.local_time,
                    )
                    for slot in one.skipped_slots
                ),
            )
            for one in answer.triggers
        ),
        payload=_payload(answer) if answer.HasField("definition") else {},
    )


def _revision(answer: pb.Revision) -> RevisionView:
    definition = json_format.MessageToDict(answer.definition, preserving_proto_field_name=True)
    return RevisionView(
        number=answer.revision,
        create_time=_moment(answer, "create_time"),
        author=answer.author.removeprefix("users/"),
        definition=definition,
    )


def _destination(answer: destination_pb.Destination, user: str) -> DestinationView:
    owner = answer.owner
    return DestinationView(
        name=answer.name,
        display_name=answer.display_name,
        kind=name_value(destination_pb.Destination.Kind, answer.kind).lower(),
        host=answer.host,
        state=name_value(destination_pb.Destination.State, answer.state).lower(),
        is_own=owner == USER.format(user=user),
        is_others=owner not in ("", USER.format(user=user)),
    )


def _run(answer: pb.Run) -> RunView:
    return RunView(
        state=name_value(pb.Run.State, answer.state).lower(),
        slot_time=_moment(answer, "slot_time"),
        end_time=_moment(answer, "end_time"),
        error=answer.error.message,
    )


def _moment(of: pb.Automation | pb.Revision | pb.Run | pb.Trigger, field: Any) -> datetime | None:
    return from_timestamp(getattr(of, field)) if of.HasField(field) else None


def _ledger_slot(slot: pb.Slot) -> LedgerSlotView:
    return LedgerSlotView(
        name=slot.name,
        trigger_id=slot.trigger.rpartition("/")[2],
        slot_time=from_timestamp(slot.slot_time),
        fire_time=from_timestamp(slot.fire_time),
        local_time=slot.local_time,
    )


def _slot(slot: pb.PlannedSlot) -> SlotView:
    return SlotView(
        slot_time=from_timestamp(slot.slot_time),
        fire_time=from_timestamp(slot.fire_time),
        local_time=slot.local_time,
        utc_offset=slot.utc_offset.ToTimedelta(),
        dst_note=slot.dst_note,
        is_dst_skipped=slot.skipped,
    )
