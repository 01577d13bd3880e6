"""Why and since when an automation fires less than it says, or no more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from rota.automation.v1 import automation_pb2 as pb

from automation_service.automations.notes import find_notes
from automation_service.persistence.records import Automation, SlotSkip, Trigger
from shared.clock import ManualClock
from shared.definition.states import AutomationStatus, SlotOutcome, TriggerType
from tests.support.credentials.tokens import Keys
from tests.support.database.statements import see_statements
from tests.support.system.automation import START, news, running, schedule

NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)
DECIDED = datetime(2026, 12, 1, 8, tzinfo=UTC)
NEXT = NOW + timedelta(days=1)
FIRED, SKIPPED, PAUSED = (
    SlotOutcome.FIRED,
    SlotOutcome.SKIPPED_OVERLAP,
    SlotOutcome.SKIPPED_PAUSED,
)
_FINISHED = "It is finished: no fire is left until a schedule is changed."


def trigger(n: int = 1, **more: Any) -> Trigger:
    row = Trigger(
        id=UUID(int=n),
        trigger_id=f"t{n}",
        type=TriggerType.SCHEDULE,
        enabled=True,
        decided_until=DECIDED,
        next_fire_time=NEXT,
        tzdata_version="",
        create_time=DECIDED,
    )
    return replace(row, **more)


def of(
    *triggers: Trigger,
    status: AutomationStatus = AutomationStatus.ACTIVE,
    last: tuple[SlotOutcome, ...] = (),
    **config: Any,
) -> list[str]:
    said = {"cron": "0 9 * * *", "timezone": "Europe/Paris", **config}
    specs = [{"trigger_id": one.trigger_id, "config": said} for one in triggers]
    owner = Automation(
        id=UUID(int=9), workspace="w", resource_id="a", creator=None, name="A", description="",
        status=status, definition={"triggers": specs}, revision=1, version=1,
        create_time=DECIDED, update_time=DECIDED, triggers=triggers,
    )  # fmt: skip
    return list(find_notes(owner, {one.id: last for one in triggers}, NOW))


@pytest.mark.parametrize(
    ("cron", "is_over"), [("30 2 * 3 0L", True), ("30 2 28 3 *", False), ("30 2 * * *", False)]
)
def test_a_trigger_whose_times_a_clock_change_always_skips_is_told_of(
    cron: str, is_over: bool
) -> None:
    skipped = (
        "The trigger t1 fires no more: a clock change skips every time that its schedule has left."
    )
    assert of(trigger(), cron=cron, on_gap="skip") == ([_FINISHED, skipped] if is_over else [])
    assert of(trigger(), cron=cron) == []


@pytest.mark.parametrize(
    ("more", "config", "said"),
    [
        ({"enabled": False}, {}, "has been switched off since 2026-12-01 09:00 Europe/Paris."),
        (
            {"enabled": False, "disabled_reason": "Its zone is gone."},
            {},
            "is off, and no slot after 2026-12-01 09:00 Europe/Paris is decided: Its zone is gone.",
        ),
        (
            {
                "enabled": False,
                "disabled_reason": "Its zone is gone.",
                "disabled_time": DECIDED + timedelta(minutes=5),
            },
            {},
            "has been off since 2026-12-01 09:05 Europe/Paris, and no slot after 2026-12-01 09:00 "
            "Europe/Paris is decided: Its zone is gone.",
        ),
        (
            {"next_fire_time": None},
            {"end_time": "2026-12-02T00:00:00Z"},
            "has been over since 2026-12-02 01:00 Europe/Paris, its end_time.",
        ),
        (
            {"next_fire_time": None, "fires": 3, "last_fire_time": DECIDED},
            {"max_fires": 3},
            "is over: it fired 3 times, last for 2026-12-01 09:00 Europe/Paris, and max_fires "
            "allows no more.",
        ),
        (
            {"next_fire_time": None, "fires": 1, "last_fire_time": DECIDED},
            {"cron": None, "at": "2026-12-01T09:00"},
            "is over: its moment, 2026-12-01 09:00 Europe/Paris, has come.",
        ),
        (
            {"next_fire_time": None},
            {"cron": None, "at": "2026-12-01T09:00"},
            "is over: its moment, 2026-12-01 09:00 Europe/Paris, has come, and it did not fire.",
        ),
        (
            {"next_fire_time": None, "fires": 1, "last_fire_time": DECIDED},
            {"max_fires": 1},
            "is over: it fired once, last for 2026-12-01 09:00 Europe/Paris, and max_fires "
            "allows no more.",
        ),
        (
            {"next_fire_time": None},
            {"end_time": "2026-12-11T00:00:00Z"},
            "has been over since 2026-12-01 09:00 Europe/Paris: its schedule names no later time "
            "before its end_time.",
        ),
        ({}, {}, ""),
    ],
)
def test_a_trigger_says_why_and_since_when_it_does_not_fire(
    more: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    noted = [f"The trigger t1 {said}"] if said else []
    assert of(trigger(2), trigger(**more), **config)[:1] == noted
    finished = [_FINISHED] if "over" in said else []
    assert of(trigger(**more), **config) == finished + noted


@pytest.mark.parametrize(
    ("last", "many"),
    [
        ((SKIPPED, FIRED, SKIPPED), "two"),
        ((SKIPPED, SKIPPED, SKIPPED), "all"),
        ((SKIPPED, FIRED, FIRED), ""),
        ((SKIPPED, SKIPPED), ""),
        ((PAUSED, PAUSED, SKIPPED), ""),
        ((), ""),
    ],
)
def test_it_says_that_it_runs_less_often(last: tuple[SlotOutcome, ...], many: str) -> None:
    said = (
        f"It runs less often than the trigger t1 says: {many} of its last three slots were "
        "skipped, since an earlier run was still going."
    )
    assert of(trigger(), last=last) == ([said] if many else [])
    assert SKIPPED not in last or said not in of(trigger(enabled=False), last=last)


def skipped(*days: int, hour: int = 8) -> tuple[SlotSkip, ...]:
    return tuple(
        SlotSkip(
            slot_time=(moment := datetime(2026, 12, day, hour, tzinfo=UTC)),
            fire_time=moment,
            local_time=f"2026-12-{day}T{hour + 1:02}:00",
            user="ada",
            note="away" if day == 11 else "",
            create_time=NOW,
        )
        for day in days
    )


@pytest.mark.parametrize(
    ("skips", "config", "said"),
    [
        (
            skipped(11),
            {"cron": None, "at": "2026-12-11T09:00"},
            "Nothing fires: its only time left, 2026-12-11 09:00 of the trigger t1, is skipped by "
            "users/ada: away. Until it comes that can be taken back.",
        ),
        (
            skipped(11, 12),
            {"end_time": "2026-12-13T00:00:00Z"},
            "Nothing fires: its 2 times left are skipped. The first, 2026-12-11 09:00 of the "
            "trigger t1, was skipped by users/ada: away. Until it comes that can be taken back.",
        ),
        (skipped(11), {}, ""),
    ],
)
def test_one_of_which_all_that_is_left_is_skipped_says_so(
    skips: tuple[SlotSkip, ...], config: dict[str, Any], said: str
) -> None:
    one = trigger(skips=skips, decided_until=NOW, next_fire_time=skips[0].fire_time)
    assert of(one, **config) == ([said] if said else [])
    assert of(one, status=AutomationStatus.PAUSED, **config) == []


def test_an_archived_one_says_only_that() -> None:
    found = of(trigger(next_fire_time=None), status=AutomationStatus.ARCHIVED, last=(SKIPPED,) * 3)
    assert found == ["It was archived at 2026-12-01 08:00 UTC, and fires no more."]


def test_one_whose_definition_cannot_be_read_has_notes_too() -> None:
    assert of(trigger(enabled=False, disabled_reason="Broken."), timezone="Nowhere") == [
        "The trigger t1 is off, and no slot after 2026-12-01 08:00 UTC is decided: Broken."
    ]


async def test_get_and_list_give_them_with_one_more_statement(url: str, keys: Keys) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api") as rota:
        said = news(triggers=[schedule("* * * * *")])
        name = (await rota.create(said)).name
        other = (await rota.create(news(triggers=[schedule("0 9 * * *", max_fires=1)]))).name
        for minute in range(3):  # nothing runs what is fired, so that it is still going
            clock.set(START + timedelta(seconds=30, minutes=minute))
            await rota.service.scheduler.fire_due(clock.now())

        (note,) = (await rota.get(name)).notes
        assert note.startswith("It runs less often than the trigger t says: two of its last three")
        request = pb.ListAutomationsRequest(parent="workspaces/w")
        # Who is a member is stored for each new token.
        token = keys.user_headers()
        await rota.call("ListAutomations", request, headers=token)
        async with see_statements(rota.service.db) as few:
            listed = (await rota.call("ListAutomations", request, headers=token)).automations
        assert {one.name: list(one.notes) for one in listed} == {name: [note], other: []}
        for _ in range(5):
            await rota.create(said)
        async with see_statements(rota.service.db) as many:
            await rota.call("ListAutomations", request, headers=token)
        assert len(many) == len(few)
