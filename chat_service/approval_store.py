"""Approvals as the agent stores and reads them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.agent.ports import ApprovalDraft, StoredApproval
from chat_service.persistence import approvals, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from shared import canonical, database, measures, resources
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStore:
    """The agent's port `Approvals`, on the table of approvals.

    Each of its methods may be repeated; ServiceUnavailable says that its connection was lost.
    """

    engine: AsyncEngine
    clock: Clock
    expire_after: timedelta

    async def find(self, turn: UUID, key: str) -> StoredApproval | None:
        async with self._transaction() as connection:
            row = await approvals.by_key(connection, turn, key)
        return None if row is None else _stored(row)

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        async with self._transaction() as connection:
            owner = await turns.get(connection, turn)
            assert owner is not None
            now = self.clock.now()
            payload = canonical.normalise(dict(draft.payload))
            row = Approval(
                id=resources.new_id_at(now),
                workspace_id=owner.workspace_id,
                turn_id=turn,
                key=draft.key,
                segment=owner.segment,
                action_type=draft.action_type,
                tool_call_id=draft.tool_call_id,
                summary=draft.summary[:300],
                payload=payload,
                payload_schema=dict(draft.payload_schema),
                payload_digest=canonical.digest(payload),
                context=dict(draft.context),
                preview=dict(draft.preview),
                state=ApprovalState.PENDING,
                requested_by=owner.requested_by,
                create_time=now,
                expire_time=now + self.expire_after,
            )
            await approvals.insert_once(connection, row)
            kept = await approvals.by_key(connection, turn, draft.key)
        assert kept is not None
        if kept.id == row.id:
            measures.count("rota.approvals.requested", action_type=row.action_type)
        return _stored(kept)

    async def get(self, approval: UUID) -> StoredApproval | None:
        async with self._transaction() as connection:
            row = await approvals.get(connection, approval)
        return None if row is None else _stored(row)

    async def set_resource(self, approval: UUID, resource: str) -> None:
        async with self._transaction() as connection:
            await approvals.set_resource(connection, approval, resource)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with database.faults_told():
            async with database.transaction(self.engine) as connection:
                yield connection


def _stored(row: Approval) -> StoredApproval:
    return StoredApproval(
        id=row.id,
        state=row.state.value,
        payload=row.payload if row.edited_payload is None else row.edited_payload,
        requested_by=row.requested_by,
        reason=row.reason,
        resource=row.resource,
    )
