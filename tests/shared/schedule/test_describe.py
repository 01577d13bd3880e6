"""A schedule in English."""

import pytest

from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.description import describe, notes


def _config(cron: str, **more: str | int) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"cron": cron, "timezone": "Europe/Paris", **more})


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 9 * * 1-5", "At 09:00 on Monday through Friday, Europe/Paris"),
        ("0 9 * * mon-fri", "At 09:00 on Monday through Friday, Europe/Paris"),
        ("30 8,17 * * *", "At 08:30 and 17:30, Europe/Paris"),
        ("* * * * *", "Every minute, Europe/Paris"),
        ("*/5 * * * *", "Every 5 minutes, Europe/Paris"),
        ("0 * * * *", "Every hour, Europe/Paris"),
        ("15 * * * *", "Every hour at 15 past, Europe/Paris"),
        ("0 */2 * * *", "Every 2 hours, Europe/Paris"),
        ("0 9 1 * *", "At 09:00 on day 1 of the month, Europe/Paris"),
        ("0 9 L * *", "At 09:00 on the last day of the month, Europe/Paris"),
        ("0 9 * * MON#1", "At 09:00 on the first Monday of the month, Europe/Paris"),
        ("0 9 * 1,7 *", "At 09:00 in January and July, Europe/Paris"),
        ("0 9 13 * 5", "At 09:00 on day 13 of the month or on Friday, Europe/Paris"),
        ("0 9 * * 0,6", "At 09:00 on Sunday and Saturday, Europe/Paris"),
        ("0 9 * * 6-7", "At 09:00 on Saturday through Sunday, Europe/Paris"),
        # steps that don't divide evenly start anew each hour: no plain sentence is true
        ("*/7 * * * *", "At the times of '*/7 * * * *', Europe/Paris"),
        ("0 9-17 * * *", "At the times of '0 9-17 * * *', Europe/Paris"),
    ],
)
def test_common_shapes_read_as_a_sentence(cron: str, sentence: str) -> None:
    assert describe(_config(cron)) == sentence


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 13 * 5", "days that match either"),
        ("0 9 1-31/2 * 5", "days that match either"),
        ("0 9 */2 * 5", "only on days that match both"),
        ("0 9 */2 * 1#2", "only on days that match both"),
        ("0 9 13 * */2", "only on days that match both"),
        ("0 9 13 * 0-6", "The day of week names every day"),
        ("0 9 1-31 * 5", "The day of month names every day"),
        ("0 9 */2 * 0-6", None),
        ("0 9 * * 5", None),
        ("0 9 13 * *", None),
        ("0 9 1-31 * 0-6", None),
    ],
)
def test_what_two_kinds_of_days_mean_is_said(expression: str, words: str | None) -> None:
    found = notes(_config(expression))
    assert [words in note for note in found] == [True] if words else found == []


def test_days_that_some_months_lack_are_said() -> None:
    assert any("lack" in note for note in notes(_config("0 9 31 * *")))


def test_unusual_rules_for_clock_changes_are_said() -> None:
    found = notes(_config("0 9 * * *", on_gap="skip", on_fold="both"))
    assert len(found) == 2


def test_a_schedule_that_ends_by_itself_is_said_to() -> None:
    assert notes(_config("0 9 * * *", max_fires=1)) == ["It fires once, then no more."]
    assert notes(_config("0 9 * * *", max_fires=3)) == ["It fires at most 3 times, then no more."]
