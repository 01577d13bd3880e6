"""What happens in the service reaches the inbox of whom it concerns."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import inbox_pb2, inbox_pb2_grpc, notice_settings_pb2_grpc
from rota.automation.v1 import notice_settings_pb2 as pb
from rota.notice.v1 import notice_pb2, notice_pb2_grpc

from shared import errors
from shared.clock import ManualClock
from tests.automation_service.notices.conftest import Approvals
from tests.automation_service.runs.test_executor import FIRST, failing, plan, step
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, running, until

MINUTE: Final = timedelta(minutes=1)
APPROVAL: Final = f"workspaces/w/approvals/{UUID(int=5)}"
GONE: Final = errors.CapabilityGone("the tool is gone")
FULL: Final = inbox_pb2.INBOX_ITEM_VIEW_FULL


async def inbox(rota: Running, count: int) -> list[Any]:
    """The items, oldest first, once there are so many."""
    stub = inbox_pb2_grpc.InboxServiceStub(rota.channel)
    request = inbox_pb2.ListInboxItemsRequest(parent="workspaces/w", view=FULL)

    async def listed() -> Any:
        found = await stub.ListInboxItems(request, metadata=rota.keys.user_headers(), timeout=20)
        return found.inbox_items if len(found.inbox_items) >= count else None

    return list(await until(listed))[::-1]


async def set_notices(rota: Running, **fields: Any) -> Any:
    stub = notice_settings_pb2_grpc.NoticeSettingsServiceStub(rota.channel)
    settings = pb.NoticeSettings(name="workspaces/w/noticeSettings", **fields)
    request = pb.UpdateNoticeSettingsRequest(notice_settings=settings)
    return await stub.UpdateNoticeSettings(request, metadata=rota.keys.user_headers(), timeout=20)


async def notify(rota: Running, clock: ManualClock) -> None:
    asked = notice_pb2.ApprovalRequested(
        approval=APPROVAL,
        turn="workspaces/w/threads/t/turns/u",
        action_type="automation_create",
        summary="Create the automation Tea",
    )
    now = Timestamp()
    now.FromDatetime(clock.now())
    asked.create_time.CopyFrom(now)
    asked.expire_time.seconds = now.seconds + 3600
    metadata = rota.keys.service_headers(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    stub = notice_pb2_grpc.NoticeServiceStub(rota.channel)
    request = notice_pb2.NotifyRequest(workspace="workspaces/w", approval_requested=asked)
    await stub.Notify(request, metadata=metadata, timeout=20)


async def test_failed_runs_a_pause_and_an_approval_reach_the_inbox_once(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(GONE)
    approvals = Approvals(pending={APPROVAL})
    async with running(
        url, keys, clock=clock, agent=agent, approvals=approvals, max_consecutive_failures=2
    ) as rota:
        name = (await rota.create(plan(step("a")))).name
        clock.set(FIRST)
        [first] = await rota.ended(name)
        [failed] = await inbox(rota, 1)
        assert (failed.kind, failed.run) == (inbox_pb2.InboxItem.RUN_FAILED, first.name)
        assert failed.automation == name
        assert failed.subject == "Morning news failed"
        assert "the tool is gone" in failed.body
        clock.set(FIRST + MINUTE)
        await rota.ended(name, 2)
        paused = (await inbox(rota, 2))[1]
        assert paused.kind == inbox_pb2.InboxItem.AUTOMATION_PAUSED
        assert (paused.automation, paused.run) == (name, "")
        for _ in range(2):
            await notify(rota, clock)
        await set_notices(rota, approval_delay=Duration(seconds=30))
        clock.advance(MINUTE)
        waiting = (await inbox(rota, 3))[2]
        assert (waiting.kind, waiting.approval) == (
            inbox_pb2.InboxItem.APPROVAL_WAITING,
            APPROVAL,
        )
        assert waiting.subject == "Waits for your approval: Create the automation Tea"
        clock.advance(2 * 60 * MINUTE)
        last = (await inbox(rota, 4))[3]
        assert last.kind == inbox_pb2.InboxItem.RUN_FAILED
        assert last.subject == "Morning news failed"
        assert len(await inbox(rota, 4)) == 4
