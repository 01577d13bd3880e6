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
from chat_service.turns.message_parts import Fold
from chat_service.turns.segment import Cancelled, Completed, Failed, Outcome, Suspended, Work
from chat_service.turns.segment_frames import begun_before
from shared import errors, resources
from shared.clock import Clock
from shared.db import database, fast_connection
from shared.rpc import status
from shared.telemetry import logs, metrics

log = logs.logger(__name__)


def failed(work: Work, error: BaseException) -> Failed:
    if isinstance(error, errors.RotaError):
        return Failed(error)
    error_id = str(resources.new_id())
    log.error("turn_failed", turn=work.name, error_id=error_id, exc_info=error)
    return Failed(database.translate(error) or errors.Internal(error_id))


def unstorable(work: Work, error: Exception, *, whole: bool) -> Outcome:
    """How a turn ends whose database is there and refuses what it said: with what can be stored."""
    error_id = str(resources.new_id())
    log.error("turn_not_storable", turn=work.name, error_id=error_id, exc_info=error)
    work.fold.salvage(whole=whole)
    return Failed(errors.Internal(error_id))


_STATES = {
    Completed: TurnState.SUCCEEDED,
    Suspended: TurnState.AWAITING_APPROVAL,
    Failed: TurnState.FAILED,
    Cancelled: TurnState.CANCELLED,
}


async def finalize(
    engine: AsyncEngine,
    log: FrameLog,
    clock: Clock,
    work: Work,
    to: TurnLog,
    outcome: Outcome,
) -> Outcome | None:
    """Ends the segment; None when another owner took the turn and will end it.

    Answers with how it ended: a turn that was to pause and is to be cancelled is cancelled.
    """
    now = clock.now()
    ended = await _at_once(engine, log, work, to, outcome, now)
    if ended is None:
        if not await log.drain(to):
            return None
        found = await _in_turn(engine, log, work, to, outcome, now)
        if found is None:
            return None
        ended, outcome = found
    to.show(ended)
    return outcome


async def _at_once(
    engine: AsyncEngine, log: FrameLog, work: Work, to: TurnLog, outcome: Outcome, now: datetime
) -> Sequence[bytes] | None:
    """The last frames of a plain turn, ended unseen; None when there is more to it.

    It takes one statement where to look first takes five, and stores what is not stored yet.
    """
    if work.resumed or work.recovered or isinstance(outcome, Suspended):
        return None
    left = await log.take(to)
    if left is None:
        return None
    done = False
    try:
        how = _end(log, work, outcome, {}, {}, (), left, to.stored, now, work.fold)
        async with fast_connection.borrow(engine) as connection:
            done = await segment_end.end_segment(
                connection, work.turn, how, now, fence=to.fence, base=to.stored
            )
    finally:
        if not done:
            log.give_back(to, left)
    return how.frames if done else None


async def _in_turn(
    engine: AsyncEngine, log: FrameLog, work: Work, to: TurnLog, outcome: Outcome, now: datetime
) -> tuple[Sequence[bytes], Outcome] | None:
    async with database.transaction(engine) as connection:
        turn = await turns.get(connection, work.turn.id, lock=True)
        if turn is None or turn.fence != to.fence or turn.state is not TurnState.RUNNING:
            return None
        if isinstance(outcome, Suspended) and turn.cancel_requested:
            outcome = Cancelled()
        before, waits = await segment_end.get_progress(connection, turn)
        if work.resumed:
            work.fold.earlier = await begun_before(connection, turn.id)
        waiting = await _waiting(connection, work) if waits else ()
        fold, left = work.fold, []
        if waiting and not isinstance(outcome, Suspended):
            fold = deepcopy(fold)  # this may have to be done again
            left = await _given_up(connection, fold, waiting, now)
        base = turn.last_sequence
        how = _end(log, work, outcome, before, turn.usage, waiting, left, base, now, fold)
        await segment_end.end_segment(connection, turn, how, now, fence=to.fence, base=base)
    return how.frames, outcome


def _end(
    log: FrameLog,
    work: Work,
    outcome: Outcome,
    before: Mapping[str, Any],
    whole: Mapping[str, Any],
    pending: Sequence[Approval],
    left: Sequence[pb.TurnEvent],
    base: int,
    now: datetime,
    fold: Fold,
) -> segment_end.SegmentEnd:
    """`before` and `whole` are what was counted to the message and to the turn by others.

    `left` is what was said and is not stored yet.
    """
    usage, of_turn = accounting.close(work, before, whole)
    parts = limits.kept(fold.parts())
    events = [*left, *([pb.TurnEvent(usage=convert.usage(usage))] if usage else [])]
    events.append(_terminal(work, outcome, pending, parts, usage, now))
    error = status.to_status(outcome.error) if isinstance(outcome, Failed) else None
    suspended = isinstance(outcome, Suspended)
    return segment_end.SegmentEnd(
        state=_STATES[type(outcome)],
        parts=parts,
        message_usage=usage,
        usage=of_turn,
        usage_before=whole,
        premium_micros=work.premium_micros,
        error=None if error is None else error.SerializeToString(),
        frames=log.number(events, base),
        end_time=None if suspended else now,
        may_await_approval=suspended,
    )


async def _waiting(connection: AsyncConnection, work: Work) -> Sequence[Approval]:
    rows = await approvals.list_by_turn(connection, work.turn.id)
    return [row for row in rows if row.state is ApprovalState.PENDING]


async def _given_up(
    connection: AsyncConnection, fold: Fold, waiting: Sequence[Approval], now: datetime
) -> list[pb.TurnEvent]:
    """A turn that does not pause leaves no approval undecided: what tells of those it cancels."""
    cancelled = [replace(a, state=ApprovalState.CANCELLED, decide_time=now) for a in waiting]
    for approval in cancelled:
        await approvals.decide(connection, approval.id, state=approval.state, now=now)
        metrics.count("rota.approvals.decided", state=approval.state.value)
    events = [*segment_frames.decision_events(cancelled), *segment_frames.finished(cancelled, fold)]
    for event in events:
        fold.add(event)
    return events


def _terminal(
    work: Work,
    outcome: Outcome,
    pending: Sequence[Approval],
    parts: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    now: datetime,
) -> pb.TurnEvent:
    match outcome:
        case Suspended():
            shown = [convert.approval(a, full=False) for a in pending]
            return pb.TurnEvent(suspended=pb.TurnSuspended(approvals=shown))
        case Failed(error=error):
            return pb.TurnEvent(failed=pb.TurnFailed(status=status.to_status(error)))
        case Cancelled():
            return pb.TurnEvent(cancelled=pb.TurnCancelled())
        case Completed():
            message = messages.Message(
                id=work.turn.agent_message_id,
                thread_id=work.turn.thread_id,
                turn_id=work.turn.id,
                segment=work.turn.segment,
                role=MessageRole.AGENT,
                parts=parts,
                usage=usage,
                create_time=now,
                finish_time=now,
            )
            shown_message = convert.message(message, work.turn.workspace_id)
            return pb.TurnEvent(completed=pb.TurnCompleted(message=shown_message))
