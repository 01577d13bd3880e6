"""The RPC methods of turns: send, resume, watch, cancel and read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.api.decisions import ApprovalDecider, parse_decisions
from chat_service.api.message_parts import needs_io, parse_parts
from chat_service.api.resource import ResourceServicer
from chat_service.flows import runtime_context
from chat_service.flows.new_chat import open_new_chat
from chat_service.flows.open_turn import (
    TASK_STATE,
    NewTurn,
    NotPlain,
    OpenedSegment,
    TurnOpener,
)
from chat_service.flows.user_message import UserMessageReader
from chat_service.persistence import approvals, threads, turn_start, turns
from chat_service.persistence.enums import ApprovalState, TurnState
from chat_service.persistence.turns import Turn
from chat_service.turns.burst import Burst
from chat_service.turns.engine import TurnEngine
from chat_service.turns.expiry import WaitingTurns
from chat_service.turns.frames.cursor import FrameCursor
from chat_service.turns.frames.watch import TurnWatcher
from shared import aip, errors, list_filter, resources
from shared.db import database
from shared.rpc.access import Role
from shared.rpc.idempotency import IdempotencyKey
from shared.security.caller import Caller
from shared.text.invisible_characters import name_fault

_NEW = "-"
_FILTER_FIELDS: Final = {"state": list_filter.state(TurnState), "create_time": list_filter.TIME}


@dataclass(frozen=True, kw_only=True)
class TurnServicer(ResourceServicer):
    opener: TurnOpener
    turn_engine: TurnEngine
    watcher: TurnWatcher
    waiting_turns: WaitingTurns
    decider: ApprovalDecider
    message_reader: UserMessageReader
    burst: Burst

    def SendMessage(self, request: pb.SendMessageRequest, context: Any) -> AsyncIterator[bytes]:
        self.burst.note()
        return self.watcher.watch(self._send_message(request))

    async def _send_message(self, request: pb.SendMessageRequest) -> FrameCursor:
        workspace = resources.THREAD.parse(request.name)["workspace"]
        who = self.access.identify(request.name)
        key = IdempotencyKey.of(request, rpc="SendMessage", workspace=workspace, user=who.user)
        return await self._open_turn(request, workspace, who, key)

    async def _open_turn(
        self, request: pb.SendMessageRequest, workspace: str, who: Caller, key: IdempotencyKey
    ) -> FrameCursor:
        """Returns the start of the turn that the request opens, or opened before."""
        others = needs_io(request.message)
        plain = bool(
            key.request_id and not others and self.access.is_recorded(who, workspace, "editor")
        )
        if not plain:
            await self.access.admit(request.name, "editor")
            # A repeat of a request fetches and checks nothing again.
            if others and (made := await self.idempotency.look_up(key)) is not None:
                return FrameCursor.from_json(made)
        new_turn = await self._new_turn(request, workspace, who)

        async def start_plain() -> FrameCursor | None:
            opened = await self._open_plain(new_turn, key)
            if opened is None:
                return None
            self.access.record_grant(request.name, "editor")
            self.turn_engine.start(opened.segment, opened.frames)
            return _start_of(opened.segment.turn)

        async def start() -> FrameCursor:
            cursor, opened = await self._open(new_turn, key)
            if opened is not None:
                self.turn_engine.start(opened.segment, opened.frames)
            return cursor

        background = self.turn_engine.background
        if plain:
            if (cursor := await background.run(start_plain())) is not None:
                return cursor
            await self.access.admit(request.name, "editor")
        return await background.run_limited(start)

    async def _new_turn(
        self, request: pb.SendMessageRequest, workspace: str, who: Caller
    ) -> NewTurn:
        thread = resources.THREAD.parse(request.name)["thread"]
        zone, assumed = runtime_context.resolve_time_zone(request.time_zone, who.zone)
        thread_id = None if thread == _NEW else resources.parse_uuid(thread, request.name)
        taken = await self.message_reader.read(parse_parts(request.message), workspace, who.user)
        return NewTurn(
            workspace=workspace,
            user=who.user,
            thread=thread_id,
            parts=taken.parts,
            images=taken.images,
            model_config_id=request.model_config_id,
            time_zone=zone,
            time_zone_assumed=assumed,
            locale=_locale(request.locale),
            disabled_tools=list(request.disabled_tools),
            request_id=request.request_id,
        )

    async def _open_plain(self, new_turn: NewTurn, key: IdempotencyKey) -> OpenedSegment | None:
        """Opens the turn in two statements. Returns None, and stores nothing, if it takes more."""

        def request_of(turn: Turn) -> turn_start.TurnRequest:
            return turn_start.TurnRequest(
                rpc=key.rpc,
                user=key.user,
                request_id=key.request_id,
                body_hash=key.body_hash,
                resource=_start_of(turn).to_json(),
            )

        try:
            opening = await self.opener.read_thread(new_turn, request_of)
            return await open_new_chat(self.opener, opening, new_turn)
        except (NotPlain, errors.RotaError):
            return None

    async def _open(
        self, new_turn: NewTurn, key: IdempotencyKey
    ) -> tuple[FrameCursor, OpenedSegment | None]:
        """Opens the turn in a transaction. Returns its start, and None if it was open before.

        Raises the refusal.
        """
        opened: list[OpenedSegment] = []

        async def make() -> str:
            opening = await self.opener.lock_or_create_thread(connection, new_turn)
            opened.append(await open_new_chat(self.opener, opening, new_turn))
            return _start_of(opened[0].segment.turn).to_json()

        async with database.transaction(self.db) as connection:
            made, _ = await self.idempotency.run(connection, key, make)
        return FrameCursor.from_json(made), next(iter(opened), None)

    def ResumeTurn(self, request: pb.ResumeTurnRequest, context: Any) -> AsyncIterator[bytes]:
        return self.watcher.watch(self._resume_turn(request))

    async def _resume_turn(self, request: pb.ResumeTurnRequest) -> FrameCursor:
        workspace, turn = await self._find_chat_turn(request.name)
        who = await self.access.admit(request.name, "editor")
        key = IdempotencyKey.of(request, rpc="ResumeTurn", workspace=workspace, user=who.user)
        decisions = parse_decisions(request.decisions, workspace, "decisions")
        return await self.decider.decide(turn, decisions, by=who.user, key=key, whole=True)

    def WatchTurn(self, request: pb.WatchTurnRequest, context: Any) -> AsyncIterator[bytes]:
        return self.watcher.watch(self._find_cursor(request))

    async def _find_cursor(self, request: pb.WatchTurnRequest) -> FrameCursor:
        _, turn = await self._find_turn(request.name, "viewer")
        if request.after_sequence > turn.last_sequence:
            raise errors.invalid("after_sequence", f"the last frame is {turn.last_sequence}")
        return FrameCursor(turn=turn.id, sequence=request.after_sequence)

    async def GetTurn(self, request: pb.GetTurnRequest, context: Any) -> pb.Turn:
        _, turn = await self._find_turn(request.name, "viewer")
        async with self.db.connect() as connection:
            return await self._read_turn(connection, turn.id)

    async def ListTurns(self, request: pb.ListTurnsRequest, context: Any) -> pb.ListTurnsResponse:
        parts = resources.THREAD.parse(request.parent)
        await self.access.admit(request.parent, "viewer")
        thread = resources.parse_uuid(parts["thread"], request.parent)
        wanted = list_filter.parse(request.filter, _FILTER_FIELDS)
        page = self.pages.read(request)
        async with self.db.connect() as connection:
            if await threads.get_any(connection, parts["workspace"], thread) is None:
                raise errors.ResourceNotFound(request.parent)
            rows = await turns.list_newest(
                connection,
                thread,
                size=page.size + 1,
                before=page.after_id(),
                filter_=wanted,
            )
            held = {row.id: await approvals.list_by_turn(connection, row.id) for row in rows}
        shown, token = aip.fill_page(
            page, rows, lambda row: convert.turn(row, held[row.id]), lambda row: (row.id,)
        )
        return pb.ListTurnsResponse(turns=shown, next_page_token=token)

    async def CancelTurn(self, request: pb.CancelTurnRequest, context: Any) -> pb.Turn:
        """Returns the turn after its owner has stopped it."""
        workspace, turn = await self._find_chat_turn(request.name)
        who = await self.access.admit(request.name, "editor")
        key = IdempotencyKey.of(request, rpc="CancelTurn", workspace=workspace, user=who.user)

        async def make() -> str:
            row = await turns.get(connection, turn.id, lock=True)
            if row is None:  # its thread was deleted meanwhile
                raise errors.ResourceNotFound(request.name)
            if row.state is TurnState.AWAITING_APPROVAL:
                await self.waiting_turns.end(connection, row, ApprovalState.CANCELLED)
            elif row.state is TurnState.RUNNING:
                await turns.update(connection, row.id, self.clock.now(), cancel_requested=True)
            else:
                raise errors.StateConflict(request.name, row.state.upper())
            return str(turn.id)

        async with database.transaction(self.db) as connection:
            await self.idempotency.run(connection, key, make)
        self.turn_engine.cancel(turn.id)
        await self.waiting_turns.delete_if_finished(turn.id)
        async for _ in self.watcher.watch(FrameCursor(turn=turn.id, sequence=turn.last_sequence)):
            pass
        async with self.db.connect() as connection:
            return await self._read_turn(connection, turn.id)

    async def _read_turn(self, connection: AsyncConnection, turn: UUID) -> pb.Turn:
        row = await turns.get(connection, turn)
        if row is None:
            raise errors.ResourceNotFound(str(turn))
        return convert.turn(row, await approvals.list_by_turn(connection, turn))

    async def _find_chat_turn(self, name: str) -> tuple[str, Turn]:
        """Finds a turn that the caller may change. Raises StateConflict for a task's."""
        workspace, turn = await self._find_turn(name, "editor")
        if turn.task is not None:
            raise errors.StateConflict(name, TASK_STATE)
        return workspace, turn

    async def _find_turn(self, name: str, role: Role) -> tuple[str, Turn]:
        """Finds a turn of a chat or of a run's step, for a caller with the role."""
        parts = resources.TURN.parse(name)
        workspace = parts["workspace"]
        await self.access.admit(name, role)
        async with self.db.connect() as connection:
            turn = await turns.get(
                connection,
                resources.parse_uuid(parts["turn"], name),
                workspace=workspace,
                thread=resources.parse_uuid(parts["thread"], name),
            )
        if turn is None:
            raise errors.ResourceNotFound(name)
        return workspace, turn


def _locale(given: str) -> str:
    if fault := name_fault(given):
        raise errors.invalid("locale", fault, errors.FieldReason.INVISIBLE_CHARACTER)
    return given


def _start_of(turn: Turn) -> FrameCursor:
    return FrameCursor(turn=turn.id, sequence=0)
