"""The opening of a turn, which stores all of the turn or, when it is refused, nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.flows import initial_thinking_step, mentions
from chat_service.llm.config import ModelConfig
from chat_service.model_selection import auto_pin, llm_capability
from chat_service.model_selection.auto_pin import (
    AutoPin,
    Cooldowns,
    ModelChoice,
    ModelRequirements,
    has_budget,
)
from chat_service.model_selection.quota import Quota
from chat_service.persistence import approvals, images, threads, turn_start, turns
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
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.segment import OpenedTurn, Segment
from chat_service.turns.segment_frames import new_agent_message
from shared import errors, resources
from shared.clock import Clock

# What a task's threads and turns are to people, in the words of StateConflict.
TASK_STATE: Final = "READ_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """What a person, or a step of an automation, asks for."""

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
    request_id: str = ""
    kind: ThreadKind = field(default=ThreadKind.CHAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSegment:
    """A turn's first segment, and what is stored with it."""

    segment: Segment
    rows: turn_start.NewTurnRows

    @property
    def frames(self) -> list[bytes]:
        return list(self.rows.frames)


class NotPlain(Exception):
    """The turn needs a transaction; nothing is stored."""


class _NoConnection:
    """Raises NotPlain at every use."""

    def __getattr__(self, name: str) -> Any:
        raise NotPlain


