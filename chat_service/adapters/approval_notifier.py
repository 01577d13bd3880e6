"""Notices of pending approvals to automation_service, which tells people and webhooks."""

from dataclasses import dataclass
from typing import Final

import grpc
from rota.notice.v1 import notice_pb2 as pb
from rota.notice.v1 import notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.adapters.automation_client import AUTOMATION_SERVICE
from chat_service.persistence import approvals
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from shared import errors, resources
from shared.clock import Clock
from shared.rpc import status
from shared.rpc.client import DEADLINE_SECONDS, DelegatedCredentials
from shared.rpc.messages.timestamps import to_timestamp
from shared.telemetry import logs

BATCH_SIZE: Final = 20
MAX_SUMMARY: Final = 200
_UNREACHABLE: Final = {errors.Code.UNAVAILABLE, errors.Code.DEADLINE_EXCEEDED, errors.Code.INTERNAL}

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNotifier:
    """Notifies of each approval at least once. The approval's row is the outbox.

    Replicas may notify at the same time, since automation_service ignores repeats.
    """

    db: AsyncEngine
    clock: Clock
    stub: notice_pb2_grpc.NoticeServiceStub
    behalf: DelegatedCredentials

    async def notify_pending(self) -> int:
        """Returns the number of approvals that are done.

        Stops if automation_service is unreachable.
        """
        count = 0
        while True:
            async with self.db.connect() as connection:
                found = await approvals.list_unnotified(connection, limit=BATCH_SIZE)
            for approval in found:
                # A decided approval needs no notice.
                if approval.state is ApprovalState.PENDING and not await self._notify(approval):
                    return count
                async with self.db.begin() as connection:
                    await approvals.mark_notified(connection, [approval.id], self.clock.now())
                count += 1
            if len(found) < BATCH_SIZE:
                return count

    async def _notify(self, approval: Approval) -> bool:
        metadata = await self.behalf.metadata(
            user=approval.requested_by, workspace=approval.workspace_id
        )
        try:
            await self.stub.Notify(_request(approval), metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            refusal = status.from_call(error, peer=AUTOMATION_SERVICE)
            if refusal.code in _UNREACHABLE:
                return False
            # A retry would be refused too, as when the user has lost access.
            log.warning("notice_refused", approval=str(approval.id), reason=refusal.reason)
        return True


def _request(approval: Approval) -> pb.NotifyRequest:
    workspace = approval.workspace_id
    return pb.NotifyRequest(
        workspace=resources.WORKSPACE.format(workspace=workspace),
        approval_requested=pb.ApprovalRequested(
            approval=resources.APPROVAL.format(workspace=workspace, approval=approval.id),
            turn=resources.TURN.format(
                workspace=workspace, thread=approval.thread_id, turn=approval.turn_id
            ),
            action_type=approval.action_type,
            create_time=to_timestamp(approval.create_time),
            expire_time=to_timestamp(approval.expire_time),
            summary=approval.summary[:MAX_SUMMARY],
        ),
    )
