"""AgentService: unattended tasks of automation_service, which are turns on internal threads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from google.protobuf import json_format
from google.rpc import status_pb2
from rota.agent.v1 import agent_pb2 as pb
from rota.chat.v1 import chat_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.agent.structured_output import find_output
from chat_service.api.run_results import RunResultServicer
from chat_service.flows import runtime_context
from chat_service.flows.agent_task import open_agent_task
from chat_service.flows.open_turn import NewTurn, OpenedSegment, TurnOpener
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.persistence import approvals, messages, turns
from chat_service.persistence.enums import ThreadKind, TurnState
from chat_service.persistence.turns import Turn
from chat_service.turns.engine import TurnEngine
from chat_service.turns.frames.cursor import FrameCursor
from chat_service.turns.frames.watch import OPEN, TERMINAL, TurnWatcher
from shared import errors, resources
from shared.db import database
from shared.json import canonical_json
from shared.registries.catalogue import Catalogue
from shared.rpc import status
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.rpc.messages import struct
from shared.rpc.messages.timestamps import to_timestamp
from shared.validation.check_runner import CheckRunner

# How long CancelTask waits for the end of a task, to tell what it used.
CANCEL_SECONDS: Final = 5.0
# The stored result of a request that was cancelled before it arrived.
_CANCELLED_BEFORE: Final = "never"
_RPC: Final = "RunTask"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServicer(RunResultServicer):
    """Every RPC of AgentService."""

    idempotency: Idempotency
    opener: TurnOpener
    turn_engine: TurnEngine
    watcher: TurnWatcher
    model_loader: ModelLoader
    catalogue: Callable[[], Catalogue]
    checks: CheckRunner

    async def RunTask(
        self, request: pb.RunTaskRequest, context: Any
    ) -> AsyncIterator[pb.TaskEvent]:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        who = await self.access.admit(request.workspace, "editor")
        if request.on_behalf_of != resources.name_user(who.user):
            raise errors.invalid("on_behalf_of", "is not the user of the service token")
        key = IdempotencyKey.of(request, rpc=_RPC, workspace=workspace, user=who.user)
        # A repeat of a request is not checked again, since its model may be gone by now.
        made = await self.idempotency.look_up(key)
        if made is None:
            new_turn = await self._new_turn(request, workspace, who.user)
            made = await self.turn_engine.background.run(self._open_turn(new_turn, key))
        if made == _CANCELLED_BEFORE:
            yield pb.TaskEvent(
                sequence=1, result=_failed(errors.Cancelled("the task was cancelled"))
            )
            return
        async for event in self._watch_turn(UUID(made)):
            yield event

    async def _open_turn(self, new_turn: NewTurn, key: IdempotencyKey) -> str:
        opened: list[OpenedSegment] = []

        async def make() -> str:
            opened.append(await open_agent_task(self.opener, connection, new_turn))
            return str(opened[0].segment.turn.id)

        async with database.transaction(self.db) as connection:
            made, _ = await self.idempotency.run(connection, key, make)
        for one in opened:
            self.turn_engine.start(one.segment, one.frames)
        return made

    async def CancelTask(
        self, request: pb.CancelTaskRequest, context: Any
    ) -> pb.CancelTaskResponse:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        # What it stops and tells of is the user's own, so it also serves one who lost access.
        who = self.access.identify(request.workspace)
        may_begin = False
        with contextlib.suppress(errors.ResourceNotFound, errors.PermissionDenied):
            await self.access.admit(request.workspace, "editor")
            may_begin = True
        key = IdempotencyKey.of(request, rpc=_RPC, workspace=workspace, user=who.user)
        async with database.transaction(self.db) as connection:
            turn = await self._find_turn(connection, replace(key, body_hash=b""), bar=may_begin)
            if turn is not None and turn.state is TurnState.RUNNING:
                await turns.update(connection, turn.id, self.clock.now(), cancel_requested=True)
        if turn is None:
            return pb.CancelTaskResponse(usage=pb.TaskUsage())
        self.turn_engine.cancel(turn.id)
        return pb.CancelTaskResponse(usage=await self._wait_for_usage(turn))

    async def _wait_for_usage(self, turn: Turn) -> pb.TaskUsage | None:
        """What a turn used, when it ends within CANCEL_SECONDS."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                cursor = FrameCursor(turn=turn.id, sequence=turn.last_sequence)
                async for _ in self.watcher.watch(cursor):
                    pass
        async with self.db.connect() as connection:
            ended = await turns.get(connection, turn.id)
        return None if ended is None or ended.state in OPEN else _usage(ended.usage)

    async def ListCapabilities(
        self, request: pb.ListCapabilitiesRequest, context: Any
    ) -> pb.ListCapabilitiesResponse:
        return list_capabilities(request, self.catalogue())

    async def CheckModels(
        self, request: pb.CheckModelsRequest, context: Any
    ) -> pb.CheckModelsResponse:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        who = await self.access.admit(request.workspace, "editor")
        missing = []
        for name in request.models:
            try:
                await self.model_loader.find_id(name, workspace=workspace, user=who.user)
            except errors.ModelGone:
                missing.append(name)
        return pb.CheckModelsResponse(missing=missing)

    async def CheckApprovals(
        self, request: pb.CheckApprovalsRequest, context: Any
    ) -> pb.CheckApprovalsResponse:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        await self.access.admit(request.workspace, "viewer")
        ids = {name: _approval_id(name, workspace) for name in request.approvals}
        async with self.db.connect() as connection:
            pending = await approvals.find_pending(
                connection, workspace, list(ids.values()), self.clock.now()
            )
        return pb.CheckApprovalsResponse(
            pending=[name for name, approval in ids.items() if approval in pending]
        )

    async def _watch_turn(self, turn_id: UUID) -> AsyncIterator[pb.TaskEvent]:
        """Converts the turn's frames to events. The same frames always give the same events."""
        sequence = 0
        async with self.db.connect() as connection:
            turn = await turns.get(connection, turn_id)
        if turn is None:
            raise errors.ResourceNotFound(str(turn_id))
        if not turn.frames_kept:
            yield await self._read_result(turn)
            return
        async for stored in self.watcher.watch(FrameCursor(turn=turn_id, sequence=0)):
            frame = chat_pb2.TurnEvent.FromString(stored)
            event = await self._task_event(turn, frame)
            if event is None:
                continue
            if event.WhichOneof("event") != "heartbeat":
                sequence += 1
            event.sequence = sequence
            event.create_time.CopyFrom(frame.create_time)
            yield event

    async def _read_result(self, turn: Turn) -> pb.TaskEvent:
        """Returns the result of a task whose frames are deleted."""
        async with self.db.connect() as connection:
            said = await messages.list_by_turn(connection, turn.id)
        answer = next(m for m in said if m.id == turn.agent_message_id)
        frame = chat_pb2.TurnEvent(cancelled=chat_pb2.TurnCancelled())
        if turn.error is not None:
            error = status_pb2.Status.FromString(turn.error)
            frame = chat_pb2.TurnEvent(failed=chat_pb2.TurnFailed(status=error))
        elif turn.state is TurnState.SUCCEEDED:
            shown = convert.message(answer, turn.workspace_id)
            frame = chat_pb2.TurnEvent(completed=chat_pb2.TurnCompleted(message=shown))
        return pb.TaskEvent(
            sequence=turn.last_sequence,
            create_time=to_timestamp(turn.end_time),
            result=await self._task_result(turn, frame),
        )

    async def _task_event(self, turn: Turn, frame: chat_pb2.TurnEvent) -> pb.TaskEvent | None:
        match frame.WhichOneof("event"):
            case "started":
                return pb.TaskEvent(started=pb.TaskStarted(session_id=str(turn.thread_id)))
            case "tool_call_started":
                title = f"Calling {frame.tool_call_started.tool}"[:200]
                return pb.TaskEvent(progress=pb.TaskProgress(title=title))
            case "heartbeat":
                return pb.TaskEvent(heartbeat=pb.TaskHeartbeat())
            case kind if kind in TERMINAL:
                return pb.TaskEvent(result=await self._task_result(turn, frame))
            case _:
                return None

    async def _task_result(self, turn: Turn, frame: chat_pb2.TurnEvent) -> pb.TaskResult:
        match frame.WhichOneof("event"):
            case "completed":
                result = await _answer(self.checks, turn, frame.completed.message)
            case "failed":
                result = pb.TaskResult(error=frame.failed.status)
            case _:
                result = _failed(errors.Cancelled("the task was cancelled"))
        async with self.db.connect() as connection:
            ended = await turns.get(connection, turn.id)
        used = ended.usage if ended is not None else {}
        result.usage.CopyFrom(_usage(used))
        result.session_id = str(turn.thread_id)
        return result

    async def _find_turn(
        self, connection: AsyncConnection, key: IdempotencyKey, *, bar: bool
    ) -> Turn | None:
        """Returns the task's turn. With `bar` a task that has not begun never begins."""
        made = await self.idempotency.find(connection, key)
        if made is None and bar:
            await self.idempotency.store(connection, key, _CANCELLED_BEFORE)
        if made is None or made == _CANCELLED_BEFORE:
            return None
        return await turns.get(connection, UUID(made), lock=True)

    async def _read_schema(
        self, request: pb.RunTaskRequest, workspace: str
    ) -> dict[str, Any] | None:
        """Returns the schema of the answer. Raises InvalidRequest."""
        if not request.HasField("output_schema"):
            return None
        schema: dict[str, Any] = struct.read_json(request.output_schema, "output_schema")
        if problem := await self.checks.find_problem(schema, workspace=workspace):
            raise errors.invalid("output_schema", problem, errors.FieldReason.INVALID_SCHEMA)
        return schema

    async def _new_turn(self, request: pb.RunTaskRequest, workspace: str, user: str) -> NewTurn:
        task: dict[str, Any] = {
            "tools": list(request.tools),
            "output_schema": await self._read_schema(request, workspace),
            "budget_micros": request.budget_micros,
            "auto_approve": request.auto_approve,
        }
        zone, _ = runtime_context.resolve_time_zone(request.time_zone, "UTC")
        model = 0
        if request.model:
            model = await self.model_loader.find_id(request.model, workspace=workspace, user=user)
        return NewTurn(
            workspace=workspace,
            user=user,
            thread=_session(request),
            parts=[{"text": request.prompt}],
            model_config_id=model,
            time_zone=zone,
            time_zone_assumed=False,
            task=task,
            request_id=request.request_id,
            kind=ThreadKind.TASK,
        )