class OpeningThread(Protocol):
    """The thread of a new turn as it was read, and how the turn is stored in it."""

    @property
    def connection(self) -> AsyncConnection: ...

    @property
    def thread(self) -> Thread: ...

    @property
    def is_known_empty(self) -> bool: ...

    @property
    def cooldowns(self) -> Cooldowns | None:
        """None: not read yet."""

    async def store(self, new_turn: NewTurn, choice: ModelChoice, opened: OpenedSegment) -> None:
        """Stores the turn, its messages, frames and images, and the thread's pin."""

    async def reserve_quota(self, choice: ModelChoice, opened: OpenedSegment) -> None:
        """Raises QuotaExceeded if the person's credit does not pay the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedThread:
    """A thread that the caller's transaction holds."""

    connection: AsyncConnection
    thread: Thread
    is_known_empty: bool
    quota: Quota
    now: datetime
    cooldowns: Cooldowns | None = None

    async def store(self, new_turn: NewTurn, choice: ModelChoice, opened: OpenedSegment) -> None:
        """Raises TurnInProgress or ApprovalsUndecided if the thread has an open turn."""
        if choice.pin != self.thread.model_config_id:
            await threads.pin_model(
                self.connection, self.thread.id, was=self.thread.model_config_id, now_is=choice.pin
            )
        while not await turn_start.insert(self.connection, opened.rows):
            # An open turn kept this one out. If it has ended since, nothing is raised: try again.
            await refuse_open_turn(self.connection, self.thread)
        await images.save(
            self.connection, new_turn.workspace, self.thread.id, new_turn.images, self.now
        )

    async def reserve_quota(self, choice: ModelChoice, opened: OpenedSegment) -> None:
        await self.quota.reserve(self.connection, opened.segment.turn, choice.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotThread:
    """A thread that one statement has read; another writes the turn if nothing changed between.

    It has no connection: whatever takes another query raises NotPlain.
    """

    start: turn_start.PlainTurnStart
    snapshot: turn_start.ThreadSnapshot
    build_request: Callable[[Turn], turn_start.TurnRequest]

    @property
    def connection(self) -> AsyncConnection:
        return cast(AsyncConnection, _NoConnection())

    @property
    def thread(self) -> Thread:
        return self.snapshot.thread

    @property
    def is_known_empty(self) -> bool:
        return self.snapshot.is_empty

    @property
    def cooldowns(self) -> Cooldowns:
        return self.snapshot.cooldowns

    async def store(self, new_turn: NewTurn, choice: ModelChoice, opened: OpenedSegment) -> None:
        if choice.config.premium:
            raise NotPlain
        inserted = await self.start.insert_if_unchanged(
            opened.rows,
            self.build_request(opened.segment.turn),
            pin_was=self.thread.model_config_id,
            pin=choice.pin,
            is_empty=self.is_known_empty,
        )
        if not inserted:
            raise NotPlain

    async def reserve_quota(self, choice: ModelChoice, opened: OpenedSegment) -> None:
        """Does nothing: no premium model gets here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOpener:
    """Opens turns: the steps, each of which a flow calls in its order."""

    clock: Clock
    log: FrameLog
    turn_engine: TurnEngine
    auto_pin: AutoPin
    quota: Quota
    plain_start: turn_start.PlainTurnStart

    async def read_thread(
        self,
        new_turn: NewTurn,
        build_request: Callable[[Turn], turn_start.TurnRequest],
    ) -> SnapshotThread:
        """Returns the turn's thread as one statement reads it.

        Raises NotPlain for a new thread, images, an open turn, and a thread that the person may
        not have: only a transaction refuses.
        """
        if new_turn.thread is None or new_turn.images:
            raise NotPlain
        snapshot = await self.plain_start.read_thread(
            workspace=new_turn.workspace,
            user=new_turn.user,
            thread=new_turn.thread,
            now=self.clock.now(),
        )
        if snapshot is None or snapshot.thread.open_turn is not None:
            raise NotPlain
        return SnapshotThread(
            start=self.plain_start, snapshot=snapshot, build_request=build_request
        )

    async def choose_model(self, opening: OpeningThread, new_turn: NewTurn) -> ModelChoice:
        """Returns the turn's model and the thread's new pin.

        Raises InvalidRequest for a model that is not configured, NoEligibleModel, QuotaExceeded,
        or ModelTextOnly if the message has images that the model can't read.
        """
        requirements = ModelRequirements(
            user=new_turn.user,
            images=llm_capability.has_images(new_turn.parts),
            tools=new_turn.task is None or bool(new_turn.task["tools"]),
            priced=has_budget(new_turn.task),
        )
        choice = await self.auto_pin.choose(
            opening.connection,
            opening.thread,
            new_turn.model_config_id,
            requirements,
            opening.cooldowns,
        )
        llm_capability.check_images(choice.config, new_turn.parts)
        return choice

    async def lock_or_create_thread(
        self, connection: AsyncConnection, new_turn: NewTurn
    ) -> LockedThread:
        """Returns the locked thread of the turn, or a new one if the turn names none.

        Raises ResourceNotFound, and TurnInProgress or ApprovalsUndecided if it has an open turn.
        """
        now = self.clock.now()
        if new_turn.thread is None:
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
            return LockedThread(
                connection=connection, thread=thread, is_known_empty=True, quota=self.quota, now=now
            )
        found = await threads.get(
            connection, new_turn.workspace, new_turn.thread, kind=new_turn.kind, lock=True
        )
        if found is None:
            if new_turn.kind is ThreadKind.CHAT:
                await refuse_task_thread(connection, new_turn.workspace, new_turn.thread)
            name = resources.THREAD.format(workspace=new_turn.workspace, thread=new_turn.thread)
            raise errors.ResourceNotFound(name)
        if found.open_turn is not None:
            await refuse_open_turn(connection, found)
        return LockedThread(
            connection=connection, thread=found, is_known_empty=False, quota=self.quota, now=now
        )

    def _build_turn(self, new_turn: NewTurn, thread: Thread, config: ModelConfig) -> Turn:
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
            # Messages for a person's own model go to no other model.
            model_auto=new_turn.model_config_id == auto_pin.AUTO and not config.is_custom,
            time_zone=new_turn.time_zone,
            time_zone_assumed=new_turn.time_zone_assumed,
            locale=new_turn.locale,
            disabled_tools=list(new_turn.disabled_tools),
            task=new_turn.task,
            request_id=new_turn.request_id,
            mentions=mentions.list_authorized(new_turn.parts),
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

    def build_segment(
        self, opening: OpeningThread, new_turn: NewTurn, choice: ModelChoice
    ) -> OpenedSegment:
        """Returns the turn with its first frames; stores nothing."""
        turn = self._build_turn(new_turn, opening.thread, choice.config)
        events = [Segment(turn=turn).started_frame()]
        if new_turn.kind is ThreadKind.CHAT:
            events.append(initial_thinking_step.start(new_turn.parts))
        frames = self.log.number(events, 0)
        turn = replace(turn, last_sequence=len(frames))
        message = Message(
            id=turn.asked_message_id,
            thread_id=turn.thread_id,
            turn_id=turn.id,
            segment=0,
            role=MessageRole.USER,
            parts=list(new_turn.parts),
            create_time=turn.create_time,
            finish_time=turn.create_time,
        )
        rows = turn_start.NewTurnRows(
            turn=turn,
            lease=self.turn_engine.lease,
            user_message=message,
            agent_message=new_agent_message(turn, turn.create_time),
            frames=frames,
        )
        opened_turn = OpenedTurn(
            parts=list(new_turn.parts),
            is_first_message=opening.is_known_empty,
            titled=opening.thread.title_state is not TitleState.NONE,
        )
        return OpenedSegment(segment=Segment(turn=turn, opened=opened_turn), rows=rows)


async def refuse_task_thread(connection: AsyncConnection, workspace: str, thread: UUID) -> None:
    """Raises StateConflict if the thread is that of a task, which people read and don't change."""
    if await threads.get(connection, workspace, thread, kind=ThreadKind.TASK) is not None:
        name = resources.THREAD.format(workspace=workspace, thread=thread)
        raise errors.StateConflict(name, TASK_STATE)


async def refuse_open_turn(connection: AsyncConnection, thread: Thread) -> None:
    """Raises TurnInProgress or ApprovalsUndecided if the thread has an open turn."""
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
