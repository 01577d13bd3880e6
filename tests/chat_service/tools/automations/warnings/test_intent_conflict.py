"""Sentences, schedules and what is said of both: half of them must stay silent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chat_service.tools.automations.warnings.intent_conflict import find_conflicts
from tests.support.oracles.growth import LINEAR, growth

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PARIS = "Europe/Paris"


def draft(*crons: str, zone: str = PARIS, prompt: str = "Do it.", **config: Any) -> dict[str, Any]:
    triggers = [
        {
            "trigger_id": f"t{n}",
            "type": "schedule",
            "config": {"cron": cron, "timezone": zone, **config},
        }
        for n, cron in enumerate(crons)
    ]
    plan = [{"step_id": "s", "action": "agent_task", "config": {"prompt": prompt}}]
    return {"definition": {"triggers": triggers, "plan": plan}}


def every(count: int, unit: str, anchor: str) -> dict[str, Any]:
    return {"every": {"count": count, "unit": unit, "anchor": anchor}}


def of(text: str, payload: dict[str, Any], *, is_new: bool = True, own: str = PARIS) -> list[str]:
    return find_conflicts(text, payload, zone=own, now=NOW, is_new=is_new)


DISAGREE = [
    ("Every Monday at 9, sum up the inbox.", "0 9 * * 2",
     "The words say Monday; this fires on Tuesday."),
    ("Each Friday at 17:00", "0 17 * * 1-5",
     "The words say Friday; this fires on Monday through Friday."),
    ("On Mondays and Thursdays at 9am, water the plants.", "0 9 * * 1",
     "The words say Monday and Thursday; this fires on Monday."),
    ("Every Monday, Wednesday and Friday at 7", "0 7 * * *",
     "The words say Monday, Wednesday and Friday; this fires on every day."),
    ("every weekday at 9", "0 9 * * *",
     "The words say Monday through Friday; this fires on every day."),
    ("Every day at 9, send the numbers.", "0 9 * * 1-5",
     "The words say every day; this fires on Monday through Friday."),
    ("Every weekend at 10", "0 10 * * 5,6",
     "The words say Saturday and Sunday; this fires on Friday and Saturday."),
    ("every Monday to Thursday at 8am", "0 8 * * 1-5",
     "The words say Monday, Tuesday, Wednesday and Thursday; this fires on Monday through Friday."),
    ("Every first Monday of the month at 9:00", "0 9 * * TUE#1",
     "The words say Monday; this fires on Tuesday."),
    ("Weekly on Sunday at 20:00", "0 20 * * 1", "The words say Sunday; this fires on Monday."),
    ("Every Monday at 9. If nothing is new, say so.", "0 9 * * 0",
     "The words say Monday; this fires on Sunday."),
    ("On Wednesday at 9, remind me", "0 9 3 12 *",
     "The words say Wednesday; this fires on Thursday."),
    ("every other Monday at 9", "0 9 * * 1",
     "The words say every 14 days; its slots come 7 days apart."),
    ("every 3 days at 9, water the plants", "0 9 */3 * *",
     "The words say every 3 days; its slots come 1 day apart."),
    ("Every day at 9am, send it.", "0 10 * * *",
     f"The words say 09:00; this fires at 10:00 {PARIS}."),
    ("Every day at 9:30 pm, send it.", "30 9 * * *",
     f"The words say 21:30; this fires at 09:30 {PARIS}."),
    ("Every day at noon", "0 0 * * *", f"The words say 12:00; this fires at 00:00 {PARIS}."),
    ("every day at midnight", "0 12 * * *", f"The words say 00:00; this fires at 12:00 {PARIS}."),
    ("At 9 every day", "0 8 * * *", f"The words say 09:00; this fires at 08:00 {PARIS}."),
    ("Every day at 09:00", "0 21 * * *", f"The words say 09:00; this fires at 21:00 {PARIS}."),
    ("every day at 7 in the morning", "0 19 * * *",
     f"The words say 07:00; this fires at 19:00 {PARIS}."),
    ("every day at 8 and 18", "0 9 * * *",
     f"The words say 08:00 and 18:00; this fires at 09:00 {PARIS}."),
    ("Every Monday at 12pm", "0 9 * * 1", f"The words say 12:00; this fires at 09:00 {PARIS}."),
    ("every day at 9am Tokyo time", "0 9 * * *",
     f"The words say 09:00 in Asia/Tokyo; this fires at 09:00 {PARIS}."),
    ("every day at 9am UTC", "0 9 * * *",
     f"The words say 09:00 in UTC; this fires at 09:00 {PARIS}."),
    ("every day at 9:00 (America/New_York)", "0 9 * * *",
     f"The words say 09:00 in America/New_York; this fires at 09:00 {PARIS}."),
    ("Each hour of the day, New York time", "0 * * * *",
     f"The words say America/New_York; this is in {PARIS}."),
    ("Check it every 15 minutes", "*/30 * * * *",
     "The words say every 15 minutes; its slots come 30 minutes apart."),
    ("every two hours, look at the queue", "0 */3 * * *",
     "The words say every 2 hours; its slots come 3 hours apart."),
    ("Every 5 minutes ping the site", "5 * * * *",
     "The words say every 5 minutes; its slots come 1 hour apart."),
    ("On the 15th of every month at 9", "0 9 1 * *",
     "The words say day 15 of the month; this fires on day 1."),
    ("Monthly on the 1st at 8am", "0 8 2 * *",
     "The words say day 1 of the month; this fires on day 2."),
]  # fmt: skip

SILENT = [
    ("Every Monday at 9, sum up the inbox.", "0 9 * * 1"),
    ("every weekday at 9", "0 9 * * 1-5"),
    ("Every weekday at 9am, send Friday's numbers", "0 9 * * MON-FRI"),
    ("twice a day", "0 9,17 * * *"),
    ("Twice a day, at 9 and 17", "0 8,16 * * *"),
    ("in 9 days", "0 9 9 12 *"),
    ("in 9 days, remind me", "0 12 9 12 *"),
    ("Every day at 9, list who is out on Monday", "0 9 * * *"),
    ("Every morning tell me which museums close on Mondays", "0 7 * * *"),
    ("Every day except Sunday at 9", "0 9 * * 1-6"),
    ("every day at 9 but not on Friday", "0 9 * * 0-4,6"),
    ("Every Monday at 9 and on the first day of each month", "0 9 1 * 1"),
    ("Every weekend at 10", "0 10 * * 6"),
    ("Every day at 9", "0 9 * * *"),
    ("Every day at 9", "0 21 * * *"),
    ("every evening at 9", "0 21 * * *"),
    ("between 9 and 17 every hour", "0 9-17 * * *"),
    ("from 9am to 5pm, every hour", "0 8-16 * * *"),
    ("Every day, before the 9am call, remind me", "45 8 * * *"),
    ("Remind me at 9am about the 2pm call", "0 9 * * *"),
    ("Remind me at 13:45 of the meeting at 14:00", "45 13 * * *"),
    ("Look at 9 shops", "0 8 * * *"),
    ("every day at 9am Paris time", "0 9 * * *"),
    ("every day at 8am UTC", "0 9 * * *"),
    ("every day at 5pm Tokyo time", "0 9 * * *"),
    ("every day at 9am Berlin time", "0 9 * * *"),
    ("Every day at 8, the weather in New York", "0 8 * * *"),
    ("every day at lunch time", "0 12 * * *"),
    ("it is time for Tokyo", "0 12 * * *"),
    ("Check it every 15 minutes", "*/15 * * * *"),
    ("every 15 minutes between 9 and 17", "*/15 9-16 * * *"),
    ("Remind me at 9 to stretch every 2 hours", "0 9 * * *"),
    ("On the 15th of every month at 9", "0 9 15 * *"),
    ("On the 31st of every month", "0 9 L * *"),
    ("quarterly, at half past nine", "30 9 1 */3 *"),
    ("half past 9 every day", "30 9 * * *"),
    ("by 9am every day", "30 8 * * *"),
    ("on Wednesday at 18:00", "0 18 2 12 *"),
    ("Monthly on the 1st, at 9am on a weekday", "0 9 1 * *"),
    ("every second Friday of the month at 9", "0 9 * * FRI#2"),
    ("next Friday at 10", "0 10 4 12 *"),
    ("Tomorrow at 9, ask for the plan on Friday", "0 9 1 12 *"),
    ("Monday's report, every Tuesday", "0 9 * * 2"),
    ("Jeden Montag um 9 Uhr", "0 10 * * 2"),
    ("Tous les lundis à 9h", "0 10 * * 2"),
    ("Cada lunes a las 9:00", "0 10 * * 2"),
    ("毎週月曜日の9時", "0 10 * * 2"),
    ("hver mandag, at 9 personer er der", "0 10 * * 2"),
    ("", "0 9 * * *"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cron", "said"), DISAGREE, ids=lambda value: str(value)[:40])
def test_a_schedule_that_is_not_what_the_words_say_is_said(text: str, cron: str, said: str) -> None:
    assert of(text, draft(cron)) == [said]


@pytest.mark.parametrize(("text", "cron"), SILENT, ids=lambda value: str(value)[:40])
def test_a_schedule_that_may_be_what_the_words_say_is_not(text: str, cron: str) -> None:
    assert of(text, draft(cron)) == []


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("every other Monday at 9", every(2, "weeks", "2026-12-07T09:00"), ""),
        ("fortnightly on Monday at 9", every(2, "weeks", "2026-12-07T09:00"), ""),
        ("every 3 days at 9", every(3, "days", "2026-12-01T09:00"), ""),
        ("every 90 minutes", every(90, "minutes", "2026-12-01T09:00"), ""),
        ("on Wednesday at 18:00", {"at": "2026-12-02T18:00"}, ""),
        ("the last Friday of each month at 9", {"cron": "0 9 * * 5L"}, ""),
        ("on the last working day of the month at 9", {"cron": "0 9 LW * *"}, ""),
        (
            "every other Monday at 9",
            every(2, "weeks", "2026-12-08T09:00"),
            "The words say Monday; this fires on Tuesday.",
        ),
        (
            "every other Monday at 9",
            every(14, "days", "2026-12-07T10:00"),
            "The words say 09:00; this fires at 10:00 Europe/Paris.",
        ),
        (
            "every 3 days at 9",
            every(2, "days", "2026-12-01T09:00"),
            "The words say every 3 days; its slots come 2 days apart.",
        ),
        (
            "every 90 minutes",
            every(60, "minutes", "2026-12-01T09:00"),
            "The words say every 90 minutes; its slots come 1 hour apart.",
        ),
        (
            "on Wednesday at 18:00",
            {"at": "2026-12-03T18:00"},
            "The words say Wednesday; this fires on Thursday.",
        ),
    ],
    ids=str,
)
def test_each_form_of_a_schedule_is_held_to_the_words(
    text: str, form: dict[str, Any], said: str
) -> None:
    payload = draft("0 9 * * *")
    payload["definition"]["triggers"][0]["config"] = {"timezone": PARIS, **form}
    assert of(text, payload) == ([said] if said else [])


def test_a_schedule_may_be_kept_on_another_clock() -> None:
    text = "Every Monday at 8am, sum up the week."
    tokyo = draft("0 23 * * 0", zone="UTC")
    assert of(text, tokyo, own="Asia/Tokyo") == []
    assert of("Every Monday at 9am, sum it up.", tokyo, own="Asia/Tokyo") == [
        "The words say 09:00; this fires at 23:00 UTC."
    ]


def test_the_days_of_a_change_may_be_of_one_trigger() -> None:
    both = draft("0 9 * * 1", "0 9 * * 4")
    assert of("Also run it every Thursday at 9", both, is_new=False) == []
    assert of("Run it every Sunday at 9", both, is_new=False) == [
        "The words say Sunday; this fires on Monday and Thursday."
    ]


@pytest.mark.parametrize(
    ("text", "prompt", "said"),
    [
        ("Send me 10 stories", "Choose 5 stories.",
         "The words say 10 stories; the draft says 5 stories."),
        ("Send me ten stories", "Choose five stories.",
         "The words say 10 stories; the draft says 5 stories."),
        ("Write to ada@example.com", "Write to eda@example.com.",
         "The words have ada@example.com; the draft has eda@example.com instead."),
        ("Read https://example.com/a daily", "Read https://example.com/b.",
         "The words have example.com/a; the draft has example.com/b instead."),
        ("Send me 10 stories", "Choose ten stories.", ""),
        ("Send me 10 stories", "Collect 20 stories and choose the best 10.", ""),
        ("Send me 10 stories", "Choose some stories.", ""),
        ("Send me 10 stories", "Choose 5 headlines.", ""),
        ("Of the last 7 days", "Of the last 168 hours.", ""),
        ("The last 24 hours", "The last 2 hours of it.", ""),
        ("Change 5 stories to 10 stories", "Choose 10 stories.", ""),
        ("About 1.5 litres, version 3.2", "About 2 litres.", ""),
        ("Write to Ada@Example.com", "Write to ada@example.com.", ""),
        ("Write to ada@example.com", "Write to {{ inputs.to }}.", ""),
        ("Write to Ada", "Write to ada@example.com.", ""),
        ("Read www.example.com", "Read https://example.com/.", ""),
        ("Read https://www.example.com/a/", "Read http://example.com/a.", ""),
        ("Read https://example.com", "Read https://example.com/feed.xml.", ""),
        ("Schick mir 10 Artikel", "Wähle zehn Artikel.", ""),
    ],
)  # fmt: skip
def test_numbers_and_addresses_of_the_draft_are_those_of_the_words(
    text: str, prompt: str, said: str
) -> None:
    assert of(text, draft("0 9 * * *", prompt=prompt)) == ([said] if said else [])


@pytest.mark.parametrize(
    "part",
    ["every ", "at 9 and ", "1 ", "a@b.", "every monday to ", "10 stories ", "a.", "9 am - "],
)
def test_the_time_does_not_grow_faster_than_the_text(part: str) -> None:
    long = draft("0 9 * * 1", prompt=(part * 8_000)[:7_900])

    def read(size: int) -> None:
        of((part * size)[:size], draft("0 9 * * 1", prompt=(part * size)[: 4 * size - 100]))

    assert growth(read, 500) < LINEAR
    assert of(f"every Monday {part * 2_000}", long) == []
