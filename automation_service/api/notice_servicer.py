"""The servicer of NoticeService, which chat_service calls."""

from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2
from rota.notice.v1 import notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.notices import events as notice_events
from automation_service.webhooks import events
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.rpc.access import Access, workspace_of
from shared.rpc.messages.timestamps import read_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeServicer(notice_pb2_grpc.NoticeServiceServicer):
    access: Access
    db: AsyncEngine
    clock: Clock

    async def Notify(self, request: Any, context: Any) -> empty_pb2.Empty:
        who = await self.access.admit(request.workspace, "editor")
        workspace, asked = workspace_of(request.workspace), request.approval_requested
        for name, pattern in ((asked.approval, resources.APPROVAL), (asked.turn, resources.TURN)):
            if pattern.parse(name)["workspace"] != workspace:
                raise errors.ResourceNotFound(name)
        approval = resources.APPROVAL.parse(asked.approval)["approval"]
        resources.parse_uuid(approval, asked.approval)
        create_time = read_timestamp(asked.create_time, field="approval_requested.create_time")
        expire_time = read_timestamp(asked.expire_time, field="approval_requested.expire_time")
        async with database.transaction(self.db) as connection:
            await events.record_approval_requested(
                connection,
                workspace=workspace,
                approval=asked.approval,
                turn=asked.turn,
                action_type=asked.action_type,
                expire_time=expire_time,
                create_time=create_time,
                now=self.clock.now(),
            )
            await notice_events.record_approval_waiting(
                connection,
                workspace=workspace,
                user=who.user,
                approval=asked.approval,
                summary=asked.summary or asked.action_type,
                create_time=create_time,
                expire_time=expire_time,
            )
        return empty_pb2.Empty()
