"""The turn of a result that a run delivered: it is finished when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.persistence.enums import MessageRole, TurnState
from chat_service.persistence.messages import Message
from chat_service.persistence.run_results import RunResultRows
from chat_service.persistence.turns import Turn
from chat_service.turns.frames.log import FrameLog
from shared import resources
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRunResult:
    """A result for a thread. `part` is the JSON of the proto's RunResult."""

    workspace: str
    user: str
    thread: UUID
    delivery_id: UUID
    part: Mapping[str, Any]


def build_rows(log: FrameLog, clock: Clock, result: NewRunResult) -> RunResultRows:
    """Returns the turn with its message and its two frames; stores nothing."""
    now = clock.now()
    turn = Turn(
        id=resources.new_id_at(now),
        thread_id=result.thread,
        workspace_id=result.workspace,
        requested_by=result.user,
        state=TurnState.SUCCEEDED,
        segments=[0],
        user_message_id=None,
        agent_message_id=resources.new_id_at(now),
        model_config_id=0,
        time_zone="UTC",
        time_zone_assumed=True,
        locale="",
        disabled_tools=[],
        task=None,
        delivery_id=result.delivery_id,
        last_sequence=0,
        fence=1,
        lease_owner=None,
        lease_expire_time=None,
        cancel_requested=False,
        usage={},
        error=None,
        create_time=now,
        update_time=now,
        end_time=now,
    )
    message = Message(
        id=turn.agent_message_id,
        thread_id=turn.thread_id,
        turn_id=turn.id,
        segment=0,
        role=MessageRole.AGENT,
        parts=[{"run_result": dict(result.part)}],
        create_time=now,
        finish_time=now,
    )
    frames = log.number(_frames(turn, message), 0)
    return RunResultRows(
        turn=replace(turn, last_sequence=len(frames)), message=message, frames=frames
    )


def _frames(turn: Turn, message: Message) -> list[pb.TurnEvent]:
    shown = convert.message(message, turn.workspace_id)
    started = pb.TurnStarted(turn=shown.turn, agent_message=shown.name)
    return [
        pb.TurnEvent(started=started),
        pb.TurnEvent(completed=pb.TurnCompleted(message=shown)),
    ]
