"""The agent's stores on PostgreSQL: tool calls, approvals, titles, images and MCP tools."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import (
    approvals,
    images,
    mcp_tools,
    threads,
    tool_calls,
    turns,
)
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.runtime.ports import REFERENCE, ApprovalDraft, StoredApproval
from shared import resources
from shared.clock import Clock
from shared.db import database
from shared.json import canonical_json
from shared.security.caller import ApprovalClaim
from shared.telemetry import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStore:
    """The agent's port `ToolCallClaims`."""

    db: AsyncEngine

    async def claim(self, turn: UUID, key: str) -> bool:
        with database.translate_errors():
            async with database.transaction(self.db) as connection:
                return await tool_calls.start(connection, turn, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStore:
    """The agent's port `Approvals`.

    Every method is idempotent and raises ServiceUnavailable if the connection is lost.
    """

    db: AsyncEngine
    clock: Clock
    expire_after: timedelta

    async def find(self, turn: UUID, key: str) -> StoredApproval | None:
        async with self._transaction() as connection:
            row = await approvals.get_by_key(connection, turn, key)
        return None if row is None else _stored(row)

    async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
        async with self._transaction() as connection:
            owner = await turns.get(connection, turn)
            assert owner is not None
            now = self.clock.now()
            payload = canonical_json.normalise(dict(draft.payload))
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
                payload_digest=canonical_json.digest(payload),
                context=dict(draft.context),
                preview=dict(draft.preview),
                state=ApprovalState.PENDING,
                requested_by=owner.requested_by,
                create_time=now,
                expire_time=now + self.expire_after,
            )
            await approvals.insert_once(connection, row)
            kept = await approvals.get_by_key(connection, turn, draft.key)
        assert kept is not None
        if kept.id == row.id:
            metrics.count("rota.approvals.requested", action_type=row.action_type)
        return _stored(kept)

    async def get(self, approval: UUID) -> StoredApproval | None:
        async with self._transaction() as connection:
            row = await approvals.get(connection, approval)
        return None if row is None else _stored(row)

    async def set_resource(self, approval: UUID, resource: str) -> None:
        async with self._transaction() as connection:
            await approvals.set_resource(connection, approval, resource)

    async def read_claim(self, approval: UUID) -> ApprovalClaim | None:
        """Returns what was decided; None for an approval that a step granted in advance."""
        async with self._transaction() as connection:
            row = await approvals.get(connection, approval)
        if row is None or row.decide_time is None:
            return None
        return ApprovalClaim(
            approval=resources.APPROVAL.format(workspace=row.workspace_id, approval=row.id),
            requester=row.requested_by,
            approver=row.decided_by,
            digest=row.payload_digest,
            edited=row.edited_payload is not None,
            decide_time=row.decide_time,
        )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with database.translate_errors():
            async with database.transaction(self.db) as connection:
                yield connection


def _stored(row: Approval) -> StoredApproval:
    return StoredApproval(
        id=row.id,
        state=row.state.value,
        payload=row.payload if row.edited_payload is None else row.edited_payload,
        requested_by=row.requested_by,
        decided_by=row.decided_by,
        edited=row.edited_payload is not None,
        proposed=None if row.edited_payload is None else row.payload,
        reason=row.reason,
        resource=row.resource,
        payload_schema=row.payload_schema,
        context=row.context,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTitleStore:
    """The agent's port `ThreadTitles`."""

    db: AsyncEngine

    async def read(self, workspace: str, names: Sequence[str]) -> Mapping[str, str]:
        """Returns the titles of those threads of the workspace, by name."""
        ids = {found: name for name in names if (found := threads.parse_id(name, workspace))}
        if not ids:
            return {}
        async with self.db.connect() as connection:
            titles = await threads.list_titles(connection, workspace, list(ids))
        return {ids[found]: title for found, title in titles.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStore:
    """The agent's port `Images`."""

    db: AsyncEngine

    async def load(self, workspace: str, uri: str) -> str | None:
        async with self.db.connect() as connection:
            found = await images.get(connection, workspace, uri.removeprefix(REFERENCE))
        if found is None:
            return None
        return f"data:{found.mime_type};base64,{base64.b64encode(found.data).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class McpToolStore:
    """The agent's port `McpToolSpecs`."""

    db: AsyncEngine

    async def load(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        async with self.db.connect() as connection:
            return await mcp_tools.list_by_server(connection)

    async def save(self, server: str, tools: Sequence[Mapping[str, Any]]) -> None:
        async with database.transaction(self.db) as connection:
            await mcp_tools.save(connection, server, tools)
