"""The end of turns that wait for a decision: cancelled or expired."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import approvals, frames, messages, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, TurnState
from chat_service.persistence.turns import Turn
from chat_service.turns import segment_frames
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.message_parts import MessageParts
from chat_service.turns.segment import Segment
from chat_service.turns.segment_frames import (
    earlier_tool_calls,
    new_agent_message,
    store_resume_frames,
)
from shared import resources
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs, metrics

_MOST = 100

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTurns:
    db: AsyncEngine
    clock: Clock
    log: FrameLog
    delete_checkpoints: Callable[[UUID], Awaitable[None]]

    async def end(self, connection: AsyncConnection, turn: Turn, state: ApprovalState) -> None:
        """Ends a waiting turn in a segment of its own, without a model call.

        The caller has locked the turn's row. Its pending approvals get `state`.
        """
        now = self.clock.now()
        waited = []
        for row in await approvals.list_by_turn(connection, turn.id, lock=True):
            if row.state is ApprovalState.PENDING:
                await approvals.decide(connection, row.id, state=state, now=now)
                metrics.count("rota.approvals.decided", state=state.value)
                row = replace(row, state=state)
            if row.segment == turn.segment:
                waited.append(row)
        ended = replace(
            turn,
            state=TurnState.CANCELLED,
            segments=[*turn.segments, turn.last_sequence],
            agent_message_id=resources.new_id_at(now),
        )
        results = await self._results(connection, ended, waited, now)
        stored = await store_resume_frames(connection, self.log, now, Segment(turn=ended))
        base = turn.last_sequence + len(stored)
        last = [*results, pb.TurnEvent(cancelled=pb.TurnCancelled())]
        await frames.insert(connection, turn.id, base, self.log.number(last, base))
        await turns.update(connection, turn.id, now, last_sequence=base + len(last), end_time=now)

    async def _results(
        self, connection: AsyncConnection, turn: Turn, waited: Sequence[Approval], now: datetime
    ) -> list[pb.TurnEvent]:
        """The results of the tool calls that waited, which the segment's message stores too."""
        message = MessageParts(earlier=await earlier_tool_calls(connection, turn.id))
        results = list(segment_frames.results_of_unrun_calls(waited, message))
        for event in results:
            message.add(event)
        shell = new_agent_message(turn, now)
        await messages.insert(connection, replace(shell, parts=message.parts(), finish_time=now))
        return results

    async def expire(self) -> list[UUID]:
        """Ends the turns whose approvals were not decided in time. Returns them."""
        async with self.db.connect() as connection:
            late = await approvals.list_expired_turns(connection, self.clock.now(), limit=_MOST)
        ended = []
        for turn_id in late:
            try:
                if await self._expired(turn_id):
                    ended.append(turn_id)
            except Exception as error:  # noqa: BLE001 - tried again; it stops no other
                log.warning("turn_not_expired", turn=str(turn_id), error=type(error).__name__)
        for turn_id in ended:
            await self.delete_checkpoints(turn_id)
        return ended

    async def _expired(self, turn_id: UUID) -> bool:
        async with database.transaction(self.db) as connection:
            turn = await turns.get(connection, turn_id, lock=True)
            if turn is None or turn.state is not TurnState.AWAITING_APPROVAL:
                return False
            await self.end(connection, turn, ApprovalState.EXPIRED)
        return True

    async def delete_if_finished(self, turn_id: UUID) -> None:
        """Deletes the checkpoints of a turn that has ended."""
        async with self.db.connect() as connection:
            turn = await turns.get(connection, turn_id)
        if turn is None or turn.end_time is not None:
            await self.delete_checkpoints(turn_id)
