"""Decisions on a turn's approvals: all are checked, then all are stored, then the turn resumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.flows import rate_limit_recovery
from chat_service.model_selection.auto_pin import AutoPin
from chat_service.model_selection.quota import Quota
from chat_service.persistence import approvals, messages, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, TurnState
from chat_service.persistence.turns import Turn
from chat_service.turns.engine import TurnEngine
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.segment import Segment
from chat_service.turns.segment_frames import new_agent_message, store_resume_frames
from shared import errors, resources
from shared.clock import Clock
from shared.db.tenancy import Tenancy
from shared.json import canonical_json
from shared.security.caller import Membership
from shared.telemetry import metrics


class PayloadChecker(Protocol):
    """What is approved, looked at once more. Both raise InvalidRequest with paths under `field`."""

    async def check(
        self, row: Approval, payload: Mapping[str, Any], field: str
    ) -> Mapping[str, Any]:
        """The canonical form of an edited payload. `decided_by` of the row is who edits it."""
        ...

    async def check_as_shown(self, row: Approval, field: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecision:
    """One decision of a request. `field` is its path there."""

    approval: UUID
    name: str
    digest: str
    state: ApprovalState
    field: str
    payload: Mapping[str, Any] | None = None
    reason: str = ""

    def approves(self, row: Approval) -> bool:
        """Whether it approves the payload as shown, as the first decision."""
        undecided = row.state is ApprovalState.PENDING
        return undecided and self.state is ApprovalState.APPROVED and self.payload is None

    def is_what_was_decided(self, row: Approval) -> bool:
        return (
            row.state is self.state
            and (row.reason == self.reason or self.state is not ApprovalState.REJECTED)
            and _same(row.edited_payload, self.payload)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnApprovals:
    """The approvals of a turn, and today's membership of who asked for them."""

    rows: Mapping[UUID, Approval]
    requester: str
    membership: Membership | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRouter:
    clock: Clock
    log: FrameLog
    turn_engine: TurnEngine
    auto_pin: AutoPin
    quota: Quota
    tenancy: Tenancy

    async def read_approvals(self, connection: AsyncConnection, turn: Turn) -> TurnApprovals:
        user = turn.requested_by
        return TurnApprovals(
            rows={row.id: row for row in await approvals.list_by_turn(connection, turn.id)},
            requester=user,
            membership=await self.tenancy.find_membership(connection, turn.workspace_id, user),
        )

    async def check(
        self,
        found: TurnApprovals,
        decisions: Sequence[ApprovalDecision],
        payloads: PayloadChecker,
        *,
        by: str,
    ) -> list[ApprovalDecision]:
        """The decisions with edits in canonical form. Reads only; refuses what can't hold."""
        checked: list[ApprovalDecision] = []
        invalid: list[errors.FieldViolation] = []
        more = 0
        for decision in decisions:
            if decision.approval not in found.rows:
                raise errors.ResourceNotFound(decision.name)
            try:
                checked.append(await self._check(found, decision, payloads, by))
            except errors.InvalidRequest as error:
                invalid += error.violations
                more += error.more_violations
        if invalid:
            raise errors.InvalidRequest(invalid, more=more)
        return checked

    async def _check(
        self, found: TurnApprovals, decision: ApprovalDecision, payloads: PayloadChecker, by: str
    ) -> ApprovalDecision:
        row = found.rows[decision.approval]
        undecided = row.state is ApprovalState.PENDING
        if undecided:  # what can't be decided at all need not be mended
            self._refuse(row, decision)
            if decision.state is ApprovalState.APPROVED:
                _require_requester(found)
        field = f"{decision.field}.edit.payload"
        if decision.payload is not None:
            editing = replace(row, decided_by=by) if undecided else row
            payload = await payloads.check(editing, decision.payload, field)
            decision = replace(decision, payload=payload)
        if not undecided:
            self._refuse(row, decision)
        if decision.approves(row):
            await _check_as_shown(row, decision, payloads, field)
        return decision

    async def decide(
        self,
        connection: AsyncConnection,
        turn_id: UUID,
        decisions: Sequence[ApprovalDecision],
        *,
        by: str,
        whole: bool,
    ) -> tuple[Segment, list[bytes]] | None:
        """Stores decisions under the turn's row lock, and opens the next segment with the last.

        `whole` refuses unless they cover every pending approval. None when nothing goes on:
        more is to be decided, or all of it was decided the same way before.
        """
        turn = await turns.get(connection, turn_id, lock=True)
        if turn is None:  # its thread was deleted meanwhile
            raise errors.ResourceNotFound(decisions[0].name)
        rows = {row.id: row for row in await approvals.list_by_turn(connection, turn_id, lock=True)}
        for decision in decisions:
            self._refuse(rows[decision.approval], decision)
        named = {decision.approval for decision in decisions}
        pending = {i for i, row in rows.items() if row.state is ApprovalState.PENDING}
        name = convert.turn_name(turn.workspace_id, turn.thread_id, turn.id)
        # What was decided in an earlier pause is told again, whatever waits by now.
        pauses = {rows[i].segment for i in named}
        left = {i for i in pending - named if named & pending or rows[i].segment in pauses}
        if named & pending and turn.state is not TurnState.AWAITING_APPROVAL:
            raise errors.TurnInProgress(name)
        if whole and left:
            waiting = [convert.approval_name(turn.workspace_id, i) for i in sorted(left)]
            raise errors.ApprovalsUndecided(name, waiting)
        if not named & pending:
            return None
        await self._store(connection, decisions, by)
        return None if left else await self._open_segment(connection, turn)

    def _refuse(self, row: Approval, decision: ApprovalDecision) -> None:
        if row.state is not ApprovalState.PENDING:
            if decision.is_what_was_decided(row):
                return
            if row.state is ApprovalState.EXPIRED:
                raise errors.ApprovalExpired(decision.name)
            raise errors.ApprovalDecided(decision.name, row.state.upper())
        if row.expire_time <= self.clock.now():
            raise errors.ApprovalExpired(decision.name)
        if decision.digest != row.payload_digest:
            raise errors.DigestMismatch(decision.name)

    async def _store(
        self, connection: AsyncConnection, decisions: Sequence[ApprovalDecision], by: str
    ) -> None:
        for decision in decisions:
            await approvals.decide(
                connection,
                decision.approval,
                state=decision.state,
                now=self.clock.now(),
                decided_by=by,
                reason=decision.reason,
                edited_payload=decision.payload,
            )
            metrics.count("rota.approvals.decided", state=decision.state.value)

    async def _open_segment(
        self, connection: AsyncConnection, turn: Turn
    ) -> tuple[Segment, list[bytes]]:
        """Takes the lease and opens the next segment, whose first frames tell the decisions.

        ModelGone and QuotaExceeded when its model can't be had and no other may take its place.
        """
        config = await self.auto_pin.choose_for_segment(connection, turn)
        fence = await turns.acquire_lease(
            connection, turn.id, owner=self.turn_engine.owner, lease=self.turn_engine.lease
        )
        going_on = replace(
            turn,
            state=TurnState.RUNNING,
            segments=[*turn.segments, turn.last_sequence],
            agent_message_id=resources.new_id_at(self.clock.now()),
            model_config_id=config.id,
            fence=fence,
            cancel_requested=False,
        )
        await self.quota.reserve(connection, going_on, config)
        await messages.insert(connection, new_agent_message(going_on, self.clock.now()))
        segment = Segment(turn=going_on)
        more = []
        if config.id != turn.model_config_id:
            why = "the previous model is not available any more"
            more = [rate_limit_recovery.rerouted_frame(turn.model_config_id, config.id, why)]
        stored = await store_resume_frames(connection, self.log, self.clock.now(), segment, more)
        return segment, stored


async def _check_as_shown(
    row: Approval, decision: ApprovalDecision, payloads: PayloadChecker, field: str
) -> None:
    """Raises InvalidRequest with the paths that an edit would have; nothing was edited, so its
    message names the approval of the payload."""
    try:
        await payloads.check_as_shown(row, field)
    except errors.InvalidRequest as error:
        approve = f"{decision.field}.approve"
        raise errors.InvalidRequest(
            [
                replace(v, place=f"{approve}: {v.field.removeprefix(field).lstrip('.')}")
                for v in error.violations
            ],
            more=error.more_violations,
        ) from error


def _require_requester(found: TurnApprovals) -> None:
    """What is approved is done on behalf of the one who asked for it, as an editor."""
    user, membership = found.requester, found.membership
    if membership is None or not membership.allows("editor"):
        raise errors.CreatorAccessLost(
            f"{resources.name_user(user)} may no longer do what they asked for, so it can't be "
            "approved",
            metadata={"user": user} | ({"role": membership.role} if membership else {}),
        )


def _same(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return canonical_json.digest(a) == canonical_json.digest(b)
