"""The next fire that is shown of a trigger, where clock changes skip slots."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from automation_service.definitions import parse_schedule
from automation_service.persistence.records import Automation
from automation_service.scheduling import slot_skips
from automation_service.scheduling.due_slots import DueSlots, find_due_slots
from automation_service.scheduling.ledger import Slots
from automation_service.scheduling.triggers import build_trigger
from shared import errors
from shared.clock import ManualClock
from shared.definition.envelope import TriggerSpec
from shared.definition.states import AutomationStatus
from tests.support.oracles.slot_oracle import draw

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def owner_of(config: dict[str, Any], now: datetime) -> Automation:
    """One with a trigger of a schedule that begins now."""
    spec = TriggerSpec.model_validate({"trigger_id": "t", "type": "schedule", "config": config})
    return Automation(
        id=cast(Any, None), workspace="w", resource_id="a", creator=None, name="A", description="",
        status=AutomationStatus.ACTIVE, revision=1, version=1, create_time=now, update_time=now,
        definition={"triggers": [{"trigger_id": "t", "type": "schedule", "config": config}]},
        triggers=(build_trigger(spec, now),),
    )  # fmt: skip


def previewed(config: dict[str, Any], now: datetime) -> datetime | None:
    ledger = Slots(db=cast(Any, None), clock=ManualClock(now), retention=timedelta(days=1))
    found = ledger.preview(config, None, 100)
    fire = next((slot.fire_time for slot in found.slots if not slot.skipped), None)
    assert any("It never fires" in note for note in found.notes) == (fire is None)
    return fire


def assert_shown_as_previewed(config: dict[str, Any], now: datetime) -> None:
    owner = owner_of(config, now)
    [trigger] = owner.triggers
    slot = slot_skips.find_next_slot(owner, trigger)
    shown = slot_skips.find_next_fire_time(owner, trigger)
    assert shown == (slot.fire_time if slot else None) == previewed(config, now), config
    if slot is None and trigger.next_fire_time is not None:
        assert slot_skips.is_skipped_for_good(owner, trigger)
        with pytest.raises(errors.NoSlotLeft):
            slot_skips.add_next_slot(
                owner, now, trigger_id=None, slot_time=None, user="ada", note=""
            )


@pytest.mark.parametrize(
    "form",
    [
        {"cron": "30 2 * * *"},
        {"cron": "30 2 28 3 *"},
        {"cron": "30 2 * 3 0L"},
        {"cron": "15,30 2 * 3 0L"},
        {"every": {"unit": "weeks", "count": 52, "anchor": "2027-03-28T02:30"}},
        {"at": "2027-03-28T02:30"},
        {"at": "2020-03-28T02:30"},
    ],
    ids=str,
)
@pytest.mark.parametrize("now", [NOW, datetime(2027, 3, 27, 12, tzinfo=UTC)], ids=str)
def test_the_next_fire_is_the_first_slot_of_the_preview_that_is_not_skipped(
    form: dict[str, Any], now: datetime
) -> None:
    assert_shown_as_previewed({"timezone": "Europe/Paris", "on_gap": "skip", **form}, now)


def test_the_next_fire_of_any_schedule_is_the_first_of_its_preview() -> None:
    chance = random.Random(17)
    for _ in range(200):
        case = replace(draw(chance), on_gap="skip")
        said = case.config.model_dump(mode="json", exclude_defaults=True)
        assert_shown_as_previewed(said, case.start)


def test_triggers_of_one_schedule_share_what_is_due_unless_jitter_parts_them() -> None:
    def due(seed: str, **more: int) -> DueSlots:
        config = parse_schedule({"cron": "0 * * * *", "timezone": "UTC", **more})
        after = datetime(2027, 3, 1, tzinfo=UTC)
        now = after + timedelta(hours=3, minutes=30)
        return find_due_slots(config, seed, after, now, reach=timedelta(hours=1))

    assert due("a") is due("b")
    assert due("a") == due("a", catchup_window_seconds=5)
    assert due("a", jitter_seconds=3600) != due("b", jitter_seconds=3600)


def test_an_invalid_schedule_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="cron"):
            parse_schedule({"cron": "* * *", "timezone": "UTC"})
