"""The end of a segment: message, usage, state, lease and terminal frame in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service import convert
from chat_service.flows import accounts
from chat_service.flows.frame_log import FrameLog, TurnLog
from chat_service.flows.quota import Quota
from chat_service.flows.work import Cancelled, Completed, Failed, Outcome, Suspended, Work
from chat_service.persistence import approvals, frames, messages, threads, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, MessageRole, TurnState
from shared import database, measures
from shared.clock import Clock
from shared.rpc import status

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
    quota: Quota,
    work: Work,
    to: TurnLog,
    outcome: Outcome,
) -> bool:
    """Ends the segment; False when another owner took the turn and will end it."""
    if not await log.drain(to):
        return False
    now = clock.now()
    async with database.transaction(engine) as connection:
        turn = await turns.get(connection, work.turn.id, lock=True)
        if turn is None or turn.fence != to.fence or turn.state is not TurnState.RUNNING:
            return False
        usage, whole = await accounts.close(connection, turn, work, quota)
        events = await _end(connection, work, outcome, usage, now)
        numbered = log.number(events, turn.last_sequence)
        await frames.insert(connection, turn.id, turn.last_sequence, numbered)
        last = turn.last_sequence + len(numbered)
        await _write_turn(connection, work, outcome, whole, now, last)
    to.show(numbered)
    return True


async def _end(
    connection: AsyncConnection,
    work: Work,
    outcome: Outcome,
    usage: dict[str, Any],
    now: datetime,
) -> list[pb.TurnEvent]:
    """Writes message and approvals, and gives the last frames."""
    if work.resumed:
        work.fold.earlier = await _begun_before(connection, work)
    await messages.finish(
        connection, work.turn.agent_message_id, parts=work.fold.parts(), usage=usage, now=now
    )
    await threads.change(connection, work.turn.thread_id, now, {})
    pending = await _pending(connection, work, outcome, now)
    events = [pb.TurnEvent(usage=convert.usage(usage))] if usage else []
    events.append(_terminal(work, outcome, pending, usage, now))
    return events


async def _begun_before(connection: AsyncConnection, work: Work) -> dict[str, dict[str, Any]]:
    """What earlier segments say of the calls they began."""
    said = await messages.of_turn(connection, work.turn.id)
    calls = [part["tool_call"] for m in said for part in m.parts if "tool_call" in part]
    return {
        call["tool_call_id"]: {"tool": call["tool"], "args_json": call["args_json"]}
        for call in calls
        if call["tool"]
    }


async def _pending(
    connection: AsyncConnection, work: Work, outcome: Outcome, now: datetime
) -> Sequence[Approval]:
    """The approvals that wait. A turn that ends otherwise leaves none undecided."""
    waiting = [
        a
        for a in await approvals.of_turn(connection, work.turn.id)
        if a.state is ApprovalState.PENDING
    ]
    if isinstance(outcome, Suspended):
        return waiting
    for approval in waiting:
        await approvals.decide(connection, approval.id, state=ApprovalState.CANCELLED, now=now)
        measures.count("rota.approvals.decided", state=ApprovalState.CANCELLED.value)
    return ()


def _terminal(
    work: Work, outcome: Outcome, pending: Sequence[Approval], usage: dict[str, Any], now: datetime
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
                parts=work.fold.parts(),
                usage=usage,
                create_time=now,
                finish_time=now,
            )
            shown_message = convert.message(message, work.turn.workspace_id)
            return pb.TurnEvent(completed=pb.TurnCompleted(message=shown_message))


async def _write_turn(
    connection: AsyncConnection,
    work: Work,
    outcome: Outcome,
    usage: dict[str, Any],
    now: datetime,
    last: int,
) -> None:
    error = status.to_status(outcome.error) if isinstance(outcome, Failed) else None
    await turns.change(
        connection,
        work.turn.id,
        now,
        state=_STATES[type(outcome)],
        last_sequence=last,
        usage=usage,
        error=None if error is None else error.SerializeToString(),
        end_time=None if isinstance(outcome, Suspended) else now,
        lease_owner=None,
        lease_expire_time=None,
    )
