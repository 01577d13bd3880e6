"""Approvals, as callers see and decide them, and as the agent stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service import convert
from chat_service.api.payload_check import PayloadCheck, join_path
from chat_service.flows.resume_routing import ApprovalDecision, ResumeRouter
from chat_service.persistence import approvals, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turns import Turn
from chat_service.turns.engine import TurnEngine
from chat_service.turns.place import Place
from chat_service.turns.segment import Segment
from shared import aip, canonical_json, errors, resources
from shared.clock import Clock
from shared.db import database
from shared.rpc import struct
from shared.rpc.access import Access, Role
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.security.caller import Caller

_FILTER = {"state": "=", "create_time": "= < <= > >="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    db: AsyncEngine
    clock: Clock
    access: Access
    idempotency: Idempotency
    router: ResumeRouter
    turn_engine: TurnEngine
    edited: PayloadCheck

    async def get(self, name: str) -> pb.Approval:
        return convert.approval(await self._find(name, "viewer"))

    async def list(self, request: pb.ListApprovalsRequest) -> pb.ListApprovalsResponse:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        await self.access.admit(request.parent, "viewer")
        conditions = aip.parse_filter(request.filter, _FILTER)
        page = aip.read_page(request)
        async with self.db.connect() as connection:
            rows = await approvals.list_newest(
                connection,
                workspace,
                size=page.size + 1,
                before=page.after_id(),
                states=[
                    aip.parse_state(c.value, ApprovalState)
                    for c in conditions
                    if c.field == "state"
                ],
                created=[(c.operator, c.moment()) for c in conditions if c.field != "state"],
            )
        shown = aip.limit_bytes([convert.approval(row, full=False) for row in rows[: page.size]])
        return pb.ListApprovalsResponse(
            approvals=shown,
            next_page_token=page.next_token(rows, lambda row: (row.id,), shown=len(shown)),
        )

    async def decide_one(self, request: pb.DecideApprovalRequest) -> pb.Approval:
        named = {request.name, request.decision.approval} - {""}
        if len(named) != 1:
            raise errors.invalid("name", "must name one approval, as the decision does")
        name = named.pop()
        row = await self._find(name, "editor")
        who = await self.access.admit(name, "editor")
        key = IdempotencyKey.of(
            request, rpc="DecideApproval", workspace=row.workspace_id, user=who.user
        )
        decision = pb.Decision()
        decision.CopyFrom(request.decision)
        decision.approval = name
        async with self.db.connect() as connection:
            turn = await turns.get(connection, row.turn_id)
        if turn is None:  # its thread was deleted meanwhile
            raise errors.ResourceNotFound(name)
        await self.decide(turn, [decision], field="decision", by=who, key=key, whole=False)
        return await self.get(name)

    async def decide(
        self,
        turn: Turn,
        decisions: Sequence[pb.Decision],
        *,
        field: str,
        by: Caller,
        key: IdempotencyKey,
        whole: bool,
    ) -> Place:
        """Decides, starts the segment that follows and returns the place before its frames."""
        read = _read(decisions, turn.workspace_id, field)
        # What was decided since must not hide that this very request decided it.
        if (made := await self.idempotency.look_up(key)) is not None:
            return Place.from_json(made)
        async with self.db.connect() as connection:
            checked = await self.router.check(connection, turn, read, self.edited)
        return await self.turn_engine.background.run(
            self._decided(turn, checked, by=by, key=key, whole=whole)
        )

    async def _decided(
        self,
        turn: Turn,
        checked: Sequence[ApprovalDecision],
        *,
        by: Caller,
        key: IdempotencyKey,
        whole: bool,
    ) -> Place:
        begun: list[tuple[Segment, list[bytes]]] = []

        async def make() -> str:
            went_on = await self.router.decide(
                connection, turn.id, checked, by=by.user, whole=whole
            )
            if went_on is not None:
                begun.append(went_on)
                place = Place(turn=turn.id, sequence=went_on[0].turn.segments[-1])
            else:
                place = await self._followed(connection, turn, checked)
            return place.to_json()

        async with database.transaction(self.db) as connection:
            made, _ = await self.idempotency.run(connection, key, make)
        for segment, stored in begun:
            self.turn_engine.start(segment, stored)
        return Place.from_json(made)

    async def _followed(
        self, connection: AsyncConnection, turn: Turn, decisions: Sequence[ApprovalDecision]
    ) -> Place:
        """Returns the place before the segment that followed the decisions, or the turn's end."""
        row = await turns.get(connection, turn.id)
        asked = await approvals.get(connection, decisions[0].approval)
        if row is None or asked is None:
            raise errors.ResourceNotFound(decisions[0].name)
        if asked.segment + 1 >= len(row.segments):
            return Place(turn=turn.id, sequence=row.last_sequence)
        return Place(turn=turn.id, sequence=row.segments[asked.segment + 1])

    async def _find(self, name: str, role: Role) -> Approval:
        parts = resources.APPROVAL.parse(name)
        await self.access.admit(name, role)
        async with self.db.connect() as connection:
            row = await approvals.get(
                connection,
                resources.parse_uuid(parts["approval"], name),
                workspace=parts["workspace"],
            )
        if row is None:
            raise errors.ResourceNotFound(name)
        return row


def _read(decisions: Sequence[pb.Decision], workspace: str, field: str) -> list[ApprovalDecision]:
    found = [
        _read_one(d, workspace, f"{field}[{i}]" if field == "decisions" else field)
        for i, d in enumerate(decisions)
    ]
    if len({d.approval for d in found}) != len(found):
        raise errors.invalid(field, "names an approval twice")
    return found


def _read_one(decision: pb.Decision, workspace: str, field: str) -> ApprovalDecision:
    if not decision.approval:
        raise errors.invalid(f"{field}.approval", "is required")
    parts = resources.APPROVAL.parse(decision.approval)
    if parts["workspace"] != workspace:
        raise errors.ResourceNotFound(decision.approval)
    rejected = decision.WhichOneof("decision") == "reject"
    if "\0" in decision.reject.reason:
        raise errors.invalid(f"{field}.reject.reason", "must not hold NUL")
    return ApprovalDecision(
        approval=resources.parse_uuid(parts["approval"], decision.approval),
        name=decision.approval,
        digest=decision.payload_digest.lower(),
        state=ApprovalState.REJECTED if rejected else ApprovalState.APPROVED,
        field=field,
        payload=_payload(decision, field),
        reason=decision.reject.reason,
    )


def _payload(decision: pb.Decision, field: str) -> Mapping[str, Any] | None:
    if decision.WhichOneof("decision") != "edit":
        return None
    try:
        payload: Mapping[str, Any] = struct.to_json(decision.edit.payload)
    except canonical_json.NotCanonical as error:
        raise errors.invalid(
            join_path(f"{field}.edit.payload", error.path), error.problem
        ) from error
    return payload
