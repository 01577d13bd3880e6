"""How often a schedule runs in a month, beside every one of its slots."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.frequency import count_runs
from shared.schedule.slots import slots_after

MONDAY = datetime(2026, 11, 23, 8, 30, 15, tzinfo=UTC)
FRIDAY = MONDAY + timedelta(days=4)
BEFORE_THE_GAP = datetime(2027, 3, 26, 8, tzinfo=UTC)  # clocks of Paris go forward on the 28th
MONTH = timedelta(days=30)
IN_TEN_DAYS = (MONDAY + timedelta(days=10)).isoformat()


def schedule(cron: str, zone: str = "UTC", **more: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"cron": cron, "timezone": zone, **more})


def every(count: int, unit: str, anchor: str, **more: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate(
        {"every": {"count": count, "unit": unit, "anchor": anchor}, "timezone": "UTC", **more}
    )


def really(config: ScheduleTriggerConfig, start: datetime) -> int:
    fires = 0
    for slot in slots_after(config, start):
        if slot.fire_time > start + MONTH:
            break
        fires += not slot.skipped
    return min(fires, config.max_fires or fires)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (schedule("*/5 9-17 * * 1-5"), MONDAY),
        (schedule("*/5 9-17 * * 1-5"), FRIDAY),
        (schedule("*/5 9-17 * * 1-5", "Asia/Kathmandu"), FRIDAY),
        (schedule("* * 1 * *"), MONDAY),
        (schedule("*/2 0-3 1,L * *"), MONDAY),
        (schedule("*/10 * 13 * FRI"), MONDAY),
        (schedule("*/3 8 * * 1#2,3#1"), MONDAY),
        (schedule("*/3 * * DEC *", "Pacific/Kiritimati"), MONDAY),
        (schedule("*/4 * * * *", start_time=IN_TEN_DAYS), MONDAY),
        (schedule("*/4 * * * *", end_time=IN_TEN_DAYS), MONDAY),
        (schedule("*/4 * * * *", max_fires=300), MONDAY),
        (every(7, "minutes", "2020-01-01T00:03"), MONDAY),
        (every(7, "minutes", "2026-12-01T00:03"), MONDAY),
        (every(7, "minutes", "2020-01-01T00:03", excluded_dates=["2026-12-24"]), MONDAY),
        (every(7, "minutes", "2020-01-01T00:03", start_time=IN_TEN_DAYS, max_fires=900), MONDAY),
        (every(1, "minutes", "2020-01-01T00:00", excluded_dates=["2026-11-23"]), MONDAY),
        (every(36, "hours", "2020-01-01T00:03", excluded_dates=["2026-12-24"]), MONDAY),
        (schedule("*/4 * * * *", excluded_dates=["2026-11-23", "2026-12-02"]), MONDAY),
        (schedule("*/4 * 1-20 * MON", day_match="all"), MONDAY),
        (ScheduleTriggerConfig(at="2026-12-01T09:00", timezone="UTC"), MONDAY),
        # seldom enough to be counted, with what a clock change does
        (schedule("30 2 * * *", "Europe/Paris", on_gap="skip"), BEFORE_THE_GAP),
        (schedule("0 9 29 2 *"), MONDAY),
        (schedule("0 9 * * *", max_fires=3), MONDAY),
        (schedule("0 * * * *", end_time=IN_TEN_DAYS, max_fires=1), MONDAY),
    ],
    ids=lambda value: (
        value.cron or "" if isinstance(value, ScheduleTriggerConfig) else f"{value:%a}"
    ),
)
def test_a_month_has_as_many_runs_as_slots(config: ScheduleTriggerConfig, start: datetime) -> None:
    assert count_runs(config, start, start + MONTH) == really(config, start)


def test_a_clock_change_within_the_slots_that_are_looked_at_stands_for_itself_only() -> None:
    config = schedule("* 2 * * *", "Europe/Paris")  # on the 28th its sixty times fire as one
    runs = count_runs(config, BEFORE_THE_GAP, BEFORE_THE_GAP + MONTH)
    assert 0 <= runs - really(config, BEFORE_THE_GAP) < 60
