"""When a notice goes out: now, later or never. Pure."""

from datetime import datetime

from automation_service.persistence.enums import NoticeKind, NoticeState
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared.clock import shift
from shared.schedule.quiet_hours import find_end


def find_wait(
    notice: Notice, settings: NoticeSettings, now: datetime, last_told: datetime | None
) -> datetime | NoticeState | None:
    """Returns until when a notice waits, the state in which it ends untold, or None: it goes out.

    `last_told` is when failed runs of the same automation were last told to the person.
    """
    if notice.expire_time is not None and notice.expire_time <= now:
        return NoticeState.EXPIRED
    if not settings.places(notice.kind):
        return NoticeState.MUTED
    times = [find_end(settings.quiet_hours, now)]
    if notice.kind is NoticeKind.APPROVAL_WAITING:
        times.append(shift(notice.first_time, settings.approval_delay))
    if notice.kind is NoticeKind.RUN_FAILED and last_told is not None:
        times.append(shift(last_told, settings.failure_interval))
    return max((time for time in times if time is not None and time > now), default=None)
