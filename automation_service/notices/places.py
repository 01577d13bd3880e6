"""The places of notices: an item of the inbox for each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.notices.text import describe
from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox import notices
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared.schedule import zones


async def put_in_inbox(
    connection: AsyncConnection, settings: NoticeSettings, told: Sequence[Notice], now: datetime
) -> None:
    """Adds items for notices of one person, in the transaction of `connection`."""
    zone = await _find_zone(connection, settings)
    await add_items(connection, [_item(notice, zone, now) for notice in told])


async def _find_zone(connection: AsyncConnection, settings: NoticeSettings) -> str:
    """The zone that the person's times are told in."""
    if settings.quiet_hours is not None:
        return settings.quiet_hours.time_zone
    zone = await notices.find_zone(connection, settings.user)
    return zone if zone in zones.all_names() else "UTC"


def _item(notice: Notice, zone: str, now: datetime) -> NewInboxItem:
    said, kind, subject = describe(notice, zone=zone), notice.kind, notice.subject
    is_of_automation = kind in (NoticeKind.RUN_FAILED, NoticeKind.AUTOMATION_PAUSED)
    return NewInboxItem(
        id=notice.id,
        workspace=notice.workspace,
        user=notice.user,
        kind=InboxItemKind(kind.value),
        subject=said.subject,
        body=said.body,
        format="text",
        automation=subject.partition("/runs/")[0] if is_of_automation else "",
        run=subject if kind is NoticeKind.RUN_FAILED else "",
        approval=subject if kind is NoticeKind.APPROVAL_WAITING else "",
        destination=subject if kind is NoticeKind.DESTINATION_PAUSED else "",
        create_time=now,
    )
