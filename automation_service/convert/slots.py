"""Slots, planned ones and those of the ledger, on the wire."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from rota.automation.v1 import automation_pb2 as pb

from automation_service.convert.common import moment
from automation_service.persistence.records import Slot
from shared.resources import RUN, TRIGGER
from shared.schedule import PlannedSlot


def slot(found: Slot) -> pb.Slot:
    names = {"workspace": found.workspace, "automation": found.automation}
    return pb.Slot(
        name=found.resource,
        trigger=TRIGGER.format(**names, trigger=found.trigger_id),
        slot_time=moment(found.slot_time),
        fire_time=moment(found.fire_time),
        local_time=found.local_time,
        outcome=found.outcome.name,
        reason=found.reason,
        run=RUN.format(**names, run=found.run) if found.run else "",
        decide_time=moment(found.decide_time),
    )


def planned(found: PlannedSlot) -> pb.PlannedSlot:
    return pb.PlannedSlot(
        slot_time=moment(found.slot_time),
        fire_time=moment(found.fire_time),
        local_time=found.local_time[:16],
        utc_offset=_offset(found.utc_offset),
        dst_note=found.dst_note,
        skipped=found.skipped,
    )


def _offset(text: str) -> Duration:
    """`+05:30` as a span."""
    hours, minutes = int(text[1:3]), int(text[4:6])
    span = timedelta(hours=hours, minutes=minutes)
    found = Duration()
    found.FromTimedelta(-span if text[0] == "-" else span)
    return found
