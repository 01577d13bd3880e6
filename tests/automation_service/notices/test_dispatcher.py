"""Notices are recorded for whom they concern, and each goes out once."""

import asyncio
from datetime import time, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.notices import dispatcher as dispatchers
from automation_service.notices import events
from automation_service.notices.dispatcher import NoticeDispatcher
from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox import notice_settings, notices
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.definition.states import RunStatus
from shared.schedule.quiet_hours import QuietHours
from tests.automation_service.notices.conftest import AUTOMATION, Approvals, Told, claim
from tests.support.system.automation import execute, until

APPROVAL: Final = f"workspaces/w/approvals/{UUID(int=3)}"
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
GONE: Final = errors.CapabilityGone("the tool\nis gone")


class Rota:
    """What happens, and what a person has set."""

    def __init__(self, db: AsyncEngine, clock: ManualClock) -> None:
        self.db = db
        self.clock = clock
        self._runs = 0

    async def fail(self, *, author: str | None = "cyd", error: Any = GONE) -> None:
        self._runs += 1
        now = self.clock.now()
        async with database.transaction(self.db) as connection:
            failed = claim(self._runs, author=author, slot_time=now)
            await events.record_run_failed(connection, failed, RunStatus.FAILED, error, now)

    async def ask(self, approval: str = APPROVAL, *, user: str = "cyd", hours: int = 24) -> None:
        now = self.clock.now()
        async with database.transaction(self.db) as connection:
            await events.record_approval_waiting(
                connection,
                workspace="w",
                user=user,
                approval=approval,
                summary="Create\0 Tea",
                create_time=now,
                expire_time=now + timedelta(hours=hours),
            )

    async def set(self, **said: Any) -> None:
        async with database.transaction(self.db) as connection:
            values = NoticeSettings(workspace="w", user="cyd", **said)
            await notice_settings.save(connection, values, self.clock.now())


@pytest.fixture
def rota(db: AsyncEngine, clock: ManualClock, members: None) -> Rota:
    return Rota(db, clock)


async def states(url: str) -> list[tuple[str, str]]:
    rows = await execute(url, "select user_id, state from notices order by user_id, first_time")
    return [(row["user_id"], row["state"]) for row in rows]


@pytest.mark.parametrize(
    ("author", "gone", "told_to"),
    [
        ("cyd", [], ["cyd"]),
        (None, [], ["bob"]),
        ("cyd", ["cyd"], ["bob"]),
        ("cyd", ["bob", "cyd"], ["ada"]),
        ("ada", [], ["ada"]),
    ],
)
async def test_a_failed_run_concerns_its_author_the_creator_or_the_owners(
    rota: Rota, url: str, author: str | None, gone: list[str], told_to: list[str]
) -> None:
    for user in gone:
        await execute(url, "update memberships set revoked_time = now() where user_id = $1", user)
    await rota.fail(author=author)
    assert [user for user, _ in await states(url)] == told_to


async def test_the_first_failure_is_told_at_once_and_those_after_it_together(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told
) -> None:
    for _ in range(90):
        await rota.fail()
        await dispatcher.send_due()
        clock.advance(MINUTE)
    first, second = told.batches
    assert [(one.count, one.resource_name[-1]) for one in first] == [(1, "1")]
    [many] = second
    assert many.count == 60
    assert many.first_time == many.last_time - 59 * MINUTE
    assert many.resource_name.endswith(str(UUID(int=61)))
    assert many.facts["error"] == "the tool is gone"
    assert many.facts["name"] == "Tea"
    clock.advance(HOUR)
    await dispatcher.send_due()
    assert [one.count for one in told.batches[-1]] == [29]
    clock.advance(2 * HOUR)
    await rota.fail()
    await dispatcher.send_due()
    assert [one.count for one in told.batches[-1]] == [1]


async def test_an_approval_is_told_once_while_it_waits(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told, approvals: Approvals
) -> None:
    approvals.pending = {APPROVAL}
    await rota.ask()
    await rota.ask()
    await dispatcher.send_due()
    assert told.batches == []
    clock.advance(MINUTE)
    for _ in range(3):
        await dispatcher.send_due()
        await rota.ask()
    [[one]] = told.batches
    assert (one.resource_name, one.user, one.facts) == (APPROVAL, "cyd", {"summary": "Create� Tea"})


