"""When a notice goes out."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_service.notices.delay import find_wait
from automation_service.persistence.enums import NoticeKind, NoticeState
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared.schedule.quiet_hours import QuietHours

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
USUAL: Final = NoticeSettings(workspace="w", user="ada")
NIGHTS: Final = replace(USUAL, quiet_hours=QuietHours(time_zone="UTC", start=time(22), end=time(7)))


def notice(kind: NoticeKind, time: datetime = NOON, **said: object) -> Notice:
    made = Notice(
        id=UUID(int=1),
        workspace="w",
        user="ada",
        kind=kind,
        resource_name="workspaces/w/approvals/a",
        first_time=time,
        last_time=time,
    )
    return replace(made, **said)  # type: ignore[arg-type]


FAILED: Final = notice(NoticeKind.RUN_FAILED)
WAITING: Final = notice(NoticeKind.APPROVAL_WAITING, expire_time=NOON + 24 * HOUR)
PAUSED: Final = notice(NoticeKind.AUTOMATION_PAUSED)


def test_a_failure_goes_out_at_once_and_the_next_ones_at_the_end_of_the_interval() -> None:
    assert find_wait(FAILED, USUAL, NOON, None) is None
    assert find_wait(FAILED, USUAL, NOON, NOON - MINUTE) == NOON + 59 * MINUTE
    assert find_wait(FAILED, USUAL, NOON, NOON - HOUR) is None
    often = replace(USUAL, failure_interval=timedelta(0))
    assert find_wait(FAILED, often, NOON, NOON) is None


def test_only_failures_have_an_interval() -> None:
    assert find_wait(PAUSED, USUAL, NOON, NOON - MINUTE) is None


def test_an_approval_waits_for_whoever_is_looking() -> None:
    assert find_wait(WAITING, USUAL, NOON, None) == NOON + MINUTE
    assert find_wait(WAITING, USUAL, NOON + MINUTE, None) is None
    at_once = replace(USUAL, approval_delay=timedelta(0))
    assert find_wait(WAITING, at_once, NOON, None) is None


def test_an_approval_that_expired_is_not_told_not_even_after_quiet_hours() -> None:
    expired = replace(WAITING, expire_time=NOON)
    assert find_wait(expired, USUAL, NOON, None) is NoticeState.EXPIRED
    assert find_wait(expired, NIGHTS, NOON + 11 * HOUR, None) is NoticeState.EXPIRED


@pytest.mark.parametrize("one", [FAILED, WAITING, PAUSED])
def test_everything_waits_for_the_end_of_quiet_hours(one: Notice) -> None:
    assert find_wait(one, NIGHTS, NOON + 10 * HOUR, None) == NOON + 19 * HOUR
    assert find_wait(one, NIGHTS, NOON + 19 * HOUR, None) is None


def test_a_kind_that_goes_nowhere_ends_untold() -> None:
    silent = replace(NIGHTS, routes={NoticeKind.RUN_FAILED: ()})
    assert find_wait(FAILED, silent, NOON, None) is NoticeState.MUTED
    assert find_wait(PAUSED, silent, NOON, None) is None


@given(
    st.integers(0, 16 * 24 * 60).map(lambda minutes: NOON - minutes * MINUTE),
    st.integers(0, 7 * 24 * 60),
    st.integers(0, 7 * 24 * 3600),
)
def test_whoever_waits_as_long_as_it_says_waits_on_or_is_told(
    now: datetime, ago: int, interval: int
) -> None:
    """So a notice is looked at again only when something may have changed."""
    settings = replace(NIGHTS, failure_interval=timedelta(seconds=interval))
    last = now - ago * MINUTE
    until = find_wait(FAILED, settings, now, last)
    if not isinstance(until, datetime):
        return
    assert until > now
    again = find_wait(FAILED, settings, until, last)
    assert again is None or (isinstance(again, datetime) and again > until)
    quiet_again = again is not None
    assert not quiet_again or (until - last) >= settings.failure_interval
