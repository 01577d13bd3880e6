"""A turn that is cancelled while what was approved is being saved."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import turns
from chat_service.runtime.ports import SavedAutomation
from chat_service.runtime.timeouts import Timeouts
from shared import resources
from tests.chat_service.conftest import Serving
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import SCHEDULE, START, Chat, approval_of, approve, until


class Slow(MemoryAutomations):
    """Saves at once, and answers when it may."""

    def __init__(self) -> None:
        super().__init__(now=START)
        self.has_saved, self.may_answer = asyncio.Event(), asyncio.Event()

    async def create(
        self, *, workspace: str, user: str, payload: Mapping[str, Any], request_id: UUID
    ) -> SavedAutomation:
        saved = await super().create(
            workspace=workspace, user=user, payload=payload, request_id=request_id
        )
        self.has_saved.set()
        await self.may_answer.wait()
        return saved


@pytest.mark.parametrize("waited", [0.0, 60.0])
async def test_its_approval_tells_what_came_of_it_all_the_same(
    serve: Serving, timeouts: Timeouts, waited: float
) -> None:
    automations = Slow()
    chat = await serve(automations=automations, timeouts=replace(timeouts, action_limit=waited))
    approval = approval_of(await chat.send(SCHEDULE))
    resuming = asyncio.create_task(chat.resume(approval.turn, approve(approval)))
    await asyncio.wait_for(automations.has_saved.wait(), 60)
    request = pb.CancelTurnRequest(name=approval.turn)
    cancelling = asyncio.ensure_future(chat.stub.CancelTurn(request, metadata=chat.metadata))
    if waited:
        await until(lambda: _is_cancelled(chat, approval.turn))
    else:
        await cancelling
    automations.may_answer.set()

    events = await resuming

    assert events[-1].HasField("cancelled")
    assert (await cancelling).state == pb.Turn.CANCELLED
    await until(lambda: _tells(chat, approval.name, *automations.held))


async def _is_cancelled(chat: Chat, name: str) -> bool:
    turn = UUID(resources.TURN.parse(name)["turn"])
    async with chat.engine.connect() as connection:
        found = await turns.get(connection, turn)
    return found is not None and found.cancel_requested


async def _tells(chat: Chat, name: str, saved: str) -> bool:
    request = pb.GetApprovalRequest(name=name)
    found = await chat.stub.GetApproval(request, metadata=chat.metadata)
    return bool(found.resource == saved)
