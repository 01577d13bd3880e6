"""What may surprise in a schedule."""

import pytest

from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.notes import find_notes

GIVEN = "Day of month and day of week are both given"
EITHER = f"{GIVEN}: it fires on days that match either."
BOTH = f"{GIVEN}, and one starts with *: it fires only on days that match both."
LACK = "Months that lack the day are left out."
WORKING = "A working day is Monday through Friday, also if it is a holiday."
SIXTY = "Its minute is *: it fires 60 times in each of its hours."
NO_STEP = "; Debian's cron has no step after a single value."


def config(cron: str, **more: str | int) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"cron": cron, "timezone": "Europe/Paris", **more})


@pytest.mark.parametrize(
    ("expression", "notes"),
    [
        (
            "0 9 13 * 5",
            [EITHER],
        ),
        (
            "0 9 1,15 * 1#2",
            [EITHER],
        ),
        (
            "0 9 */15 * 5",
            [
                BOTH,
                "*/15 of the day of month starts anew each month.",
                LACK,
            ],
        ),
        (
            "0 9 13 * */3",
            [
                BOTH,
                "*/3 of the day of week starts anew each week.",
                LACK,
            ],
        ),
        (
            "0 9 13 * 0-6",
            ["The day of week names every day, so that the day of month leaves none out."],
        ),
        (
            "0 9 1-31 * 5",
            ["The day of month names every day, so that the day of week leaves none out."],
        ),
        ("0 9 */2 * 0-6", ["*/2 of the day of month starts anew each month."]),
        ("0 9 * * 5", []),
        ("0 9 13 * *", []),
        ("0 9 1-31 * 0-6", []),
        # steps that do not fill the whole
        ("*/45 * * * *", ["*/45 of the minute starts anew each hour."]),
        (
            "*/7 */5 * */5 *",
            [
                "*/7 of the minute starts anew each hour.",
                "*/5 of the hour starts anew each day.",
                "*/5 of the month starts anew each year.",
            ],
        ),
        ("*/15 */6 * */3 *", []),
        (
            "3/15 * * * *",
            [f"3/15 of the minute means from 3 through 59{NO_STEP}"],
        ),
        (
            "0 9 * 2/3 7/6",
            [
                f"2/3 of the month means from 2 through DEC{NO_STEP}",
                "7/6 of the day of week starts anew each week.",
                f"7/6 of the day of week means from SUN through SAT{NO_STEP}",
            ],
        ),
        # the classic slip
        ("* 9 * * *", [SIXTY]),
        ("0-59 9-17 * * *", [SIXTY]),
        ("* * * * *", []),
        # months without such a day
        ("0 9 31 * *", [LACK]),
        ("0 9 29 * *", [LACK]),
        ("0 9 29-31 2 *", [LACK]),
        ("0 9 * * 5#5", [LACK]),
        ("0 9 31 1,3 *", []),
        ("0 9 30 4-12 *", []),
        ("0 9 1,31 * *", []),
        ("0 9 31,L * *", []),
        ("0 9 * * 5#4,5#5", []),
        ("0 9 * * 5L", []),
        ("0 9 L-3 * *", []),
        ("0 9 L-29 * *", [LACK]),
        ("0 9 LW * *", [WORKING]),
        ("0 9 30W * *", [WORKING, LACK]),
    ],
)
def test_what_may_surprise_is_said(expression: str, notes: list[str]) -> None:
    assert find_notes(config(expression)) == notes


def test_which_days_match_is_said() -> None:
    nothing = "day_match changes nothing: at most one of day of month and day of week is given."
    assert find_notes(config("0 9 13 * 5", day_match="any")) == [EITHER]
    both = f"{GIVEN}, and day_match is all: it fires only on days that match both."
    assert find_notes(config("0 9 13 * 5", day_match="all")) == [both, LACK]
    assert find_notes(config("0 9 * * 5", day_match="all")) == [nothing]
    assert find_notes(config("0 9 13 * *", day_match="any")) == [nothing]


@pytest.mark.parametrize(
    ("count", "unit", "zone", "said"),
    [
        (90, "minutes", "Europe/Paris", True),
        (36, "hours", "Europe/Paris", True),
        (15, "minutes", "Europe/Paris", False),
        (1, "hours", "Europe/Paris", False),
        (90, "minutes", "Asia/Tokyo", False),
        (2, "days", "Europe/Paris", False),
    ],
)
def test_elapsed_time_is_said_where_a_clock_change_moves_its_local_times(
    count: int, unit: str, zone: str, said: bool
) -> None:
    every = {"unit": unit, "count": count, "anchor": "2027-03-01T09:00"}
    schedule = ScheduleTriggerConfig.model_validate({"every": every, "timezone": zone})
    moved = "It goes by elapsed time: after a clock change its local times are other ones."
    assert find_notes(schedule) == ([moved] if said else [])


def test_unusual_rules_for_clock_changes_are_said() -> None:
    found = find_notes(config("0 9 * * *", on_gap="skip", on_fold="both"))
    assert len(found) == 2


def test_a_schedule_that_ends_by_itself_is_said_to() -> None:
    once, thrice = config("0 9 * * *", max_fires=1), config("0 9 * * *", max_fires=3)
    assert find_notes(once) == ["It fires once, then no more."]
    assert find_notes(thrice) == ["It fires at most 3 times, then no more."]
