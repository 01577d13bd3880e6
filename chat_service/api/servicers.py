"""The RPCs: each one line from its noun."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import empty_pb2
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from chat_service.api import tasks
from chat_service.api.approvals import Decisions
from chat_service.api.model_configs import ModelConfigs
from chat_service.api.tasks import Tasks
from chat_service.api.threads import Threads
from chat_service.api.turns import Turns


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    def __init__(
        self, threads: Threads, turns: Turns, decisions: Decisions, models: ModelConfigs
    ) -> None:
        self._threads = threads
        self._turns = turns
        self._decisions = decisions
        self._models = models

    async def CreateThread(self, request: pb.CreateThreadRequest, context: Any) -> pb.Thread:
        return await self._threads.create(request)

    async def GetThread(self, request: pb.GetThreadRequest, context: Any) -> pb.Thread:
        return await self._threads.get(request.name)

    async def ListThreads(
        self, request: pb.ListThreadsRequest, context: Any
    ) -> pb.ListThreadsResponse:
        return await self._threads.list(request)

    async def UpdateThread(self, request: pb.UpdateThreadRequest, context: Any) -> pb.Thread:
        return await self._threads.update(request)

    async def DeleteThread(self, request: pb.DeleteThreadRequest, context: Any) -> empty_pb2.Empty:
        return await self._threads.delete(request)

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: Any
    ) -> pb.ListMessagesResponse:
        return await self._threads.list_messages(request)

    def SendMessage(self, request: pb.SendMessageRequest, context: Any) -> AsyncIterator[bytes]:
        return self._turns.send(request)

    def ResumeTurn(self, request: pb.ResumeTurnRequest, context: Any) -> AsyncIterator[bytes]:
        return self._turns.resume(request)

    def WatchTurn(self, request: pb.WatchTurnRequest, context: Any) -> AsyncIterator[bytes]:
        return self._turns.watch(request)

    async def GetTurn(self, request: pb.GetTurnRequest, context: Any) -> pb.Turn:
        return await self._turns.get(request.name)

    async def ListTurns(self, request: pb.ListTurnsRequest, context: Any) -> pb.ListTurnsResponse:
        return await self._turns.list(request)

    async def CancelTurn(self, request: pb.CancelTurnRequest, context: Any) -> pb.Turn:
        return await self._turns.cancel(request)

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Any) -> pb.Approval:
        return await self._decisions.get(request.name)

    async def ListApprovals(
        self, request: pb.ListApprovalsRequest, context: Any
    ) -> pb.ListApprovalsResponse:
        return await self._decisions.list(request)

    async def DecideApproval(self, request: pb.DecideApprovalRequest, context: Any) -> pb.Approval:
        return await self._decisions.decide_one(request)

    async def CreateModelConfig(
        self, request: pb.CreateModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        return await self._models.create(request)

    async def GetModelConfig(
        self, request: pb.GetModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        return await self._models.get(request)

    async def UpdateModelConfig(
        self, request: pb.UpdateModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        return await self._models.update(request)

    async def DeleteModelConfig(
        self, request: pb.DeleteModelConfigRequest, context: Any
    ) -> empty_pb2.Empty:
        return await self._models.delete(request)

    async def ListModelConfigs(
        self, request: pb.ListModelConfigsRequest, context: Any
    ) -> pb.ListModelConfigsResponse:
        return await self._models.list(request)


class AgentServicer(agent_pb2_grpc.AgentServiceServicer):
    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def RunTask(
        self, request: agent_pb2.RunTaskRequest, context: Any
    ) -> AsyncIterator[agent_pb2.TaskEvent]:
        return self._tasks.run(request)

    async def CancelTask(
        self, request: agent_pb2.CancelTaskRequest, context: Any
    ) -> agent_pb2.CancelTaskResponse:
        return await self._tasks.cancel(request)

    async def ListCapabilities(
        self, request: agent_pb2.ListCapabilitiesRequest, context: Any
    ) -> agent_pb2.ListCapabilitiesResponse:
        return tasks.list_capabilities(request, self._tasks.catalogue())
