"""Decisions of approvals: from a request to the segment that resumes the turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.api.edited_card import EditedCard
from chat_service.api.payload_check import PayloadCheck
from chat_service.flows.resume_routing import ApprovalDecision, ResumeRouter
from chat_service.persistence import approvals, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turns import Turn
from chat_service.turns.engine import TurnEngine
from chat_service.turns.frames.cursor import FrameCursor
from chat_service.turns.segment import Segment
from shared import errors, resources
from shared.db import database
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.rpc.messages import struct


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecider:
    db: AsyncEngine
    idempotency: Idempotency
    router: ResumeRouter
    turn_engine: TurnEngine
    payload_check: PayloadCheck
    edited_card: EditedCard

    async def preview(
        self, turn: Turn, row: Approval, decision: ApprovalDecision, *, by: str
    ) -> Approval:
        """Returns what the card of an approval would say with a decision, which is not made."""
        async with self.db.connect() as connection:
            found = await self.router.read_approvals(connection, turn)
        (checked,) = await self.router.check(found, [decision], self.payload_check, by=by)
        return await self.edited_card.build(
            row, turn, checked.payload, self.router.clock.now(), by=by
        )

    async def decide(
        self,
        turn: Turn,
        decisions: Sequence[ApprovalDecision],
        *,
        by: str,
        key: IdempotencyKey,
        whole: bool,
    ) -> FrameCursor:
        """Decides, starts the segment that follows and returns the cursor before its frames."""
        # A repeat of the request succeeds, though its approvals are decided by now.
        if (made := await self.idempotency.look_up(key)) is not None:
            return FrameCursor.from_json(made)
        async with self.db.connect() as connection:
            found = await self.router.read_approvals(connection, turn)
        # Without a connection, as the checks call the other service, which may call back.
        checked = await self.router.check(found, decisions, self.payload_check, by=by)
        return await self.turn_engine.background.run(
            self._store_decisions(turn, checked, by=by, key=key, whole=whole)
        )

    async def _store_decisions(
        self,
        turn: Turn,
        checked: Sequence[ApprovalDecision],
        *,
        by: str,
        key: IdempotencyKey,
        whole: bool,
    ) -> FrameCursor:
        started: list[tuple[Segment, list[bytes]]] = []

        async def make() -> str:
            resumed = await self.router.decide(connection, turn.id, checked, by=by, whole=whole)
            if resumed is not None:
                started.append(resumed)
                cursor = FrameCursor(turn=turn.id, sequence=resumed[0].turn.segments[-1])
            else:
                cursor = await self._find_next_segment(connection, turn, checked)
            return cursor.to_json()

        async with database.transaction(self.db) as connection:
            made, _ = await self.idempotency.run(connection, key, make)
        for segment, stored in started:
            self.turn_engine.start(segment, stored)
        return FrameCursor.from_json(made)

    async def _find_next_segment(
        self, connection: AsyncConnection, turn: Turn, decisions: Sequence[ApprovalDecision]
    ) -> FrameCursor:
        """Returns the cursor before the segment that followed the decisions, or the turn's end."""
        row = await turns.get(connection, turn.id)
        approval = await approvals.get(connection, decisions[0].approval)
        if row is None or approval is None:
            raise errors.ResourceNotFound(decisions[0].name)
        if approval.segment + 1 >= len(row.segments):
            return FrameCursor(turn=turn.id, sequence=row.last_sequence)
        return FrameCursor(turn=turn.id, sequence=row.segments[approval.segment + 1])


def parse_decisions(
    decisions: Sequence[pb.Decision], workspace: str, field: str
) -> list[ApprovalDecision]:
    """Reads the decisions in the request's `field`. Raises InvalidRequest with paths under it."""
    found = [
        _parse_decision(d, workspace, f"{field}[{i}]" if field == "decisions" else field)
        for i, d in enumerate(decisions)
    ]
    if len({d.approval for d in found}) != len(found):
        raise errors.invalid(field, "names an approval twice", errors.FieldReason.DUPLICATE_ID)
    return found


def _parse_decision(decision: pb.Decision, workspace: str, field: str) -> ApprovalDecision:
    if not decision.approval:
        raise errors.invalid(f"{field}.approval", "is required", errors.FieldReason.REQUIRED)
    parts = resources.APPROVAL.parse(decision.approval)
    if parts["workspace"] != workspace:
        raise errors.ResourceNotFound(decision.approval)
    rejected = decision.WhichOneof("decision") == "reject"
    if "\0" in decision.reject.reason:
        raise errors.invalid(
            f"{field}.reject.reason", "must not hold NUL", errors.FieldReason.NOT_CANONICAL
        )
    return ApprovalDecision(
        approval=resources.parse_uuid(parts["approval"], decision.approval),
        name=decision.approval,
        digest=decision.payload_digest.lower(),
        state=ApprovalState.REJECTED if rejected else ApprovalState.APPROVED,
        field=field,
        payload=_parse_payload(decision, field),
        reason=decision.reject.reason,
    )


def _parse_payload(decision: pb.Decision, field: str) -> Mapping[str, Any] | None:
    if decision.WhichOneof("decision") != "edit":
        return None
    payload: Mapping[str, Any] = struct.read_json(decision.edit.payload, f"{field}.edit.payload")
    return payload
