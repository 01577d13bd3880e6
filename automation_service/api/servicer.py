"""The servicer of AutomationService."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc
from rota.automation.v1 import webhook_pb2 as pb_webhook

from automation_service.api.convert import automations as convert_automations
from automation_service.api.convert import backfill as convert_backfill
from automation_service.api.convert import common as convert_common
from automation_service.api.convert import runs as convert_runs
from automation_service.api.convert import webhooks as convert_webhooks
from automation_service.api.names import automation_of, webhook_workspace
from automation_service.automations import edits
from automation_service.automations.capability_cache import CapabilityCache
from automation_service.automations.lifecycle import AutomationLifecycle
from automation_service.automations.revisions import Revisions
from automation_service.automations.service import Automations, etag_of, payload_digest
from automation_service.persistence.records import Automation
from automation_service.runs.service import Runs
from automation_service.scheduling.backfill import Backfills
from automation_service.scheduling.ledger import Slots
from automation_service.webhooks.service import Webhooks, WebhookView
from automation_service.webhooks.service import etag_of as webhook_etag
from automation_service.webhooks.service import payload_digest as webhook_digest
from shared import aip, errors, resources
from shared.json import canonical_json
from shared.registries.actions.store import all_actions
from shared.registries.triggers.store import all_triggers
from shared.rpc.access import Access, Role, workspace_of
from shared.rpc.idempotency import IdempotencyKey
from shared.rpc.messages.timestamps import read_timestamp
from shared.rpc.page_tokens import PageReader


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationServicer(automation_pb2_grpc.AutomationServiceServicer):
    access: Access
    pages: PageReader
    automations: Automations
    lifecycle: AutomationLifecycle
    revisions: Revisions
    runs: Runs
    slots: Slots
    backfills: Backfills
    webhooks: Webhooks
    capabilities: CapabilityCache

    async def CreateAutomation(self, request: Any, context: Any) -> pb.Automation:
        who = await self.access.admit(request.parent, "editor")
        workspace = workspace_of(request.parent)
        said = convert_automations.create_json(request.automation)
        if request.validate_only:
            return _message(
                await self.automations.validate(
                    who, workspace, said, automation_id=request.automation_id
                )
            )
        key = IdempotencyKey.of(request, rpc="CreateAutomation", workspace=workspace, user=who.user)
        return _message(
            await self.automations.create(who, key, said, automation_id=request.automation_id)
        )

    async def GetAutomation(self, request: Any, context: Any) -> pb.Automation:
        await self.access.admit(request.name, "viewer")
        return _message(await self.automations.get(*automation_of(request.name)))

    async def ListAutomations(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        found = await self.automations.list(workspace_of(request.parent), page, request.filter)
        shown, token = aip.fill_page(
            page,
            found,
            lambda a: convert_automations.automation(a, full=False, etag=etag_of(a)),
            lambda a: (a.create_time, a.id),
        )
        return pb.ListAutomationsResponse(automations=shown, next_page_token=token)

    async def UpdateAutomation(self, request: Any, context: Any) -> pb.Automation:
        name = request.automation.name
        act = await self._authorize("UpdateAutomation", request, name, "editor")
        said = convert_automations.create_json(request.automation)
        state = request.automation.state
        edit = edits.update_automation(
            said,
            request.update_mask.paths,
            kind=pb.Automation,
            state=aip.name_value(pb.Automation.State, state) if state else "",
        )
        etag = request.automation.etag

        def confirm(saved: Automation) -> None:
            aip.check_digest(request.payload_digest, payload_digest(saved), name=name)

        if request.validate_only:
            found = await self.lifecycle.validate_edit(act, name, edit, etag=etag, confirm=confirm)
            return _message(found, payload_digest=payload_digest(found))
        return _message(await self.lifecycle.edit(act, name, edit, etag=etag, confirm=confirm))

    async def DeleteAutomation(self, request: Any, context: Any) -> Any:
        act = await self._authorize("DeleteAutomation", request, request.name, "editor")
        await self.lifecycle.delete(act, request.name, etag=request.etag)
        return empty_pb2.Empty()

    async def PauseAutomation(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("PauseAutomation", request, request.name, "editor")
        until = None
        if request.HasField("resume_time"):
            until = read_timestamp(request.resume_time, field="resume_time")
        note, etag = request.note, request.etag
        return _message(
            await self.lifecycle.pause(act, request.name, note=note, resume_time=until, etag=etag)
        )

    async def ResumeAutomation(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("ResumeAutomation", request, request.name, "editor")
        return _message(await self.lifecycle.resume(act, request.name, etag=request.etag))

    async def ArchiveAutomation(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("ArchiveAutomation", request, request.name, "editor")
        return _message(await self.lifecycle.archive(act, request.name, etag=request.etag))

    async def SkipNextSlot(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("SkipNextSlot", request, request.name, "editor")
        shown = None
        if request.HasField("slot_time"):
            shown = read_timestamp(request.slot_time, field="slot_time")
        return _message(
            await self.lifecycle.skip_next_slot(
                act,
                request.name,
                trigger=request.trigger,
                slot_time=shown,
                note=request.note,
                etag=request.etag,
            )
        )

    async def UnskipSlot(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("UnskipSlot", request, request.name, "editor")
        slot_time = read_timestamp(request.slot_time, field="slot_time")
        return _message(
            await self.lifecycle.unskip_slot(
                act,
                request.name,
                trigger=request.trigger,
                slot_time=slot_time,
                etag=request.etag,
            )
        )

    async def RollbackAutomation(self, request: Any, context: Any) -> pb.Automation:
        act = await self._authorize("RollbackAutomation", request, request.name, "editor")
        lifecycle = self.lifecycle
        save = lifecycle.validate_roll_back if request.validate_only else lifecycle.roll_back
        return _message(await save(act, request.name, revision=request.revision, etag=request.etag))

    async def CreateTrigger(self, request: Any, context: Any) -> pb.Trigger:
        act = await self._authorize("CreateTrigger", request, request.parent, "editor")
        # A repeat of the request must name the same trigger.
        trigger_id = request.trigger_id or request.request_id.lower() or str(resources.new_id())
        spec = convert_automations.trigger_json(request.trigger, trigger_id, "trigger")
        save = self.lifecycle.validate_edit if request.validate_only else self.lifecycle.edit
        with edits.use_trigger_paths():
            saved = await save(act, request.parent, edits.add_trigger(spec), etag="")
        made = _trigger_message(saved, f"{request.parent}/triggers/{trigger_id}")
        if request.validate_only:
            made.trigger_id = request.trigger_id
        return made

    async def GetTrigger(self, request: Any, context: Any) -> pb.Trigger:
        await self.access.admit(request.name, "viewer")
        return _trigger_message(await self._owner(request.name), request.name)

    async def ListTriggers(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        owner = await self.automations.get(*automation_of(request.parent))
        shown, token = aip.fill_page_of(
            self.pages.read(request),
            convert_automations.triggers(owner),
            lambda trigger: trigger,
            lambda trigger: trigger.trigger_id,
        )
        return pb.ListTriggersResponse(triggers=shown, next_page_token=token)

    async def UpdateTrigger(self, request: Any, context: Any) -> pb.Trigger:
        name = request.trigger.name
        act = await self._authorize("UpdateTrigger", request, name, "editor")
        owner, trigger_id = _parse_trigger(name)
        if request.trigger.trigger_id and aip.is_whole(request.update_mask.paths):
            aip.require_same("trigger.trigger_id", request.trigger.trigger_id, trigger_id)
        said = convert_automations.trigger_json(request.trigger, trigger_id, "trigger")
        edit = edits.update_trigger(name, said, request.update_mask.paths, kind=pb.Trigger)
        etag = request.trigger.etag

        def confirm(saved: Automation) -> None:
            aip.check_digest(request.payload_digest, _trigger_digest(saved, name), name=name)

        with edits.use_trigger_paths():
            if request.validate_only:
                found = await self.lifecycle.validate_edit(
                    act, owner, edit, etag=etag, confirm=confirm
                )
                return _trigger_message(found, name, payload_digest=_trigger_digest(found, name))
            saved = await self.lifecycle.edit(act, owner, edit, etag=etag, confirm=confirm)
        return _trigger_message(saved, name)

    async def DeleteTrigger(self, request: Any, context: Any) -> Any:
        act = await self._authorize("DeleteTrigger", request, request.name, "editor")
        owner, _ = _parse_trigger(request.name)
        edit = edits.remove_trigger(request.name)
        await self.lifecycle.edit(act, owner, edit, etag=request.etag)
        return empty_pb2.Empty()

    async def ListRevisions(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        owner, found = await self.revisions.list(request.parent, page)
        shown, token = aip.fill_page(
            page,
            found,
            lambda r: convert_automations.revision(owner, r, full=False),
            lambda r: (r.revision,),
        )
        return pb.ListRevisionsResponse(revisions=shown, next_page_token=token)

    async def GetRevision(self, request: Any, context: Any) -> pb.Revision:
        await self.access.admit(request.name, "viewer")
        return convert_automations.revision(*await self.revisions.get(request.name))

    async def PreviewSchedule(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        after = None
        if request.HasField("start_time"):
            after = read_timestamp(request.start_time, field="start_time")
        found = self.slots.preview(
            convert_common.open_json(request.config, "config"), after, request.count
        )
        return pb.PreviewScheduleResponse(
            slots=[convert_common.planned(s) for s in found.slots],
            summary=found.summary,
            notes=found.notes,
        )

    async def ListSlots(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        found = await self.slots.list(*automation_of(request.parent), page, request.filter)
        shown, token = aip.fill_page(page, found, convert_runs.slot, lambda s: (s.slot_time, s.id))
        return pb.ListSlotsResponse(slots=shown, next_page_token=token)

    async def ExplainSlot(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.trigger, "viewer")
        moment = read_timestamp(request.time, field="time")
        found = await self.slots.explain(request.trigger, moment)
        return pb.ExplainSlotResponse(
            explanation=found.text,
            slot=None if found.slot is None else convert_runs.slot(found.slot),
            nearest_slots=[convert_common.planned(s) for s in found.nearest],
        )

    async def BackfillSlots(self, request: Any, context: Any) -> Any:
        act = await self._authorize("BackfillSlots", request, request.parent, "editor")
        call = convert_backfill.call(request)
        if request.validate_only:
            return convert_backfill.answer(await self.backfills.validate(call))
        return convert_backfill.answer(await self.backfills.make(act, call))

    async def GetRun(self, request: Any, context: Any) -> pb.Run:
        await self.access.admit(request.name, "viewer")
        return convert_runs.run(await self.runs.get(request.name))

    async def ListRuns(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        found = await self.runs.list(*automation_of(request.parent), page, request.filter)
        shown, token = aip.fill_page(
            page,
            found,
            lambda r: convert_runs.run(r, full=False),
            lambda r: (r.create_time, r.id),
        )
        return pb.ListRunsResponse(runs=shown, next_page_token=token)

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[pb.RunEvent]:
        await self.access.admit(request.name, "viewer")
        last = request.after_sequence
        async for event in self.runs.watch(request.name, last):
            if event is None:
                yield pb.RunEvent(sequence=last, heartbeat=pb.RunHeartbeat())
            else:
                last = event.sequence
                yield convert_runs.event(event)

    async def CancelRun(self, request: Any, context: Any) -> pb.Run:
        act = await self._authorize("CancelRun", request, request.name, "editor")
        return convert_runs.run(await self.runs.cancel(request.name, act))

    async def ListActionTypes(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        shown, token = aip.fill_page_of(
            self.pages.read(request),
            [a for _, a in sorted(all_actions().items())],
            convert_common.action_type,
            lambda a: a.type,
        )
        return pb.ListActionTypesResponse(action_types=shown, next_page_token=token)

    async def ListTriggerTypes(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        shown, token = aip.fill_page_of(
            self.pages.read(request),
            [t for _, t in sorted(all_triggers().items())],
            convert_common.trigger_type,
            lambda t: t.type,
        )
        return pb.ListTriggerTypesResponse(trigger_types=shown, next_page_token=token)

    async def ListCapabilities(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "viewer")
        shown, token = aip.fill_page_of(
            self.pages.read(request),
            [c for _, c in sorted((await self.capabilities.list()).items())],
            convert_common.capability,
            lambda c: c.id,
        )
        return pb.ListCapabilitiesResponse(capabilities=shown, next_page_token=token)

    async def GetWebhook(self, request: Any, context: Any) -> pb_webhook.Webhook:
        await self.access.admit(request.name, "owner")
        found = await self.webhooks.get(webhook_workspace(request.name))
        return _webhook_message(WebhookView(webhook=found))

    async def UpdateWebhook(self, request: Any, context: Any) -> pb_webhook.Webhook:
        name, etag = request.webhook.name, request.webhook.etag
        act = await self._authorize("UpdateWebhook", request, name, "owner")
        workspace = webhook_workspace(name)
        said = convert_webhooks.webhook_values(request.webhook, request.update_mask.paths)
        if request.validate_only:
            found = await self.webhooks.validate(
                workspace, said, etag=etag, digest=request.payload_digest
            )
            return convert_webhooks.webhook(
                found, etag=webhook_etag(found), payload_digest=webhook_digest(found)
            )
        return _webhook_message(
            await self.webhooks.update(act, said, etag=etag, digest=request.payload_digest)
        )

    async def RotateWebhookSecret(self, request: Any, context: Any) -> pb_webhook.Webhook:
        act = await self._authorize("RotateWebhookSecret", request, request.name, "owner")
        revoked = request.revoke_previous
        return _webhook_message(
            await self.webhooks.rotate(act, etag=request.etag, revoke_previous=revoked)
        )

    async def TestWebhook(self, request: Any, context: Any) -> pb_webhook.WebhookDelivery:
        act = await self._authorize("TestWebhook", request, request.name, "owner")
        return convert_webhooks.delivery(await self.webhooks.test(act))

    async def GetWebhookDelivery(self, request: Any, context: Any) -> pb_webhook.WebhookDelivery:
        await self.access.admit(request.name, "owner")
        return convert_webhooks.delivery(await self.webhooks.delivery(request.name))

    async def ListWebhookDeliveries(self, request: Any, context: Any) -> Any:
        await self.access.admit(request.parent, "owner")
        page = self.pages.read(request)
        found = await self.webhooks.list_deliveries(
            webhook_workspace(request.parent), page, request.filter
        )
        shown, token = aip.fill_page(
            page,
            found,
            lambda d: convert_webhooks.delivery(d, full=False),
            lambda d: (d.create_time, d.id),
        )
        return pb_webhook.ListWebhookDeliveriesResponse(
            webhook_deliveries=shown, next_page_token=token
        )

    async def _owner(self, name: str) -> Automation:
        owner, _ = _parse_trigger(name)
        try:
            return await self.automations.get(*automation_of(owner))
        except errors.ResourceNotFound:
            raise errors.ResourceNotFound(name) from None

    async def _authorize(self, rpc: str, request: Any, name: str, role: Role) -> IdempotencyKey:
        who = await self.access.admit(name, role)
        workspace = name.split("/")[1]
        return IdempotencyKey.of(request, rpc=rpc, workspace=workspace, user=who.user)


def _message(found: Automation, *, payload_digest: str = "") -> pb.Automation:
    etag = etag_of(found) if found.version else ""
    return convert_automations.automation(found, etag=etag, payload_digest=payload_digest)


def _webhook_message(shown: WebhookView) -> pb_webhook.Webhook:
    etag = webhook_etag(shown.webhook)
    return convert_webhooks.webhook(shown.webhook, etag=etag, secret=shown.secret)


def _trigger_digest(owner: Automation, name: str) -> str:
    return canonical_json.digest(edits.find_trigger_spec(owner.definition, name))


def _trigger_message(owner: Automation, name: str, *, payload_digest: str = "") -> pb.Trigger:
    spec = edits.find_trigger_spec(owner.definition, name)
    for held in owner.triggers:
        if held.trigger_id == spec["trigger_id"]:
            return convert_automations.trigger(
                owner, spec, held, etag=etag_of(owner), payload_digest=payload_digest
            )
    raise errors.ResourceNotFound(name)


def _parse_trigger(trigger: str) -> tuple[str, str]:
    parts = resources.TRIGGER.parse(trigger)
    trigger_id = parts.pop("trigger")
    return resources.AUTOMATION.format(**parts), trigger_id
