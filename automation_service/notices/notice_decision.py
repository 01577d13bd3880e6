"""What becomes of a notice that is due: it waits, goes out, or ends untold. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from automation_service.persistence.enums import NoticeKind, NoticeState
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared.clock import shift
from shared.schedule.quiet_hours import find_end


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDecision:
    """The state that a notice gets. One that is WAITING is due again at `until`."""

    state: NoticeState
    until: datetime | None = None

    @property
    def is_sent(self) -> bool:
        return self.state is NoticeState.SENT


SEND: Final = NoticeDecision(state=NoticeState.SENT)


def wait_until(until: datetime) -> NoticeDecision:
    return NoticeDecision(state=NoticeState.WAITING, until=until)


def decide_notice(
    notice: Notice, settings: NoticeSettings, now: datetime, last_told: datetime | None
) -> NoticeDecision:
    """Decides by the person's settings and quiet hours.

    `last_told` is when failed runs of the same automation were last told to the person.
    """
    if notice.expire_time is not None and notice.expire_time <= now:
        return NoticeDecision(state=NoticeState.EXPIRED)
    if not settings.places(notice.kind):
        return NoticeDecision(state=NoticeState.MUTED)
    times = [find_end(settings.quiet_hours, now)]
    if notice.kind is NoticeKind.APPROVAL_WAITING:
        times.append(shift(notice.first_time, settings.approval_delay))
    if notice.kind is NoticeKind.RUN_FAILED and last_told is not None:
        times.append(shift(last_told, settings.failure_interval))
    until = max((time for time in times if time is not None and time > now), default=None)
    return SEND if until is None else wait_until(until)