async def test_one_that_was_decided_or_expired_meanwhile_is_not_told(
    rota: Rota,
    url: str,
    clock: ManualClock,
    dispatcher: NoticeDispatcher,
    told: Told,
    approvals: Approvals,
) -> None:
    other = f"workspaces/w/approvals/{UUID(int=4)}"
    await rota.ask()
    clock.advance(MINUTE)
    await dispatcher.send_due()
    assert approvals.asked == [[APPROVAL]]
    approvals.pending = {other}
    await rota.set(quiet_hours=_from_now(clock, hours=8))
    await rota.ask(other, hours=2)
    clock.advance(9 * HOUR)
    await dispatcher.send_due()
    assert told.batches == []
    assert [state for _, state in await states(url)] == ["decided", "expired"]
    assert approvals.asked == [[APPROVAL]]


async def test_an_approval_waits_while_nobody_knows_whether_it_is_open(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told, approvals: Approvals
) -> None:
    approvals.pending, approvals.is_away = {APPROVAL}, True
    await rota.ask()
    clock.advance(MINUTE)
    await rota.fail()
    await dispatcher.send_due()
    [[one]] = told.batches
    assert one.kind is NoticeKind.RUN_FAILED
    approvals.is_away = False
    clock.advance(dispatchers.RETRY)
    await dispatcher.send_due()
    assert [one.resource_name for one in told.batches[-1]] == [APPROVAL]


async def test_while_chat_service_hangs_it_is_asked_of_several_and_others_are_told(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told, approvals: Approvals
) -> None:
    other = f"{APPROVAL[:-1]}4"
    approvals.pending, approvals.gate = {APPROVAL, other}, asyncio.Event()
    await rota.ask()
    await rota.ask(other, user="ada")
    clock.advance(MINUTE)
    await rota.fail(author="bob")
    sent = asyncio.create_task(dispatcher.send_due())
    try:
        await until(lambda: _return(told.batches and len(approvals.asked) == 2))
        assert [one.user for batch in told.batches for one in batch] == ["bob"]
    finally:
        approvals.gate.set()
        count = await sent
    assert count == 3


async def _return(value: Any) -> Any:
    return value


async def test_what_comes_in_quiet_hours_comes_together_at_their_end(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told, approvals: Approvals
) -> None:
    approvals.pending = {APPROVAL}
    await rota.set(quiet_hours=_from_now(clock, hours=8))
    end = clock.now().replace(second=0) + 8 * HOUR
    for _ in range(3):
        await rota.fail()
        await dispatcher.send_due()
        clock.advance(HOUR)
    await rota.ask()
    clock.set(end - MINUTE)
    await dispatcher.send_due()
    assert told.batches == []
    clock.set(end)
    await dispatcher.send_due()
    [both] = told.batches
    assert [(one.kind, one.count) for one in both] == [
        (NoticeKind.RUN_FAILED, 3),
        (NoticeKind.APPROVAL_WAITING, 1),
    ]


async def test_without_quiet_hours_what_waited_for_their_end_goes_out(
    rota: Rota, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told
) -> None:
    await rota.set(quiet_hours=_from_now(clock, hours=8))
    await rota.fail()
    await dispatcher.send_due()
    assert told.batches == []
    await rota.set()
    await dispatcher.send_due()
    assert [[one.count for one in batch] for batch in told.batches] == [[1]]


async def test_nobody_is_told_who_wants_it_nowhere_or_is_no_member_any_more(
    rota: Rota, url: str, clock: ManualClock, dispatcher: NoticeDispatcher, told: Told
) -> None:
    await rota.set(routes={NoticeKind.RUN_FAILED: ()})
    await rota.fail()
    await dispatcher.send_due()
    assert await states(url) == [("cyd", "muted")]
    await rota.set()
    await rota.fail()
    await execute(url, "update memberships set revoked_time = now() where user_id = 'cyd'")
    await dispatcher.send_due()
    assert told.batches == []
    assert [state for _, state in await states(url)] == ["muted", "no_access"]


