"""The beginning of a turn: all of it or nothing, after which the work is the server's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.flows import initial_thinking_step
from chat_service.llm.config import ModelConfig
from chat_service.model_selection import auto_pin, llm_capability
from chat_service.model_selection.auto_pin import AutoPin, Cooldowns, ModelChoice, ModelRequirements
from chat_service.model_selection.quota import Quota
from chat_service.persistence import approvals, images, threads, turn_opening, turns
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
from chat_service.turns.engine import TurnEngine
from chat_service.turns.frame_log import FrameLog
from chat_service.turns.segment import OpenedTurn, Segment
from chat_service.turns.segment_frames import new_agent_message
from shared import errors, resources
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
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
class TurnOpener:
    clock: Clock
    log: FrameLog
    turn_engine: TurnEngine
    auto_pin: AutoPin
    quota: Quota

    async def open(
        self, connection: AsyncConnection, new_turn: NewTurn
    ) -> tuple[Segment, list[bytes]]:
        """Opens a turn this replica owns. TurnInProgress or ApprovalsUndecided when one is open.

        Refuses what its model can't read or the person's credit does not pay. The caller
        commits, then begins the work with the frames given.
        """
        thread = await self._thread(connection, new_turn)
        if thread.open_turn is not None:
            await refuse_open_turn(connection, thread)
        choice = await self._chosen(connection, new_turn, thread)
        if choice.pin != thread.model_config_id:
            await threads.pin_model(
                connection, thread.id, was=thread.model_config_id, now_is=choice.pin
            )
        segment, new = self._new(new_turn, thread, choice.config, first=new_turn.thread is None)
        while not await turn_opening.insert(connection, new):
            await refuse_open_turn(connection, thread)  # or it has just ended
        await self.quota.reserve(connection, segment.turn, choice.config)
        await images.save(
            connection, new_turn.workspace, thread.id, new_turn.images, self.clock.now()
        )
        return segment, list(new.frames)

    async def open_plain(
        self,
        connection: AsyncConnection,
        new_turn: NewTurn,
        remembered: Callable[[Turn], turn_opening.TurnRequest],
    ) -> tuple[Segment, list[bytes]] | None:
        """Opens a turn in two statements, where that is all it takes: it is then committed.

        None, and nothing is done, wherever there is more to it, be it a refusal: `open` knows.
        The connection is one without a transaction.
        """
        if new_turn.thread is None or new_turn.images:
            return None
        seen = await turn_opening.read_thread(
            connection,
            workspace=new_turn.workspace,
            user=new_turn.user,
            thread=new_turn.thread,
            now=self.clock.now(),
        )
        if seen is None or seen.thread.open_turn is not None:
            return None
        try:
            choice = await self._chosen(connection, new_turn, seen.thread, seen.cooldowns)
        except errors.RotaError:
            return None
        # Credit is held in a transaction, and so is what more there was to ask for the choice.
        if choice.config.premium or connection.in_transaction():
            return None
        segment, new = self._new(new_turn, seen.thread, choice.config, first=seen.is_empty)
        begun = await turn_opening.insert_if_unchanged(
            connection,
            new,
            remembered(segment.turn),
            pin_was=seen.thread.model_config_id,
            pin=choice.pin,
            is_empty=seen.is_empty,
        )
        return (segment, list(new.frames)) if begun else None

    async def _chosen(
        self,
        connection: AsyncConnection,
        new_turn: NewTurn,
        thread: Thread,
        cooldowns: Cooldowns | None = None,
    ) -> ModelChoice:
        wanted = ModelRequirements(
            user=new_turn.user, images=llm_capability.has_images(new_turn.parts)
        )
        choice = await self.auto_pin.choose(
            connection, thread, new_turn.model_config_id, wanted, cooldowns
        )
        llm_capability.check_images(choice.config, new_turn.parts)
        return choice

    async def _thread(self, connection: AsyncConnection, new_turn: NewTurn) -> Thread:
        if new_turn.thread is None:
            now = self.clock.now()
            thread = Thread(
                id=resources.new_id_at(now),
                workspace_id=new_turn.workspace,
                created_by=new_turn.user,
                kind=new_turn.kind,
                title="",
                title_state=TitleState.NONE,
                model_config_id=auto_pin.AUTO,
                create_time=now,
                update_time=now,
            )
            await threads.insert(connection, thread)
            return thread
        found = await threads.get(
            connection, new_turn.workspace, new_turn.thread, kind=new_turn.kind, lock=True
        )
        if found is None:
            name = resources.THREAD.format(workspace=new_turn.workspace, thread=new_turn.thread)
            raise errors.ResourceNotFound(name)
        return found

    def _turn(self, new_turn: NewTurn, thread: Thread, config: ModelConfig) -> Turn:
        now = self.clock.now()
        return Turn(
            id=resources.new_id_at(now),
            thread_id=thread.id,
            workspace_id=new_turn.workspace,
            requested_by=new_turn.user,
            state=TurnState.RUNNING,
            segments=[0],
            user_message_id=resources.new_id_at(now),
            agent_message_id=resources.new_id_at(now),
            model_config_id=config.id,
            # What was said to a model of one's own goes to no other.
            model_auto=new_turn.model_config_id == auto_pin.AUTO and not config.is_custom,
            time_zone=new_turn.time_zone,
            time_zone_assumed=new_turn.time_zone_assumed,
            locale=new_turn.locale,
            disabled_tools=list(new_turn.disabled_tools),
            task=new_turn.task,
            last_sequence=0,
            fence=1,
            lease_owner=self.turn_engine.owner,
            lease_expire_time=None,
            cancel_requested=False,
            usage={},
            error=None,
            create_time=now,
            update_time=now,
            end_time=None,
        )

    def _new(
        self, new_turn: NewTurn, thread: Thread, config: ModelConfig, *, first: bool
    ) -> tuple[Segment, turn_opening.NewTurnRows]:
        turn = self._turn(new_turn, thread, config)
        events = [Segment(turn=turn).started_frame()]
        if new_turn.kind is ThreadKind.CHAT:
            events.append(initial_thinking_step.start(new_turn.parts))
        stored = self.log.number(events, 0)
        turn = replace(turn, last_sequence=len(stored))
        message = Message(
            id=turn.user_message_id,
            thread_id=turn.thread_id,
            turn_id=turn.id,
            segment=0,
            role=MessageRole.USER,
            parts=list(new_turn.parts),
            create_time=turn.create_time,
            finish_time=turn.create_time,
        )
        new = turn_opening.NewTurnRows(
            turn=turn,
            lease=self.turn_engine.lease,
            user_message=message,
            agent_message=new_agent_message(turn, turn.create_time),
            frames=stored,
        )
        opened = OpenedTurn(
            parts=list(new_turn.parts),
            first=first,
            titled=thread.title_state is not TitleState.NONE,
        )
        return Segment(turn=turn, opened=opened), new


async def refuse_open_turn(connection: AsyncConnection, thread: Thread) -> None:
    turn = await turns.get_open(connection, thread.id)
    if turn is None:
        return
    name = convert.turn_name(turn.workspace_id, turn.thread_id, turn.id)
    if turn.state is TurnState.RUNNING:
        raise errors.TurnInProgress(name)
    waiting = [
        convert.approval_name(a.workspace_id, a.id)
        for a in await approvals.list_by_turn(connection, turn.id)
        if a.state is ApprovalState.PENDING
    ]
    raise errors.ApprovalsUndecided(name, waiting)
