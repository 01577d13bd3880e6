"""The RPC methods of approvals."""

from dataclasses import dataclass
from typing import Any, Final

from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.api.decisions import ApprovalDecider, parse_decisions
from chat_service.api.resource import ResourceServicer
from chat_service.flows.resume_routing import ApprovalDecision
from chat_service.persistence import approvals, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turns import Turn
from shared import aip, errors, list_filter, resources
from shared.rpc.access import Role
from shared.rpc.idempotency import IdempotencyKey

_FILTER_FIELDS: Final = {"state": list_filter.state(ApprovalState), "create_time": list_filter.TIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class _SingleDecision:
    """What a request with one decision names, and who sent it."""

    row: Approval
    turn: Turn
    decision: ApprovalDecision
    user: str


@dataclass(frozen=True, kw_only=True)
class ApprovalServicer(ResourceServicer):
    decider: ApprovalDecider

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Any) -> pb.Approval:
        return convert.approval(await self._find_approval(request.name, "viewer"))

    async def ListApprovals(
        self, request: pb.ListApprovalsRequest, context: Any
    ) -> pb.ListApprovalsResponse:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        await self.access.admit(request.parent, "viewer")
        wanted = list_filter.parse(request.filter, _FILTER_FIELDS)
        page = self.pages.read(request)
        async with self.db.connect() as connection:
            rows = await approvals.list_newest(
                connection,
                workspace,
                size=page.size + 1,
                before=page.after_id(),
                filter_=wanted,
            )
        shown, token = aip.fill_page(
            page, rows, lambda row: convert.approval(row, full=False), lambda row: (row.id,)
        )
        return pb.ListApprovalsResponse(approvals=shown, next_page_token=token)

    async def DecideApproval(self, request: pb.DecideApprovalRequest, context: Any) -> pb.Approval:
        named = await self._find_decided(request)
        key = IdempotencyKey.of(
            request, rpc="DecideApproval", workspace=named.row.workspace_id, user=named.user
        )
        await self.decider.decide(named.turn, [named.decision], by=named.user, key=key, whole=False)
        return convert.approval(await self._find_approval(named.decision.name, "viewer"))

    async def PreviewDecision(
        self, request: pb.PreviewDecisionRequest, context: Any
    ) -> pb.Approval:
        named = await self._find_decided(request)
        return convert.approval(
            await self.decider.preview(named.turn, named.row, named.decision, by=named.user)
        )

    async def _find_decided(
        self, request: pb.DecideApprovalRequest | pb.PreviewDecisionRequest
    ) -> _SingleDecision:
        names = {request.name, request.decision.approval} - {""}
        if len(names) != 1:
            raise errors.invalid("name", "must name one approval, as the decision does")
        name = names.pop()
        row = await self._find_approval(name, "editor")
        who = await self.access.admit(name, "editor")
        decision = pb.Decision()
        decision.CopyFrom(request.decision)
        decision.approval = name
        async with self.db.connect() as connection:
            turn = await turns.get(connection, row.turn_id)
        if turn is None:  # its thread was deleted meanwhile
            raise errors.ResourceNotFound(name)
        (parsed,) = parse_decisions([decision], turn.workspace_id, "decision")
        return _SingleDecision(row=row, turn=turn, decision=parsed, user=who.user)

    async def _find_approval(self, name: str, role: Role) -> Approval:
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
