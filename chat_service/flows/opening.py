"""The beginning of a turn: one transaction, after which the work is the server's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.agent.model import ModelConfig
from chat_service.flows import auto_pin, initial_thinking_step, llm_capability
from chat_service.flows.auto_pin import AutoPin, Wanted
from chat_service.flows.frame_log import FrameLog
from chat_service.flows.quota import Quota
from chat_service.flows.turn import TurnEngine
from chat_service.flows.work import Opened, Work
from chat_service.persistence import approvals, images, segments, threads, turns
from chat_service.persistence.enums import (
    ApprovalState,
    MessageRole,
    ThreadKind,
    TitleState,
    TurnState,
)
from chat_service.persistence.images import Image
from chat_service.persistence.messages import Message
from chat_service.persistence.threads import Thread
from chat_service.persistence.turns import Turn
from shared import errors, resources
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person, or a step of an automation, wants done."""

    workspace: str
    user: str
    thread: UUID | None  # None: a new one
    parts: Sequence[Mapping[str, Any]]
    images: Sequence[Image] = ()
    model_config_id: int
    time_zone: str
    time_zone_assumed: bool
    locale: str = ""
    disabled_tools: Sequence[str] = ()
    task: Mapping[str, Any] | None = None
    kind: ThreadKind = field(default=ThreadKind.CHAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    clock: Clock
    log: FrameLog
    engine: TurnEngine
    pins: AutoPin
    quota: Quota

    async def open(self, connection: AsyncConnection, asked: Asked) -> tuple[Work, list[bytes]]:
        """Opens a turn this replica owns. TurnInProgress or ApprovalsUndecided when one is open.

        Refuses what its model can't read or the person's credit does not pay. The caller
        commits, then begins the work with the frames given.
        """
        thread = await self._thread(connection, asked)
        if thread.open_turn is not None:
            await refuse_open_turn(connection, thread)
        wanted = Wanted(user=asked.user, images=llm_capability.has_images(asked.parts))
        config = await self.pins.choose(connection, thread, asked.model_config_id, wanted)
        llm_capability.check(config, asked.parts)
        opened = Opened(
            parts=list(asked.parts),
            new_thread=asked.thread is None,
            titled=thread.title_state is not TitleState.NONE,
        )
        work, stored = self._begun(asked, self._turn(asked, thread, config), opened)
        while not await self._store(connection, asked, work.turn, stored):
            await refuse_open_turn(connection, thread)  # or it has just ended
        await self.quota.reserve(connection, work.turn, config)
        await images.keep(connection, asked.workspace, thread.id, asked.images, self.clock.now())
        return work, stored

    async def _thread(self, connection: AsyncConnection, asked: Asked) -> Thread:
        if asked.thread is None:
            now = self.clock.now()
            thread = Thread(
                id=resources.new_id(),
                workspace_id=asked.workspace,
                created_by=asked.user,
                kind=asked.kind,
                title="",
                title_state=TitleState.NONE,
                model_config_id=auto_pin.AUTO,
                create_time=now,
                update_time=now,
            )
            await threads.insert(connection, thread)
            return thread
        found = await threads.get(connection, asked.workspace, asked.thread, lock=True)
        if found is None:
            name = resources.THREAD.format(workspace=asked.workspace, thread=asked.thread)
            raise errors.ResourceNotFound(name)
        return found

    def _turn(self, asked: Asked, thread: Thread, config: ModelConfig) -> Turn:
        now = self.clock.now()
        return Turn(
            id=resources.new_id(),
            thread_id=thread.id,
            workspace_id=asked.workspace,
            requested_by=asked.user,
            state=TurnState.RUNNING,
            segments=[0],
            user_message_id=resources.new_id(),
            agent_message_id=resources.new_id(),
            model_config_id=config.id,
            # What was said to a model of one's own goes to no other.
            model_auto=asked.model_config_id == auto_pin.AUTO and not config.own,
            time_zone=asked.time_zone,
            time_zone_assumed=asked.time_zone_assumed,
            locale=asked.locale,
            disabled_tools=list(asked.disabled_tools),
            task=asked.task,
            last_sequence=0,
            fence=1,
            lease_owner=self.engine.owner,
            lease_expire_time=None,
            cancel_requested=False,
            usage={},
            error=None,
            create_time=now,
            update_time=now,
            end_time=None,
        )

    def _begun(self, asked: Asked, turn: Turn, opened: Opened) -> tuple[Work, list[bytes]]:
        events = [Work(turn=turn).started()]
        if asked.kind is ThreadKind.CHAT:
            events.append(initial_thinking_step.begun(asked.parts))
        stored = self.log.number(events, 0)
        return Work(turn=replace(turn, last_sequence=len(stored)), opened=opened), stored

    async def _store(
        self, connection: AsyncConnection, asked: Asked, turn: Turn, stored: Sequence[bytes]
    ) -> bool:
        now = self.clock.now()
        said = Message(
            id=turn.user_message_id,
            thread_id=turn.thread_id,
            turn_id=turn.id,
            segment=0,
            role=MessageRole.USER,
            parts=list(asked.parts),
            create_time=now,
            finish_time=now,
        )
        return await segments.begin(
            connection,
            turn,
            self.engine.lease,
            said=said,
            answer=agent_shell(turn, now),
            frames=stored,
        )


async def refuse_open_turn(connection: AsyncConnection, thread: Thread) -> None:
    turn = await turns.open_turn(connection, thread.id)
    if turn is None:
        return
    name = convert.turn_name(turn.workspace_id, turn.thread_id, turn.id)
    if turn.state is TurnState.RUNNING:
        raise errors.TurnInProgress(name)
    waiting = [
        convert.approval_name(a.workspace_id, a.id)
        for a in await approvals.of_turn(connection, turn.id)
        if a.state is ApprovalState.PENDING
    ]
    raise errors.ApprovalsUndecided(name, waiting)


def agent_shell(turn: Turn, now: datetime) -> Message:
    """The agent's message of a segment, to be finished when the segment ends."""
    return Message(
        id=turn.agent_message_id,
        thread_id=turn.thread_id,
        turn_id=turn.id,
        segment=turn.segment,
        role=MessageRole.AGENT,
        create_time=now,
    )
