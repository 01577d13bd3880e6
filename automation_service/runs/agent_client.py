"""The client of chat_service's agent: tasks that survive lost connections, and capabilities."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NoReturn

import grpc
from rota.agent.v1 import agent_pb2 as pb
from rota.agent.v1 import agent_pb2_grpc
from rota.chat.v1 import chat_pb2

from automation_service.automations.capability_cache import PEER, CapabilityList
from shared import errors, resources
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from shared.registries.capabilities.types import Capability
from shared.registries.catalogue import TaskModel
from shared.retry import RetryPolicy, exponential
from shared.rpc import status
from shared.rpc.client import DelegatedCredentials
from shared.rpc.messages import struct
from shared.telemetry import logs

# A stream without events and heartbeats for this long has lost its connection.
STREAM_TIMEOUT_SECONDS: Final = 60.0
CALL_TIMEOUT_SECONDS: Final = 5.0
RECONNECT: Final = RetryPolicy(interval=exponential(0.2, 3.0))
# A person waits for these calls; a restart of the only replica takes seconds.
CALL: Final = RetryPolicy(interval=exponential(0.1, 1.0), maximum_total_wait=2.0)
# As many names as a call may ask for.
MAX_NAMES: Final = 200
# As AgentService takes it.
_THREAD: Final = re.compile("workspaces/[^/]{1,63}/threads/[^/]{1,63}")
_LOST: Final = (errors.Code.UNAVAILABLE, errors.Code.DEADLINE_EXCEEDED)
_FAULTS: Final = (grpc.aio.AioRpcError, TimeoutError)

_FORMATS: Final = {
    "markdown": chat_pb2.RunResult.MARKDOWN,
    "text": chat_pb2.RunResult.TEXT,
    "json": chat_pb2.RunResult.JSON,
}

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadResult:
    """A result for a thread. `delivery` is the name of the delivery."""

    delivery: str
    automation_display_name: str
    subject: str
    body: str
    format: Literal["markdown", "text", "json"]


class TaskFailed(errors.RotaError):
    """A task ended in an error. `usage` is what it used until then."""

    usage: Usage = Usage()
    session_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClient:
    """A TaskAgent over gRPC: the same request_id never starts a second task.

    While chat_service can't be reached it tries again: a task as long as it is let, other calls
    for some seconds.
    """

    channel: grpc.aio.Channel
    credentials: DelegatedCredentials
    retry: RetryPolicy = RECONNECT
    call_retry: RetryPolicy = CALL

    async def run_task(self, request: AgentTask) -> AgentResult:
        async def attached() -> AgentResult:
            try:
                return await self._attach(request)
            except _FAULTS as error:
                if _is_lost(error):
                    log.warning("task_connection_lost", request_id=request.request_id)
                raise

        try:
            return await self.retry.call(attached, transient=_is_lost)
        except _FAULTS as error:
            refusal = _to_error(error)
            lost = _access_lost(request.workspace, request.on_behalf_of, refusal)
            raise lost or refusal from error

    async def cancel_task(self, request: AgentTask) -> Usage | None:
        """Asks chat_service to stop a task. Returns what it used; None when that is not known.

        Logs a failure, and raises nothing.
        """
        message = pb.CancelTaskRequest(workspace=_workspace(request), request_id=request.request_id)
        metadata = await self._metadata(request)
        try:
            answer = await self._repeat(lambda: self._call("CancelTask", message, metadata))
        except errors.RotaError as error:
            log.warning("task_not_cancelled", code=error.code.name)
            return None
        return _usage(answer.usage) if answer.HasField("usage") else None

    async def capabilities(self, known_version: str) -> CapabilityList | None:
        """Returns the catalogue, or None when `known_version` is current."""
        answer: pb.ListCapabilitiesResponse = await self._call(
            "ListCapabilities",
            pb.ListCapabilitiesRequest(known_version=known_version),
            await self.credentials.metadata(),
        )
        if answer.unchanged:
            return None
        return CapabilityList(
            version=answer.catalogue_version,
            entries={found.id: _capability(found) for found in answer.capabilities},
            # An older chat_service tells none, and is never without one.
            models=[
                TaskModel(names=tuple(found.names), priced=found.priced, auto=found.auto)
                for found in answer.models
            ]
            or None,
        )

    async def find_missing_models(
        self, models: Sequence[str], *, workspace: str, user: str
    ) -> Sequence[str]:
        """Returns those that the user can't name. Raises PeerUnavailable."""
        name = resources.WORKSPACE.format(workspace=workspace)
        message = pb.CheckModelsRequest(workspace=name, models=models)
        metadata = await self.credentials.metadata(user=user, workspace=workspace)
        answer: pb.CheckModelsResponse = await self._repeat(
            lambda: self._call("CheckModels", message, metadata)
        )
        return list(answer.missing)

    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str:
        """Adds a result to a thread, once for each delivery. Returns the name of the message.

        Raises ResourceNotFound for a thread that is gone, CreatorAccessLost for a user who may not
        write to it any more, and PeerUnavailable.
        """
        if not _THREAD.fullmatch(thread):
            raise errors.ResourceNotFound(thread)
        message = pb.AddResultRequest(
            workspace=resources.WORKSPACE.format(workspace=workspace),
            thread=thread,
            delivery=result.delivery,
            automation_display_name=result.automation_display_name,
            subject=result.subject,
            body=result.body,
            format=_FORMATS[result.format],
        )
        answer = await self._call_for_threads("AddResult", message, workspace, user)
        return str(answer.message)

    async def find_closed_threads(
        self, threads: Sequence[str], *, workspace: str, user: str
    ) -> Sequence[str]:
        """Returns those that the user can't add a result to.

        Raises CreatorAccessLost for a user who may not write to the workspace any more, and
        PeerUnavailable.
        """
        name = resources.WORKSPACE.format(workspace=workspace)
        closed = {thread for thread in threads if not _THREAD.fullmatch(thread)}
        for part in _split([thread for thread in threads if thread not in closed]):
            message = pb.CheckThreadsRequest(workspace=name, threads=part)
            answer = await self._call_for_threads("CheckThreads", message, workspace, user)
            closed.update(answer.closed)
        return [thread for thread in threads if thread in closed]

    async def _call_for_threads(self, rpc: str, message: Any, workspace: str, user: str) -> Any:
        metadata = await self.credentials.metadata(user=user, workspace=workspace)
        try:
            return await self._repeat(lambda: self._call(rpc, message, metadata))
        except errors.RotaError as refusal:
            if refusal.code is errors.Code.UNIMPLEMENTED:  # an older chat_service
                raise errors.PeerUnavailable(PEER) from refusal
            raise _access_lost(workspace, user, refusal) or refusal from None

    async def find_pending(
        self, approvals: Sequence[str], *, workspace: str, user: str
    ) -> Set[str]:
        """Returns those that wait for a decision; none for a user without access.

        Raises PeerUnavailable.
        """
        name = resources.WORKSPACE.format(workspace=workspace)
        metadata = await self.credentials.metadata(user=user, workspace=workspace)
        pending: set[str] = set()
        for part in _split(approvals):
            message = pb.CheckApprovalsRequest(workspace=name, approvals=part)
            try:
                answer = await self._repeat(
                    partial(self._call, "CheckApprovals", message, metadata)
                )
            except errors.RotaError as refusal:
                if refusal.code in (errors.Code.NOT_FOUND, errors.Code.PERMISSION_DENIED):
                    return frozenset()
                if refusal.code is errors.Code.UNIMPLEMENTED:  # an older chat_service
                    raise errors.PeerUnavailable(PEER) from refusal
                raise
            pending.update(answer.pending)
        return pending

    async def _call(self, rpc: str, message: Any, metadata: Sequence[tuple[str, str]]) -> Any:
        try:
            return await getattr(self._stub(), rpc)(
                message, metadata=metadata, timeout=CALL_TIMEOUT_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise status.from_call(error, peer=PEER) from error

    async def _repeat(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeats a call while there is no connection. One that hangs is not repeated."""
        return await self.call_retry.call(call, transient=_has_no_connection)

    async def _attach(self, request: AgentTask) -> AgentResult:
        call = self._stub().RunTask(
            _message(request), metadata=await self._metadata(request), wait_for_ready=False
        )
        attached = False
        try:
            async for event in _frames(call):
                attached = True
                match event.WhichOneof("event"):
                    case "started" if request.session_started is not None:
                        await request.session_started(event.started.session_id)
                    case "progress" if request.progress is not None:
                        await request.progress(event.sequence, event.progress.title)
                    case "result":
                        return _result(event.result, request)
        except grpc.aio.AioRpcError as error:
            if attached and error.code() is grpc.StatusCode.UNAUTHENTICATED:
                raise TimeoutError("the token of the stream expired") from error
            raise
        finally:
            call.cancel()
        raise TimeoutError("the stream ended without a result")

    def _stub(self) -> Any:
        return agent_pb2_grpc.AgentServiceStub(self.channel)

    async def _metadata(self, request: AgentTask) -> list[tuple[str, str]]:
        return await self.credentials.metadata(
            user=request.on_behalf_of, workspace=request.workspace
        )


def _split(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields the names without repeats, as many at a time as a call may ask for."""
    once = list(dict.fromkeys(names))
    for first in range(0, len(once), MAX_NAMES):
        yield once[first : first + MAX_NAMES]


def _has_no_connection(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(error, errors.PeerUnavailable) and (
        isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNAVAILABLE
    )


async def _frames(call: Any) -> AsyncIterator[pb.TaskEvent]:
    while True:
        async with asyncio.timeout(STREAM_TIMEOUT_SECONDS):
            event = await call.read()
        if event == grpc.aio.EOF:
            return
        yield event


def _message(request: AgentTask) -> pb.RunTaskRequest:
    return pb.RunTaskRequest(
        request_id=request.request_id,
        workspace=_workspace(request),
        prompt=request.prompt,
        tools=request.tools,
        model=request.model,
        output_schema=(
            None if request.output_schema is None else struct.to_struct(request.output_schema)
        ),
        budget_micros=request.budget_micros,
        auto_approve=request.auto_approve,
        time_zone=request.time_zone,
        on_behalf_of=resources.USER.format(user=request.on_behalf_of),
    )


def _result(result: pb.TaskResult, request: AgentTask) -> AgentResult:
    usage = _usage(result.usage)
    if result.HasField("error"):
        _fail(status.from_status(result.error), usage, result.session_id)
    return AgentResult(
        session_id=result.session_id,
        text=result.text,
        output=None if request.output_schema is None else struct.to_json(result.output),
        usage=usage,
    )


def _usage(told: pb.TaskUsage) -> Usage:
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cached_tokens=told.cached_tokens,
        cost_micros=told.cost_micros,
        model_calls=told.model_calls,
    )


def _fail(error: errors.RotaError, usage: Usage, session_id: str) -> NoReturn:
    failed = TaskFailed(
        error.message,
        code=error.code,
        reason=error.reason,
        metadata=error.metadata,
        violations=error.violations,
        retry_after=error.retry_after,
    )
    failed.usage, failed.session_id = usage, session_id
    raise failed


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, _FAULTS) and _to_error(error).code in _LOST


def _to_error(error: grpc.aio.AioRpcError | TimeoutError) -> errors.RotaError:
    if isinstance(error, TimeoutError):
        return errors.PeerUnavailable(PEER)
    return status.from_call(error, peer=PEER)


def _access_lost(
    workspace: str, user: str, refusal: errors.RotaError
) -> errors.CreatorAccessLost | None:
    """Returns what a refusal of the user means for a run; None for any other refusal."""
    has = {key: refusal.metadata[key] for key in ("role",) if key in refusal.metadata}
    name = resources.WORKSPACE.format(workspace=workspace)
    if not has and refusal.metadata.get("resource") != name:
        return None
    return errors.CreatorAccessLost(
        "the user of the task may no longer act in the workspace", metadata={"user": user, **has}
    )


def _capability(found: pb.Capability) -> Capability:
    return Capability(
        id=found.id,
        description=found.description,
        input_schema=struct.to_json(found.input_schema),
        output_schema=struct.to_json(found.output_schema),
    )


def _workspace(request: AgentTask) -> str:
    return resources.WORKSPACE.format(workspace=request.workspace)
