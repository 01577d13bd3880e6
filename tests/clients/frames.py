"""Frames and an approval to tell of in tests."""

from typing import Any

from google.protobuf import struct_pb2
from rota.chat.v1 import chat_pb2

from tests.clients.scripted_chat import WORKSPACE, Frame

MESSAGE = f"{WORKSPACE}/threads/t/messages/m"
APPROVAL = f"{WORKSPACE}/approvals/a1"
AUTOMATION = f"{WORKSPACE}/automations/news"

PAYLOAD: dict[str, Any] = {
    "display_name": "Morning news",
    "description": "The news of the day, in short.",
    "definition": {
        "name": "Morning news",
        "goal": "Know what happened overnight.",
        "triggers": [
            {
                "trigger_id": "weekdays",
                "type": "schedule",
                "config": {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
                "static_inputs": {"topic": "shipping"},
            }
        ],
        "plan": [
            {
                "step_id": "summarise",
                "action": "agent_task",
                "config": {"prompt": "Summarise the news.", "tools": ["fetch_url"]},
                "max_retries": 1,
            }
        ],
    },
}


def text(said: str, block: int = 0) -> Frame:
    return Frame(text_delta=chat_pb2.TextDelta(message=MESSAGE, block=block, text=said))


def step(title: str, item: str) -> Frame:
    return Frame(
        step=chat_pb2.Step(
            id="thinking-1", title=title, items=[item], state=chat_pb2.Step.IN_PROGRESS
        )
    )


def called(tool: str) -> Frame:
    return Frame(tool_call_started=chat_pb2.ToolCallStarted(tool_call_id="c1", tool=tool))


def finished(resource: str = "", status: str = "saved") -> Frame:
    return Frame(
        tool_call_finished=chat_pb2.ToolCallFinished(
            tool_call_id="c1",
            outcome=chat_pb2.ToolCallFinished.OK,
            output=struct({"status": status}),
            resource=resource,
        )
    )


def completed() -> Frame:
    return Frame(completed=chat_pb2.TurnCompleted(message=chat_pb2.Message(name=MESSAGE)))


def suspended(*approvals: chat_pb2.Approval) -> Frame:
    return Frame(suspended=chat_pb2.TurnSuspended(approvals=approvals))


def requested(approval: chat_pb2.Approval) -> Frame:
    return Frame(approval_requested=chat_pb2.ApprovalRequested(approval=approval))


def unknown() -> Frame:
    """A frame of a kind that came after this client."""
    # field 111, length-delimited, empty
    return Frame.FromString(bytes([0xFA, 0x06, 0x00]))


def struct(value: dict[str, Any]) -> struct_pb2.Struct:
    packed = struct_pb2.Struct()
    packed.update(value)
    return packed


def approval(name: str = APPROVAL, turn: str = f"{WORKSPACE}/threads/t/turns/u1") -> Any:
    made = chat_pb2.Approval(
        name=name,
        state=chat_pb2.Approval.PENDING,
        action_type="automation_create",
        turn=turn,
        summary="Morning news: at 09:00, Monday through Friday",
        payload=struct(PAYLOAD),
        payload_digest="ab" * 32,
        context=struct(
            {
                "intent": "Every weekday at nine, summarise the news.",
                "consequences": {"runs_per_month": 22, "tools": ["fetch_url"]},
            }
        ),
        preview=chat_pb2.Preview(
            summary="At 09:00, Monday through Friday",
            notes=["No time zone was named, so Europe/Paris is assumed."],
            time_zone_assumed=True,
        ),
    )
    made.expire_time.FromJsonString("2026-11-29T08:00:00Z")
    made.preview.slots.add(
        trigger_id="weekdays", local_time="2026-11-23T09:00", time_zone="Europe/Paris"
    ).utc_offset.FromSeconds(3600)
    made.preview.slots.add(
        trigger_id="weekdays",
        local_time="2027-03-29T09:00",
        time_zone="Europe/Paris",
        dst_note="Clocks went forward the day before.",
    ).utc_offset.FromSeconds(7200)
    return made
