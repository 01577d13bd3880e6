"""Conversion of calls of BackfillSlots from protobuf, and of their answers to it."""

from typing import Any, Final

from rota.automation.v1 import automation_pb2 as pb

from automation_service.api.convert import runs as convert_runs
from automation_service.persistence.backfills import SlotRange
from automation_service.scheduling.backfill import BackfillAnswer, BackfillCall
from shared import errors, resources
from shared.rpc.messages.timestamps import read_timestamp

_RANGE: Final = ("start_time", "end_time", "trigger")


def call(request: Any) -> BackfillCall:
    """Reads what to run. Raises InvalidRequest unless it has either slots or a whole range."""
    given = [field for field in _RANGE if _has(request, field)]
    if request.slots and given:
        raise errors.invalid(given[0], "goes with a range, and slots are named")
    if not request.slots and not given:
        raise errors.invalid(
            "slots", "name slots, or give start_time and end_time", errors.FieldReason.REQUIRED
        )
    return BackfillCall(
        automation=request.parent,
        names=list(request.slots),
        within=_read_range(request) if given else None,
        always=request.overlap == pb.BackfillSlotsRequest.ALWAYS,
        etag=request.etag,
    )


def answer(found: BackfillAnswer) -> pb.BackfillSlotsResponse:
    return pb.BackfillSlotsResponse(
        slots=[convert_runs.slot(slot) for slot in found.slots],
        left_out=[
            pb.BackfillSlotsResponse.LeftOut(cause=obstacle.name, count=count)
            for obstacle, count in sorted(found.left_out.items())
        ],
    )


def _has(request: Any, field: str) -> bool:
    return bool(request.trigger) if field == "trigger" else bool(request.HasField(field))


def _read_range(request: Any) -> SlotRange:
    missing = [field for field in ("start_time", "end_time") if not request.HasField(field)]
    if missing:
        raise errors.invalid(missing[0], "is required in a range", errors.FieldReason.REQUIRED)
    start = read_timestamp(request.start_time, field="start_time")
    end = read_timestamp(request.end_time, field="end_time")
    if end <= start:
        raise errors.invalid("end_time", "is not after the start of the range")
    return SlotRange(start=start, end=end, trigger_id=_read_trigger(request))


def _read_trigger(request: Any) -> str:
    if not request.trigger:
        return ""
    parts = resources.TRIGGER.parse(request.trigger)
    trigger_id = parts.pop("trigger")
    if resources.AUTOMATION.format(**parts) != request.parent:
        raise errors.invalid("trigger", f"is no trigger of {request.parent}")
    return trigger_id
