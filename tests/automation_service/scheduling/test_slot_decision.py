"""What is decided of due slots, without a database."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from automation_service import definitions
from automation_service.persistence.records import Trigger
from automation_service.persistence.slot_dispatch import ActiveRuns, LockedAutomation
from automation_service.scheduling import slot_decision
from shared.definition.envelope import AutomationCreate, dump
from shared.definition.states import AutomationStatus, SlotOutcome, TriggerType
from shared.json.canonical_json import canonical_bytes
from tests.support.system.automation import START, news, schedule

MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)
TRIGGER = UUID("0190a0a0-0000-7000-8000-000000000001")


def decided(now: datetime, *, since: datetime = START, **config: Any) -> list[tuple[str, str]]:
    """Local time and outcome of each slot that is due."""
    said = news(triggers=[schedule(**config)], execution={"concurrency": "always"})
    definition = dump(AutomationCreate.model_validate(said).definition)
    owner = LockedAutomation(
        id=UUID(int=1),
        workspace="w",
        resource_id="a",
        status=AutomationStatus.ACTIVE,
        update_time=START,
        definition=canonical_bytes(definition).decode(),
    )
    trigger = Trigger(
        id=TRIGGER,
        trigger_id="t",
        type=TriggerType.SCHEDULE,
        enabled=True,
        decided_until=since,
        next_fire_time=since,
        tzdata_version="",
        create_time=since,
    )
    plan = definitions.parse(owner.definition)
    outcome = slot_decision.decide_slots(
        owner, plan, trigger, ActiveRuns(), slot_decision.SlotPolicy(), now
    )
    return [(d.row.local_time[11:], d.row.outcome.value) for d in outcome.decisions]


def at(hour: int, minute: int, second: float = 0) -> datetime:
    return START.replace(hour=hour, minute=minute, second=0) + timedelta(seconds=second)


@pytest.mark.parametrize("late", [0, 9, 59])
def test_a_slot_is_on_time_within_a_minute_when_no_newer_one_is_due(late: int) -> None:
    assert decided(FIRST + timedelta(seconds=late)) == [("08:00", SlotOutcome.FIRED)]


def test_of_two_due_slots_only_the_newer_one_runs() -> None:
    found = decided(FIRST + MINUTE)
    assert found == [("08:00", SlotOutcome.MISSED), ("08:01", SlotOutcome.FIRED)]


# With this jitter the slot of 8:04 comes due at 8:05:49, and so does that of 8:05.
CROWDED: dict[str, Any] = {"since": at(8, 3), "jitter_seconds": 120}


def test_slots_that_jitter_brings_together_all_run_when_a_tick_finds_them() -> None:
    assert decided(at(8, 5, 48), **CROWDED) == []
    for late in (0, 5):
        found = decided(at(8, 5, 49 + late), **CROWDED)
        assert found == [("08:04", SlotOutcome.FIRED), ("08:05", SlotOutcome.FIRED)]


def test_of_slots_that_jitter_brought_together_only_the_newer_runs_after_a_downtime() -> None:
    found = decided(at(8, 6, 19), **CROWDED)
    assert found == [("08:04", SlotOutcome.MISSED), ("08:05", SlotOutcome.FIRED)]
    found = decided(at(8, 5, 49) + timedelta(hours=1), cron="4,5 8 * * *", **CROWDED)
    assert found == [("08:04", SlotOutcome.MISSED), ("08:05", SlotOutcome.MISSED)]


def test_jitter_carries_no_slot_past_the_end_of_its_schedule() -> None:
    crowded = {**CROWDED, "end_time": at(8, 5).isoformat()}
    assert decided(at(8, 4, 59), **crowded) == []
    found = decided(at(8, 5), **crowded)
    assert found == [("08:04", SlotOutcome.FIRED), ("08:05", SlotOutcome.FIRED)]


def test_of_more_due_slots_than_one_pass_decides_the_latest_is_none_of_the_first() -> None:
    found = decided(FIRST + 700 * MINUTE, catchup_window_seconds=86_400)
    assert len(found) == 500
    assert {outcome for _, outcome in found} == {SlotOutcome.MISSED}
