"""The RPC methods of AgentService that add results of runs to threads."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf import json_format
from rota.agent.v1 import agent_pb2 as pb
from rota.agent.v1 import agent_pb2_grpc
from rota.chat.v1 import chat_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service import convert
from chat_service.persistence import run_results, threads
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.run_result import NewRunResult, build_rows
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.rpc.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResultServicer(agent_pb2_grpc.AgentServiceServicer):
    db: AsyncEngine
    clock: Clock
    access: Access
    log: FrameLog

    async def AddResult(self, request: pb.AddResultRequest, context: Any) -> pb.AddResultResponse:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        who = await self.access.admit(request.workspace, "editor")
        thread = threads.parse_id(request.thread, workspace)
        if thread is None:
            raise errors.ResourceNotFound(request.thread)
        delivery_id, part = _read_result(request, workspace)
        result = NewRunResult(
            workspace=workspace,
            user=who.user,
            thread=thread,
            delivery_id=delivery_id,
            part=part,
        )
        async with database.transaction(self.db) as connection:
            # The lock that opening and ending a turn take, for the time of a few inserts.
            if await threads.get(connection, workspace, thread, lock=True) is None:
                raise errors.ResourceNotFound(request.thread)
            rows = build_rows(self.log, self.clock, result)
            message = await run_results.insert(connection, rows)
        return pb.AddResultResponse(message=convert.message_name(workspace, thread, message))

    async def CheckThreads(
        self, request: pb.CheckThreadsRequest, context: Any
    ) -> pb.CheckThreadsResponse:
        workspace = resources.WORKSPACE.parse(request.workspace)["workspace"]
        await self.access.admit(request.workspace, "editor")
        ids = {name: threads.parse_id(name, workspace) for name in request.threads}
        asked = [found for found in ids.values() if found is not None]
        async with self.db.connect() as connection:
            there = await run_results.list_open_threads(connection, workspace, asked)
        return pb.CheckThreadsResponse(
            closed=[name for name, found in ids.items() if found not in there]
        )


def _to_line(text: str) -> str:
    return " ".join(text.split())


def _read_result(request: pb.AddResultRequest, workspace: str) -> tuple[UUID, dict[str, Any]]:
    """Returns the delivery's id and the JSON of the RunResult. Raises InvalidRequest."""
    parts = resources.DELIVERY.parse(request.delivery)
    if parts["workspace"] != workspace:
        raise errors.invalid("delivery", "is of another workspace")
    try:
        delivery_id = resources.parse_uuid(parts["delivery"], request.delivery)
    except errors.ResourceNotFound:
        raise errors.invalid("delivery", "does not end in a UUID in lower case") from None
    run = {name: parts[name] for name in ("workspace", "automation", "run")}
    result = chat_pb2.RunResult(
        automation=resources.AUTOMATION.format(**run),
        automation_display_name=_to_line(request.automation_display_name),
        run=resources.RUN.format(**run),
        delivery=request.delivery,
        subject=_to_line(request.subject),
        body=request.body,
        format=request.format,
    )
    return delivery_id, json_format.MessageToDict(result, preserving_proto_field_name=True)
