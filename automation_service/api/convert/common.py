"""Conversion of errors, usage, planned slots and registry entries to and from protobuf."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import status_pb2
from rota.automation.v1 import automation_pb2 as pb

from shared import errors
from shared.json.canonical_json import NotCanonical
from shared.registries.actions.types import ActionDefinition
from shared.registries.capabilities.types import Capability
from shared.registries.triggers.types import TriggerDefinition
from shared.rpc import status
from shared.rpc.messages.struct import refuse, to_dict, to_struct
from shared.rpc.messages.timestamps import to_timestamp
from shared.schedule.slots import PlannedSlot


def open_json(message: Message, field: str) -> dict[str, Any]:
    """Returns the fields that the caller set, as JSON. Raises InvalidRequest."""
    try:
        return to_dict(message)
    except NotCanonical as exc:
        raise refuse(exc, field) from exc


def failure(value: Mapping[str, Any] | None) -> status_pb2.Status | None:
    """Converts a stored error to google.rpc.Status."""
    if not value:
        return None
    return status.to_status(
        errors.RotaError(
            value["message"],
            code=errors.Code(value["code"]),
            reason=value["reason"],
            metadata=value.get("metadata") or {},
        )
    )


def usage(value: Mapping[str, int] | None, *, untold: int = 0) -> pb.Usage | None:
    """`untold` counts the tasks whose usage is not in the value yet, if the value does not."""
    value = {"untold_tasks": untold, **(value or {})} if untold else value
    if not value:
        return None
    return pb.Usage(
        input_tokens=value.get("input_tokens", 0),
        output_tokens=value.get("output_tokens", 0),
        cached_tokens=value.get("cached_tokens", 0),
        cost_micros=value.get("cost_micros", 0),
        untold_tasks=value.get("untold_tasks", 0),
    )


def action_type(found: ActionDefinition) -> pb.ActionType:
    return pb.ActionType(
        type=found.type,
        display_name=found.name,
        description=found.description,
        config_schema=to_struct(found.config_schema),
    )


def trigger_type(found: TriggerDefinition) -> pb.TriggerType:
    return pb.TriggerType(
        type=found.type,
        description=found.description,
        config_schema=to_struct(found.config_schema),
        payload_schema=to_struct(found.payload_schema),
    )


def capability(found: Capability) -> pb.Capability:
    return pb.Capability(
        id=found.id,
        description=found.description,
        input_schema=to_struct(found.input_schema),
        output_schema=to_struct(found.output_schema),
    )


def planned(found: PlannedSlot) -> pb.PlannedSlot:
    return pb.PlannedSlot(
        slot_time=to_timestamp(found.slot_time),
        fire_time=to_timestamp(found.fire_time),
        local_time=found.local_time[:16],
        utc_offset=_offset(found.utc_offset),
        dst_note=found.dst_note,
        skipped=found.skipped,
    )


def _offset(text: str) -> Duration:
    """Converts an offset such as `+05:30`."""
    hours, minutes = int(text[1:3]), int(text[4:6])
    span = timedelta(hours=hours, minutes=minutes)
    found = Duration()
    found.FromTimedelta(-span if text[0] == "-" else span)
    return found