async def test_a_notice_that_an_error_stops_holds_up_no_other_and_ends(
    rota: Rota,
    url: str,
    clock: ManualClock,
    dispatcher: NoticeDispatcher,
    told: Told,
    approvals: Approvals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    approvals.pending = {APPROVAL}
    await rota.ask(hours=48)
    clock.advance(MINUTE)
    await rota.fail()
    await rota.fail(author="bob")
    told.refused = {APPROVAL}
    assert await dispatcher.send_due() == 2
    assert await states(url) == [("bob", "sent"), ("cyd", "waiting"), ("cyd", "sent")]
    asked = len(approvals.asked)
    assert await dispatcher.send_due() == 0
    assert len(approvals.asked) == asked
    clock.advance(dispatchers.BROKEN_DELAY)
    told.refused = set()
    assert await dispatcher.send_due() == 1
    told.refused = {other := f"workspaces/w/approvals/{UUID(int=4)}"}
    approvals.pending = {other}
    await rota.ask(other, hours=48)
    clock.advance(MINUTE)
    monkeypatch.setattr(dispatchers, "MAX_TRIES", 3)
    for _ in range(3):
        assert (await states(url))[-1] == ("cyd", "waiting")
        await dispatcher.send_due()
        clock.advance(dispatchers.BROKEN_DELAY)
    assert [state for _, state in await states(url)] == ["sent", "sent", "sent", "broken"]


async def test_a_notice_of_a_later_version_waits_and_holds_up_no_other(
    rota: Rota, url: str, dispatcher: NoticeDispatcher
) -> None:
    await rota.fail()
    await execute(url, "update notices set kind = 'of_a_later_version'")
    await rota.fail()
    assert await dispatcher.send_due() == 1
    assert sorted(state for _, state in await states(url)) == ["sent", "waiting"]


async def test_of_two_replicas_one_tells(
    rota: Rota, dispatcher: NoticeDispatcher, told: Told
) -> None:
    await rota.fail()
    await asyncio.gather(*(dispatcher.send_due() for _ in range(5)))
    assert len(told.batches) == 1


@pytest.mark.parametrize(
    ("owner", "creator", "told_to"),
    [("cyd", "cyd", ["cyd"]), (None, "bob", ["ada", "bob"]), (None, None, ["ada"])],
)
async def test_a_paused_destination_is_told_to_each_of_its_people(
    rota: Rota,
    url: str,
    dispatcher: NoticeDispatcher,
    told: Told,
    owner: str | None,
    creator: str | None,
    told_to: list[str],
) -> None:
    async with database.transaction(rota.db) as connection:
        await notices.add_of_destination(
            connection,
            workspace="w",
            owner=owner,
            creator=creator,
            resource_name="workspaces/w/destinations/team",
            facts={"name": "Team", "place": "Ntfy at ntfy.sh", "reason": "it is gone"},
            time=rota.clock.now(),
        )
    await dispatcher.send_due()
    assert sorted(one.user for [one] in told.batches) == told_to


async def test_an_automation_that_pauses_is_told_beside_its_failed_runs(
    rota: Rota, url: str, dispatcher: NoticeDispatcher, told: Told
) -> None:
    await rota.fail()
    async with database.transaction(rota.db) as connection:
        failed = claim(1, author="cyd", slot_time=rota.clock.now())
        await events.record_automation_paused(connection, failed, 10, rota.clock.now())
    await dispatcher.send_due()
    [both] = told.batches
    paused = next(one for one in both if one.kind is NoticeKind.AUTOMATION_PAUSED)
    assert (paused.resource_name, paused.facts) == (
        "workspaces/w/automations/tea",
        {"name": "Tea", "failures": 10},
    )
    await execute(url, "delete from automations where id = $1", AUTOMATION)
    assert await states(url) == []


def _from_now(clock: ManualClock, *, hours: int) -> QuietHours:
    start = clock.now()
    end = start + hours * HOUR
    return QuietHours(
        time_zone="UTC",
        start=time(start.hour, start.minute),
        end=time(end.hour, end.minute),
    )
