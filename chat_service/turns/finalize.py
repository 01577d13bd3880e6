"""The end of a segment: its message, usage, state and last frames, in one transaction."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service import convert
from chat_service.persistence import approvals, messages, segment_end, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, MessageRole, TurnState
from chat_service.turns import accounting, limits, segment_frames
from chat_service.turns.frame_log import FrameLog, TurnLog
from chat_service.turns.message_parts import MessageParts
from chat_service.turns.segment import (
    Segment,
    SegmentCancelled,
    SegmentCompleted,
    SegmentFailed,
    SegmentOutcome,
    SegmentSuspended,
)
from chat_service.turns.segment_frames import earlier_tool_calls
from shared import errors, resources
from shared.clock import Clock
from shared.db import database, fast_connection
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
    """How a turn ends whose database is there and refuses what it said: with what can be stored."""
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
    log: FrameLog,
    clock: Clock,
    segment: Segment,
    to: TurnLog,
    outcome: SegmentOutcome,
) -> SegmentOutcome | None:
    """Ends the segment; None when another owner took the turn and will end it.

    Answers with how it ended: a turn that was to pause and is to be cancelled is cancelled.
    """
    now = clock.now()
    ended = await _at_once(db, log, segment, to, outcome, now)
    if ended is None:
        if not await log.drain(to):
            return None
        found = await _in_turn(db, log, segment, to, outcome, now)
        if found is None:
            return None
        ended, outcome = found
    to.show(ended)
    return outcome


async def _at_once(
    db: AsyncEngine,
    log: FrameLog,
    segment: Segment,
    to: TurnLog,
    outcome: SegmentOutcome,
    now: datetime,
) -> Sequence[bytes] | None:
    """The last frames of a plain turn, ended unseen; None when there is more to it.

    It takes one statement where to look first takes five, and stores what is not stored yet.
    """
    if segment.resumed or segment.recovered or isinstance(outcome, SegmentSuspended):
        return None
    left = await log.take(to)
    if left is None:
        return None
    done = False
    try:
        how = _end(log, segment, outcome, {}, {}, (), left, to.stored, now, segment.message)
        async with fast_connection.borrow(db) as connection:
            done = await segment_end.end_segment(
                connection, segment.turn, how, now, fence=to.fence, base=to.stored
            )
    finally:
        if not done:
            log.give_back(to, left)
    return how.frames if done else None


async def _in_turn(
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
        base = turn.last_sequence
        how = _end(log, segment, outcome, before, turn.usage, waiting, left, base, now, message)
        await segment_end.end_segment(connection, turn, how, now, fence=to.fence, base=base)
    return how.frames, outcome


def _end(
    log: FrameLog,
    segment: Segment,
    outcome: SegmentOutcome,
    before: Mapping[str, Any],
    whole: Mapping[str, Any],
    pending: Sequence[Approval],
    left: Sequence[pb.TurnEvent],
    base: int,
    now: datetime,
    message: MessageParts,
) -> segment_end.SegmentEnd:
    """`before` and `whole` are what was counted to the message and to the turn by others.

    `left` is what was said and is not stored yet.
    """
    usage, of_turn = accounting.close_usage(segment, before, whole)
    parts = limits.limit_outputs(message.parts())
    events = [*left, *([pb.TurnEvent(usage=convert.usage(usage))] if usage else [])]
    events.append(_terminal(segment, outcome, pending, parts, usage, now))
    error = status.to_status(outcome.error) if isinstance(outcome, SegmentFailed) else None
    suspended = isinstance(outcome, SegmentSuspended)
    return segment_end.SegmentEnd(
        state=_STATES[type(outcome)],
        parts=parts,
        message_usage=usage,
        usage=of_turn,
        usage_before=whole,
        premium_micros=segment.premium_micros,
        error=None if error is None else error.SerializeToString(),
        frames=log.number(events, base),
        end_time=None if suspended else now,
        may_await_approval=suspended,
    )


async def _waiting(connection: AsyncConnection, segment: Segment) -> Sequence[Approval]:
    rows = await approvals.list_by_turn(connection, segment.turn.id)
    return [row for row in rows if row.state is ApprovalState.PENDING]


async def _given_up(
    connection: AsyncConnection, message: MessageParts, waiting: Sequence[Approval], now: datetime
) -> list[pb.TurnEvent]:
    """A turn that does not pause leaves no approval undecided: what tells of those it cancels."""
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
