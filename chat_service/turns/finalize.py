"""The end of a segment: its message, usage, state and last frames, in one transaction."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service import convert
from chat_service.persistence import approvals, messages, segment_end, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, MessageRole, TurnState
from chat_service.persistence.segment_end import SegmentEnds
from chat_service.runtime.ports import StartMode
from chat_service.turns import accounting, limits, segment_frames
from chat_service.turns.frames.log import FrameLog, TurnLog
from chat_service.turns.message_parts import MessageParts
from chat_service.turns.segment import (
    Segment,
    SegmentCancelled,
    SegmentCompleted,
    SegmentFailed,
    SegmentOutcome,
    SegmentSuspended,
)
from chat_service.turns.segment_frames import completed_step, earlier_tool_calls
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.rpc import status
from shared.telemetry import logs, metrics

log = logs.logger(__name__)


def to_failure(segment: Segment, error: BaseException) -> SegmentFailed:
    if isinstance(error, errors.RotaError):
        return SegmentFailed(error)
    error_id = str(resources.new_id())
    log.error("turn_failed", turn=segment.turn_name, error_id=error_id, exc_info=error)
    return SegmentFailed(database.translate(error) or errors.Internal(error_id))


def salvage(segment: Segment, error: Exception, *, whole: bool) -> SegmentOutcome:
    """Keeps of the message what the database can store; nothing unless `whole`."""
    error_id = str(resources.new_id())
    log.error("turn_not_storable", turn=segment.turn_name, error_id=error_id, exc_info=error)
    segment.message.salvage(whole=whole)
    return SegmentFailed(errors.Internal(error_id))


_STATES = {
    SegmentCompleted: TurnState.SUCCEEDED,
    SegmentSuspended: TurnState.AWAITING_APPROVAL,
    SegmentFailed: TurnState.FAILED,
    SegmentCancelled: TurnState.CANCELLED,
}


async def finalize(
    db: AsyncEngine,
    ends: SegmentEnds,
    log: FrameLog,
    clock: Clock,
    segment: Segment,
    to: TurnLog,
    outcome: SegmentOutcome,
) -> SegmentOutcome | None:
    """Ends the segment. Returns how it ended; None when another owner has the turn.

    A turn that is to pause and whose cancellation was requested is cancelled.
    """
    now = clock.now()
    ended = await _end_plain(ends, log, segment, to, outcome, now)
    if ended is None:
        if not await log.drain(to):
            return None
        found = await _end_locked(db, log, segment, to, outcome, now)
        if found is None:
            return None
        ended, outcome = found
    to.show(ended)
    return outcome


async def _end_plain(
    ends: SegmentEnds,
    log: FrameLog,
    segment: Segment,
    to: TurnLog,
    outcome: SegmentOutcome,
    now: datetime,
) -> Sequence[bytes] | None:
    """Ends a plain turn with one statement, without reading it first, which takes five.

    Turns that end together share it. It also stores the frames that are not stored yet. Returns
    the last frames; None when the turn is not plain.
    """
    if segment.mode is not StartMode.NEW or isinstance(outcome, SegmentSuspended):
        return None
    left = await log.take(to)
    if left is None:
        return None
    done = False
    try:
        stored = _StoredSegment(message=segment.message, last_sequence=to.stored)
        how = _build_end(log, segment, outcome, stored, left, now)
        done = await ends.end(segment.turn, how, now, fence=to.fence, base=to.stored)
    finally:
        if not done:
            log.give_back(to, left)
    return how.frames if done else None


async def _end_locked(
    db: AsyncEngine,
    log: FrameLog,
    segment: Segment,
    to: TurnLog,
    outcome: SegmentOutcome,
    now: datetime,
) -> tuple[Sequence[bytes], SegmentOutcome] | None:
    async with database.transaction(db) as connection:
        turn = await turns.get(connection, segment.turn.id, lock=True)
        if turn is None or turn.fence != to.fence or turn.state is not TurnState.RUNNING:
            return None
        if isinstance(outcome, SegmentSuspended) and turn.cancel_requested:
            outcome = SegmentCancelled()
        before, waits = await segment_end.get_progress(connection, turn)
        if segment.resumed:
            segment.message.earlier = await earlier_tool_calls(connection, turn.id)
        waiting = await _waiting(connection, segment) if waits else ()
        message, left = segment.message, []
        if waiting and not isinstance(outcome, SegmentSuspended):
            message = deepcopy(message)  # this may have to be done again
            left = await _given_up(connection, message, waiting, now)
        stored = _StoredSegment(
            message=message,
            last_sequence=turn.last_sequence,
            message_usage=before,
            turn_usage=turn.usage,
            pending=waiting,
        )
        how = _build_end(log, segment, outcome, stored, left, now)
        await segment_end.end_segment(
            connection, turn, how, now, fence=to.fence, base=stored.last_sequence
        )
    return how.frames, outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredSegment:
    """What is stored of a segment before its end. Others may have counted usage of it."""

    message: MessageParts
    last_sequence: int
    message_usage: Mapping[str, Any] = field(default_factory=dict)
    turn_usage: Mapping[str, Any] = field(default_factory=dict)
    pending: Sequence[Approval] = ()


def _build_end(
    log: FrameLog,
    segment: Segment,
    outcome: SegmentOutcome,
    stored: _StoredSegment,
    left: Sequence[pb.TurnEvent],
    now: datetime,
) -> segment_end.SegmentEnd:
    """`left` are frames that are stored with the end."""
    usage, turn_usage = accounting.close_usage(segment, stored.message_usage, stored.turn_usage)
    parts = limits.limit_outputs(stored.message.parts())
    suspended = isinstance(outcome, SegmentSuspended)
    events = [*left]
    if not suspended:  # a step that waits for a decision goes on
        events += map(completed_step, stored.message.open_steps.values())
    if usage or segment.meter.refused:
        events.append(pb.TurnEvent(usage=convert.usage(usage)))
    events.append(_terminal(segment, outcome, stored.pending, parts, usage, now))
    error = status.to_status(outcome.error) if isinstance(outcome, SegmentFailed) else None
    return segment_end.SegmentEnd(
        state=_STATES[type(outcome)],
        parts=parts,
        message_usage=usage,
        usage=turn_usage,
        usage_before=stored.turn_usage,
        premium_micros=segment.premium_micros,
        error=None if error is None else error.SerializeToString(),
        frames=log.number(events, stored.last_sequence),
        end_time=None if suspended else now,
        may_await_approval=suspended,
    )


async def _waiting(connection: AsyncConnection, segment: Segment) -> Sequence[Approval]:
    rows = await approvals.list_by_turn(connection, segment.turn.id)
    return [row for row in rows if row.state is ApprovalState.PENDING]


async def _given_up(
    connection: AsyncConnection, message: MessageParts, waiting: Sequence[Approval], now: datetime
) -> list[pb.TurnEvent]:
    """Cancels the approvals that a turn which does not pause leaves undecided."""
    cancelled = [replace(a, state=ApprovalState.CANCELLED, decide_time=now) for a in waiting]
    for approval in cancelled:
        await approvals.decide(connection, approval.id, state=approval.state, now=now)
        metrics.count("rota.approvals.decided", state=approval.state.value)
    events = [
        *segment_frames.decision_events(cancelled),
        *segment_frames.results_of_unrun_calls(cancelled, message),
    ]
    for event in events:
        message.add(event)
    return events


def _terminal(
    segment: Segment,
    outcome: SegmentOutcome,
    pending: Sequence[Approval],
    parts: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    now: datetime,
) -> pb.TurnEvent:
    match outcome:
        case SegmentSuspended():
            shown = [convert.approval(a, full=False) for a in pending]
            return pb.TurnEvent(suspended=pb.TurnSuspended(approvals=shown))
        case SegmentFailed(error=error):
            return pb.TurnEvent(failed=pb.TurnFailed(status=status.to_status(error)))
        case SegmentCancelled():
            return pb.TurnEvent(cancelled=pb.TurnCancelled())
        case SegmentCompleted():
            message = messages.Message(
                id=segment.turn.agent_message_id,
                thread_id=segment.turn.thread_id,
                turn_id=segment.turn.id,
                segment=segment.turn.segment,
                role=MessageRole.AGENT,
                parts=parts,
                usage=usage,
                create_time=now,
                finish_time=now,
            )
            shown_message = convert.message(message, segment.turn.workspace_id)
            return pb.TurnEvent(completed=pb.TurnCompleted(message=shown_message))
