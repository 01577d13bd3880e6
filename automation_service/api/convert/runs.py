"""Conversion of runs, run events and slots to protobuf."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import automation_pb2 as pb

from automation_service.api.convert import automations as convert_automations
from automation_service.api.convert.common import failure, usage
from automation_service.persistence.records import Run, RunEvent, RunSession, Slot
from shared.db.tenancy import SESSION_RETENTION
from shared.definition.states import RunStatus
from shared.resources import RUN, TRIGGER, name_user
from shared.rpc.messages import struct
from shared.rpc.messages.timestamps import to_timestamp


def run(found: Run, *, full: bool = True) -> pb.Run:
    snapshot = found.definition_snapshot if full else None
    return pb.Run(
        name=found.resource,
        state=found.status.name,
        trigger=_trigger(found),
        slot_time=to_timestamp(found.slot_time),
        create_time=to_timestamp(found.create_time),
        start_time=to_timestamp(found.start_time),
        end_time=to_timestamp(found.end_time),
        definition_snapshot=None if snapshot is None else convert_automations.definition(snapshot),
        revision=found.revision,
        trigger_payload=struct.to_struct(found.trigger_payload),
        inputs=struct.to_struct(found.inputs) if full else None,
        step_results=[step(s, found.sessions) for s in found.step_results],
        output=None if found.output is None else struct.to_value(found.output),
        artifacts=[_artifact(a) for a in found.artifacts],
        error=failure(found.error),
        usage=usage(found.usage),
        attempt=found.attempt,
        backfill=found.backfill,
        output_snippet=found.output_snippet,
        automation_display_name=found.automation_name,
        failed_delivery_count=found.failed_deliveries,
        retrying_delivery_count=found.retrying_deliveries,
    )


def step(result: Mapping[str, Any], sessions: Sequence[RunSession] = ()) -> pb.StepResult:
    """`sessions` are those of the whole run."""
    output, session, end = result.get("output"), result.get("session_id"), result.get("finished_at")
    return pb.StepResult(
        step_id=result["step_id"],
        action=result["action"],
        status=result["status"].upper(),
        attempts=result.get("attempts", 0),
        start_time=_timestamp(result.get("started_at")),
        end_time=_timestamp(end),
        session_id=session or "",
        session_expire_time=_expiry(end) if session and end else None,
        earlier_session_ids=[
            s.session for s in sessions if s.step_id == result["step_id"] and s.session != session
        ],
        output=None if output is None else struct.to_value(output),
        error=failure(result.get("error")),
        usage=usage(result.get("usage"), untold=len(result.get("untold") or ())),
        notes=result.get("notes") or (),
    )


def _expiry(end: str) -> Timestamp | None:
    return to_timestamp(datetime.fromisoformat(end) + SESSION_RETENTION)


def event(found: RunEvent) -> pb.RunEvent:
    message = pb.RunEvent(sequence=found.sequence, create_time=to_timestamp(found.create_time))
    match found.event:
        case {"started": {"attempt": attempt}}:
            message.started.attempt = attempt
        case {"step_updated": result}:
            message.step_updated.step.CopyFrom(step(result))
        case {"step_progress": {"step_id": step_id, "title": title}}:
            message.step_progress.step_id = step_id
            message.step_progress.title = title
        case {"ended": {"state": state, "error": error}}:
            ended = pb.RunEnded(state=RunStatus(state).name, error=failure(error))
            message.ended.CopyFrom(ended)
    return message


def _artifact(value: Mapping[str, Any]) -> pb.Artifact:
    return pb.Artifact(
        artifact_id=value["artifact_id"],
        step_id=value["step_id"],
        mime_type=value["mime_type"],
        content=struct.to_value(value.get("content")),
    )


def _trigger(found: Run) -> str:
    if not found.trigger_id:
        return ""
    return TRIGGER.format(
        workspace=found.workspace, automation=found.automation, trigger=found.trigger_id
    )


def slot(found: Slot) -> pb.Slot:
    names = {"workspace": found.workspace, "automation": found.automation}
    return pb.Slot(
        name=found.resource,
        trigger=TRIGGER.format(**names, trigger=found.trigger_id),
        slot_time=to_timestamp(found.slot_time),
        fire_time=to_timestamp(found.fire_time),
        local_time=found.local_time,
        outcome=found.outcome.name,
        reason=found.reason,
        run=RUN.format(**names, run=found.run) if found.run else "",
        decide_time=to_timestamp(found.decide_time),
        backfill=_backfill(found),
    )


def _backfill(of: Slot) -> pb.Slot.Backfill | None:
    if (found := of.backfill) is None:
        return None
    names = {"workspace": of.workspace, "automation": of.automation}
    return pb.Slot.Backfill(
        run=RUN.format(**names, run=found.run) if found.run else "",
        run_state=found.status.name if found.status else None,
        requester=name_user(found.requester),
        create_time=to_timestamp(found.create_time),
    )


def _timestamp(text: str | None) -> Timestamp | None:
    return None if text is None else to_timestamp(datetime.fromisoformat(text))
