"""Schedules of one automation that meet, and runs that last past the next slot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chat_service.tools.automations.warnings.overlap import find_overlaps
from tests.support.oracles.growth import LINEAR, growth

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def trigger(id: str, cron: str, zone: str = "UTC", **more: Any) -> dict[str, Any]:
    return {
        "trigger_id": id,
        "type": "schedule",
        "config": {"cron": cron, "timezone": zone, **more},
    }


def of(*triggers: dict[str, Any], **execution: Any) -> list[str]:
    return list(find_overlaps(triggers, execution, NOW))


@pytest.mark.parametrize(
    ("triggers", "said"),
    [
        (
            (("a", "0 9 * * *"), ("b", "0 9 * * MON")),
            "The triggers a and b fire in the same minute whenever b fires, first at "
            "2026-12-07 09:00 UTC",
        ),
        (
            (("a", "0 9 1 1 *"), ("b", "0 */3 * * *")),
            "The triggers a and b fire in the same minute whenever a fires, first at "
            "2027-01-01 09:00 UTC",
        ),
        (
            (("a", "0 9 * * MON-FRI"), ("b", "0 9 * * 2,6")),
            "The triggers a and b fire in the same minute, first at 2026-12-01 09:00 UTC",
        ),
        (  # one moment on two clocks
            (("a", "0 9 * * *", "Europe/Paris"), ("b", "0 17 * * *", "Asia/Tokyo")),
            "The triggers a and b fire in the same minute, first at 2026-12-01 09:00 Europe/Paris",
        ),
    ],
)
def test_triggers_that_meet_are_said(triggers: tuple[tuple[str, ...], ...], said: str) -> None:
    found = of(*(trigger(*each) for each in triggers), timeout_seconds=60)
    assert found == [f"{said}: one of the two runs, and the slot of the other is skipped."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (trigger("a", "0 9 * * *"), trigger("b", "0 10 * * *")),
        (trigger("a", "0 9 * * 1-5"), trigger("b", "0 9 * * 0,6")),
        (trigger("a", "0 9 1 * *"), trigger("b", "0 9 15 * *")),
        (trigger("a", "0 9 * * *", "Asia/Tokyo"), trigger("b", "0 9 * * *", "Europe/Paris")),
        (trigger("a", "0 9 * * *", jitter_seconds=900), trigger("b", "0 9 * * 1")),
        (trigger("a", "0 9 * * *", max_fires=3), trigger("b", "0 9 14 12 *")),
        (trigger("a", "0 9 * * *", end_time="2026-12-10T00:00:00Z"), trigger("b", "0 9 14 12 *")),
        (trigger("a", "0 9 * * *", start_time="2026-12-20T00:00:00Z"), trigger("b", "0 9 14 12 *")),
        (trigger("a", "0 9 29 2 *"), trigger("b", "0 9 * * *")),  # in more than a year
    ],
)
def test_triggers_that_do_not_meet_are_not(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert of(first, second) == of(second, first) == []


def test_what_becomes_of_it_goes_by_the_policy() -> None:
    both = trigger("a", "0 9 * * *"), trigger("b", "0 9 * * *")
    assert of(*both, concurrency="queue")[0].endswith(": one of the two waits for the other.")
    assert of(*both, concurrency="always")[0].endswith(": both run at once.")
    replaced = ": the run of one replaces the run of the other."
    assert of(*both, concurrency="cancel_running")[0].endswith(replaced)


@pytest.mark.parametrize(
    ("crons", "seconds", "policy", "said"),
    [
        (("*/5 * * * *",), 600, "drop_if_running",
         "5 minutes apart, and a run may take 10 minutes: "
         "a slot that comes while a run goes on is skipped."),
        (("0 9 * * *", "30 9 * * *"), 3_600, "queue",
         "30 minutes apart, and a run may take 1 hour: "
         "a slot that comes while a run goes on waits in line."),
        (("* * * * *",), 90, "always",
         "1 minute apart, and a run may take 90 seconds: "
         "a slot that comes while a run goes on runs beside it."),
        (("* * * * *",), 90, "cancel_running",
         "1 minute apart, and a run may take 90 seconds: "
         "a slot that comes while a run goes on cancels it and runs after its end."),
        (("0 9 * * *",), 86_400, "queue", ""),
        (("*/10 * * * *",), 600, "drop_if_running", ""),
    ],
)  # fmt: skip
def test_runs_that_may_last_past_the_next_slot_are_said(
    crons: tuple[str, ...], seconds: int, policy: str, said: str
) -> None:
    triggers = [trigger(f"t{n}", cron) for n, cron in enumerate(crons)]
    found = of(*triggers, timeout_seconds=seconds, concurrency=policy)
    assert found == ([f"Slots come {said}"] if said else [])


def test_the_time_of_on_failure_is_counted_beside_that_of_the_plan() -> None:
    every_ten = trigger("a", "*/10 * * * *")
    assert of(every_ten, timeout_seconds=300) == of(every_ten, timeout_seconds=300, on_failure=[])
    assert of(every_ten, timeout_seconds=300, on_failure=[{"step_id": "tell"}]) == []
    assert of(every_ten, timeout_seconds=301, on_failure=[{"step_id": "tell"}]) == [
        "Slots come 10 minutes apart, and a run may take 301 seconds and 5 minutes more for "
        "on_failure: a slot that comes while a run goes on is skipped."
    ]


def test_many_triggers_take_little_time_and_few_sentences() -> None:
    many = [trigger(f"t{n}", f"*/{n + 1} * * * *", ("UTC", "Asia/Tokyo")[n % 2]) for n in range(20)]
    found = of(*many)
    assert growth(lambda count: of(*many[:count]), 5) < LINEAR
    assert len(found) == 5
    assert found[3].endswith("more pairs of its triggers fire in the same minute.")
