"""What becomes of a notice that is due."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation_service.notices.notice_decision import SEND, decide_notice, wait_until
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
    assert decide_notice(FAILED, USUAL, NOON, None) == SEND
    assert decide_notice(FAILED, USUAL, NOON, NOON - MINUTE) == wait_until(NOON + 59 * MINUTE)
    assert decide_notice(FAILED, USUAL, NOON, NOON - HOUR) == SEND
    often = replace(USUAL, failure_interval=timedelta(0))
    assert decide_notice(FAILED, often, NOON, NOON) == SEND


def test_only_failures_have_an_interval() -> None:
    assert decide_notice(PAUSED, USUAL, NOON, NOON - MINUTE) == SEND


def test_an_approval_waits_for_whoever_is_looking() -> None:
    assert decide_notice(WAITING, USUAL, NOON, None) == wait_until(NOON + MINUTE)
    assert decide_notice(WAITING, USUAL, NOON + MINUTE, None) == SEND
    at_once = replace(USUAL, approval_delay=timedelta(0))
    assert decide_notice(WAITING, at_once, NOON, None) == SEND


def test_an_approval_that_expired_is_not_told_not_even_after_quiet_hours() -> None:
    expired = replace(WAITING, expire_time=NOON)
    assert decide_notice(expired, USUAL, NOON, None).state is NoticeState.EXPIRED
    assert decide_notice(expired, NIGHTS, NOON + 11 * HOUR, None).state is NoticeState.EXPIRED


@pytest.mark.parametrize("one", [FAILED, WAITING, PAUSED])
def test_everything_waits_for_the_end_of_quiet_hours(one: Notice) -> None:
    assert decide_notice(one, NIGHTS, NOON + 10 * HOUR, None) == wait_until(NOON + 19 * HOUR)
    assert decide_notice(one, NIGHTS, NOON + 19 * HOUR, None) == SEND


def test_a_kind_that_goes_nowhere_ends_untold() -> None:
    silent = replace(NIGHTS, routes={NoticeKind.RUN_FAILED: ()})
    assert decide_notice(FAILED, silent, NOON, None).state is NoticeState.MUTED
    assert decide_notice(PAUSED, silent, NOON, None) == SEND


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
    until = decide_notice(FAILED, settings, now, last).until
    if until is None:
        return
    assert until > now
    again = decide_notice(FAILED, settings, until, last)
    assert again == SEND or (again.until is not None and again.until > until)
    assert again == SEND or (until - last) >= settings.failure_interval
