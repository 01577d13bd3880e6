"""chat_service's AgentService on a socket, with a fake agent behind it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_status import rpc_status
from rota.agent.v1 import agent_pb2 as pb
from rota.agent.v1 import agent_pb2_grpc

from shared import errors
from shared.registries.actions.types import AgentTask
from shared.rpc import status
from shared.rpc.messages.struct import to_struct
from shared.security.caller import Caller, Verifier, read_key_set
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent


@dataclass
class AgentServicer(agent_pb2_grpc.AgentServiceServicer):
    """`unavailable` calls to RunTask are refused first."""

    agent: FakeAgent
    verifier: Verifier
    server: Any
    unavailable: int = 0
    callers: list[Caller] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    refusal: errors.RotaError | None = None  # of the calls about threads

    async def RunTask(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self._admit(context)
        self.requests.append(request)
        if self.unavailable:
            self.unavailable -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        yield pb.TaskEvent(sequence=1, started=pb.TaskStarted(session_id="session-1"))
        yield pb.TaskEvent(sequence=1, heartbeat=pb.TaskHeartbeat())
        for position, title in enumerate(self.progress, start=2):
            yield pb.TaskEvent(sequence=position, progress=pb.TaskProgress(title=title))
        last = len(self.progress) + 2
        yield pb.TaskEvent(sequence=last, result=await self._result(request))

    async def CancelTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._admit(context)
        used = await self.agent.cancel_task(self._task(request.request_id))
        usage = None if used is None else pb.TaskUsage(cost_micros=used.cost_micros)
        return pb.CancelTaskResponse(usage=usage)

    async def ListCapabilities(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._admit(context)
        if request.known_version == "7":
            return pb.ListCapabilitiesResponse(unchanged=True, catalogue_version="7")
        schema = to_struct({"type": "object", "maximum": 3})
        return pb.ListCapabilitiesResponse(
            catalogue_version="7",
            capabilities=[
                pb.Capability(
                    id="fetch_url",
                    description="Fetches.",
                    input_schema=schema,
                    output_schema=schema,
                )
            ],
        )

    async def AddResult(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse_or_note(request, context)
        return pb.AddResultResponse(message=f"{request.thread}/messages/m")

    async def CheckThreads(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse_or_note(request, context)
        return pb.CheckThreadsResponse(closed=request.threads[1:])

    async def CheckApprovals(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse_or_note(request, context)
        return pb.CheckApprovalsResponse(pending=request.approvals[1:])

    async def _refuse_or_note(self, request: Any, context: Any) -> None:
        self._admit(context)
        self.requests.append(request)
        if self.unavailable:
            self.unavailable -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        if self.refusal is not None:
            await context.abort_with_status(rpc_status.to_status(status.to_status(self.refusal)))

    def _admit(self, context: Any) -> None:
        headers = dict(context.invocation_metadata())
        self.callers.append(self.verifier.verify(headers["authorization"]))

    async def _result(self, request: Any) -> Any:
        task = self._task(request.request_id, request.prompt)
        try:
            result = await self.agent.run_task(task)
        except errors.RotaError as error:
            usage = pb.TaskUsage(input_tokens=3, cost_micros=40)
            return pb.TaskResult(session_id="session-1", usage=usage, error=status.to_status(error))
        output = None if result.output is None else to_struct(result.output)
        usage = pb.TaskUsage(input_tokens=10, cost_micros=result.usage.cost_micros)
        return pb.TaskResult(
            session_id=result.session_id, text=result.text, output=output, usage=usage
        )

    def _task(self, request_id: str, prompt: str = "") -> AgentTask:
        return AgentTask(request_id=request_id, workspace="w", on_behalf_of="ada", prompt=prompt)


@contextlib.asynccontextmanager
async def agent_server(
    keys: Keys, agent: FakeAgent, *, port: int = 0
) -> AsyncIterator[tuple[str, AgentServicer]]:
    """The address it serves on, and the servicer."""
    verifier = Verifier(
        users=read_key_set(keys.jwks_file),
        services=read_key_set(keys.service_jwks_file),
        service="chat_service",
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    servicer = AgentServicer(agent, verifier, server)
    agent_pb2_grpc.add_AgentServiceServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}", servicer
    finally:
        await server.stop(None)
