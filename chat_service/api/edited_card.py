"""The card of a decision that is not made yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.llm.config import ModelConfig
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turns import Turn
from chat_service.runtime.ports import ActionType, AutomationsPort, DestinationView
from chat_service.runtime.run_context import ApprovalRule, ThreadTitles
from chat_service.tools.automations.consequences import ConsequenceBasis
from chat_service.tools.automations.deliveries import list_threads, list_workspace_destinations
from chat_service.tools.automations.edited_context import edit_context
from shared import errors, resources


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedCard:
    """Builds the cards of edits. `rules` are the approval rules of tools, by name."""

    db: AsyncEngine
    automations: AutomationsPort
    thread_titles: ThreadTitles
    model_loader: ModelLoader
    rules: Callable[[], Mapping[str, ApprovalRule]]

    async def build(
        self,
        row: Approval,
        turn: Turn,
        payload: Mapping[str, object] | None,
        now: datetime,
        *,
        by: str,
    ) -> Approval:
        """Returns an approval with what its card says of a checked payload that `by` edited.

        One that is decided, or whose payload is None, is returned as it is.
        """
        if payload is None or row.state is not ApprovalState.PENDING:
            return row
        basis = ConsequenceBasis(
            workspace=row.workspace_id,
            now=now,
            rules=self.rules(),
            models=self.model_loader.models,
            model=await self._model_of(turn),
            thread=resources.THREAD.format(workspace=row.workspace_id, thread=turn.thread_id),
            destinations=await self._destinations(row, by, payload),
            titles=await self.thread_titles(row.workspace_id, list_threads(payload)),
        )
        context = edit_context(
            basis,
            row.action_type,
            row.context,
            before=row.payload,
            payload=payload,
            zone=turn.time_zone,
        )
        return replace(row, edited_payload=payload, context=context, preview={})

    async def _destinations(
        self, row: Approval, by: str, payload: Mapping[str, Any]
    ) -> Sequence[DestinationView]:
        if row.action_type not in (ActionType.CREATE, ActionType.UPDATE):
            return ()
        return await self.automations.find_destinations(
            workspace=row.workspace_id, user=by, names=list_workspace_destinations(payload)
        )

    async def _model_of(self, turn: Turn) -> ModelConfig | None:
        try:
            async with self.db.connect() as connection:
                return await self.model_loader.config_of_turn(connection, turn)
        except errors.ModelGone:
            return None