def _session(request: pb.RunTaskRequest) -> UUID | None:
    return resources.parse_uuid(request.session_id, "session_id") if request.session_id else None


def _approval_id(name: str, workspace: str) -> UUID:
    parts = resources.APPROVAL.parse(name)
    if parts["workspace"] != workspace:
        raise errors.ResourceNotFound(name)
    return resources.parse_uuid(parts["approval"], name)


def list_capabilities(
    request: pb.ListCapabilitiesRequest, catalogue: Catalogue
) -> pb.ListCapabilitiesResponse:
    entries = [
        {
            "id": entry.id,
            "description": entry.description,
            "input_schema": dict(entry.input_schema),
            "output_schema": dict(entry.output_schema),
        }
        for _, entry in sorted((catalogue.capabilities or {}).items())
    ]
    models = [
        {"names": list(model.names), "priced": model.priced, "auto": model.auto}
        for model in catalogue.models or ()
    ]
    version = canonical_json.digest([entries, models])
    if request.known_version == version:
        return pb.ListCapabilitiesResponse(catalogue_version=version, unchanged=True)
    return pb.ListCapabilitiesResponse(
        capabilities=[json_format.ParseDict(e, pb.Capability()) for e in entries],
        catalogue_version=version,
        models=[json_format.ParseDict(model, pb.TaskModel()) for model in models],
    )


async def _answer(checks: CheckRunner, turn: Turn, message: chat_pb2.Message) -> pb.TaskResult:
    # The parts before the last tool call are not the answer.
    text = message.parts[-1].text if message.parts else ""
    assert turn.task is not None
    schema = turn.task["output_schema"]
    if not text:
        return _failed(errors.ModelUnavailable("the model gave no answer"))
    if schema is None:
        return pb.TaskResult(text=text)
    found = await find_output(checks, text, schema, workspace=turn.workspace_id)
    if isinstance(found, list):
        unfit = errors.ModelUnavailable("the model's answer does not satisfy the output schema")
        return _failed(unfit)
    return pb.TaskResult(text=text, output=struct.to_struct(found))


def _failed(error: errors.RotaError) -> pb.TaskResult:
    return pb.TaskResult(error=status.to_status(error))


def _usage(stored: Mapping[str, Any]) -> pb.TaskUsage:
    counts = {k: int(v) for k, v in stored.items() if k not in ("by_model", "estimated")}
    return pb.TaskUsage(**counts)
