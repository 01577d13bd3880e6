"""Conversion of automations, definitions, triggers and revisions to and from protobuf."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb

from automation_service.api.convert import common as convert_common
from automation_service.persistence.records import Automation, Revision, SlotSkip, Trigger
from automation_service.scheduling import slot_skips
from shared.resources import REVISION, name_user
from shared.rpc.messages.struct import to_struct
from shared.rpc.messages.timestamps import to_timestamp
from shared.security.caller import ApprovalClaim


def definition(value: Mapping[str, Any]) -> pb.AutomationDefinition:
    found = pb.AutomationDefinition()
    json_format.ParseDict(dict(value), found)
    return found


def definition_json(message: pb.AutomationDefinition, field: str) -> dict[str, Any]:
    """Returns the fields that the caller set, as JSON."""
    return convert_common.open_json(message, field)


def create_json(message: pb.Automation) -> dict[str, Any]:
    """Returns the fields that a caller may set, as JSON of AutomationCreate."""
    found: dict[str, Any] = {
        "display_name": message.display_name,
        "description": message.description,
    }
    if message.HasField("definition"):
        found["definition"] = definition_json(message.definition, "automation.definition")
    return found


def automation(
    found: Automation, *, full: bool = True, etag: str = "", payload_digest: str = ""
) -> pb.Automation:
    return pb.Automation(
        name=found.resource if found.resource_id else "",
        display_name=found.name,
        description=found.description,
        state=found.status.name,
        definition=definition(found.definition) if full else None,
        revision=found.revision,
        creator=name_user(found.creator),
        create_time=to_timestamp(found.create_time) if found.version else None,
        update_time=to_timestamp(found.update_time) if found.version else None,
        etag=etag,
        pause_note=found.pause_note,
        resume_time=to_timestamp(found.resume_time),
        last_run_state=found.last_run_status.name if found.last_run_status else None,
        consecutive_failures=found.consecutive_failures,
        triggers=triggers(found, full=full),
        payload_digest=payload_digest,
        notes=found.notes,
    )


def triggers(found: Automation, *, full: bool = True) -> list[pb.Trigger]:
    """Converts triggers in the order of the definition; if not `full`, without static_inputs."""
    held = {t.trigger_id: t for t in found.triggers}
    return [
        trigger(found, spec, held[spec["trigger_id"]], full=full)
        for spec in found.definition.get("triggers", [])
        if spec["trigger_id"] in held
    ]


def trigger(
    owner: Automation,
    spec: Mapping[str, Any],
    held: Trigger,
    *,
    full: bool = True,
    etag: str = "",
    payload_digest: str = "",
) -> pb.Trigger:
    next_slot = slot_skips.find_next_slot(owner, held) if full else None
    return pb.Trigger(
        name=owner.trigger_name(held.trigger_id) if owner.resource_id and held.is_stored else "",
        trigger_id=held.trigger_id,
        type=spec["type"],
        config=to_struct(spec.get("config", {})),
        static_inputs=to_struct(spec.get("static_inputs", {})) if full else None,
        enabled=held.enabled,
        next_fire_time=to_timestamp(slot_skips.find_next_fire_time(owner, held)),
        last_fire_time=to_timestamp(held.last_fire_time),
        disabled_reason=held.disabled_reason,
        disable_time=to_timestamp(held.disabled_time),
        etag=etag if held.is_stored else "",
        payload_digest=payload_digest,
        next_slot=convert_common.planned(next_slot) if next_slot else None,
        skipped_slots=[_skipped_slot(skip) for skip in slot_skips.list_to_come(held)],
    )


def _skipped_slot(skip: SlotSkip) -> pb.SkippedSlot:
    return pb.SkippedSlot(
        slot_time=to_timestamp(skip.slot_time),
        fire_time=to_timestamp(skip.fire_time),
        local_time=skip.local_time,
        user=name_user(skip.user),
        note=skip.note,
        create_time=to_timestamp(skip.create_time),
    )


def trigger_json(message: pb.Trigger, trigger_id: str, field: str) -> dict[str, Any]:
    """Returns the fields of a trigger that a caller may set, as JSON of TriggerSpec."""
    spec = pb.TriggerSpec(trigger_id=trigger_id, type=message.type)
    if message.HasField("config"):
        spec.config.CopyFrom(message.config)
    if message.HasField("static_inputs"):
        spec.static_inputs.CopyFrom(message.static_inputs)
    if message.HasField("enabled"):
        spec.enabled = message.enabled
    whole = definition_json(pb.AutomationDefinition(triggers=[spec]), field)
    found: dict[str, Any] = whole["triggers"][0]
    return found


def revision(owner: Automation, found: Revision, *, full: bool = True) -> pb.Revision:
    return pb.Revision(
        name=REVISION.format(
            workspace=owner.workspace, automation=owner.resource_id, revision=found.revision
        ),
        revision=found.revision,
        definition=definition(found.definition) if full else None,
        author=name_user(found.author),
        create_time=to_timestamp(found.create_time),
        decision=None if found.decision is None else _decision(found.decision),
    )


def _decision(found: ApprovalClaim) -> pb.Revision.Decision:
    return pb.Revision.Decision(
        approval=found.approval,
        requester=name_user(found.requester),
        approver=name_user(found.approver),
        payload_digest=found.digest,
        edited=found.edited,
        decide_time=to_timestamp(found.decide_time),
    )
