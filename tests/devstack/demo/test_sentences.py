"""Sentences that the demo model reads, and those of which it asks instead of dropping words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from devstack.demo.management import MANAGEMENT_TOOLS, parse_management_call
from devstack.demo.replies import answer
from devstack.demo.request import parse
from devstack.demo.schedules.schedule import ClarifyingQuestion, Schedule, ScheduleRefusal
from devstack.demo.schedules.schedule_parser import parse_schedule

NOW = datetime(2026, 11, 22, 16, 0, 30, tzinfo=UTC)  # a Sunday
PASSPORT = "renew the passport"
READ: list[tuple[str, dict[str, Any], str]] = [
    ("remind me on 3 March at 9 to nap", {"at": "2027-03-03T09:00"}, "remind me to nap"),
    (f"on 3 March 2028 at 9 {PASSPORT}", {"at": "2028-03-03T09:00"}, PASSPORT),
    (f"on the 3rd of March at 9:30 {PASSPORT}", {"at": "2027-03-03T09:30"}, PASSPORT),
    (f"March 3 at 9 {PASSPORT}", {"at": "2027-03-03T09:00"}, PASSPORT),
    (f"{PASSPORT} on March 3rd, 2027 at 9", {"at": "2027-03-03T09:00"}, PASSPORT),
    ("On 24 December at 9 tell me a joke", {"at": "2026-12-24T09:00"}, "tell me a joke"),
    ("on 22 November at 9 nap", {"at": "2027-11-22T09:00"}, "nap"),  # past for this year
    ("on 29 Feb at 9 nap", {"at": "2028-02-29T09:00"}, "nap"),
    ("on Thursday, 24 December at 9 nap", {"at": "2026-12-24T09:00"}, "nap"),
    ("every year on 3 March at 9 nap", {"cron": "0 9 3 3 *"}, "nap"),
    ("Every first Monday of the month at 10 nap", {"cron": "0 10 * * 1#1"}, "nap"),
    ("on the second Tuesday of every month at 10 nap", {"cron": "0 10 * * 2#2"}, "nap"),
    ("nap on the third Sunday of each month at 9", {"cron": "0 9 * * 0#3"}, "nap"),
    ("Every last Friday of the month at 16:00 nap", {"cron": "0 16 * * 5L"}, "nap"),
    ("on the last day of every month at 9 nap", {"cron": "0 9 L * *"}, "nap"),
    ("Every weekday except Friday at 9 nap", {"cron": "0 9 * * 1,2,3,4"}, "nap"),
    ("every day except Sundays at 9 nap", {"cron": "0 9 * * 1,2,3,4,5,6"}, "nap"),
    ("Every day at 9 except on weekends nap", {"cron": "0 9 * * 1,2,3,4,5"}, "nap"),
    (
        "Every weekday at 9 nap, but not on 24 December",
        {"cron": "0 9 * * 1-5", "excluded_dates": ["2026-12-24"]},
        "nap",
    ),
    (
        "Every day at 9, not on 24 December and 1 January 2028, nap",
        {"cron": "0 9 * * *", "excluded_dates": ["2026-12-24", "2028-01-01"]},
        "nap",
    ),
    (
        "every 3 days at 9 nap, not on 24 December",
        {
            "every": {"unit": "days", "count": 3, "anchor": "2026-11-23T09:00"},
            "excluded_dates": ["2026-12-24"],
        },
        "nap",
    ),
    # Words of the task that only look like a part of the schedule.
    ("every day at 9 read the Sales/Marketing page", {"cron": "0 9 * * *"}, "read the "
     "Sales/Marketing page"),
    ("every Friday at 9 plan next week", {"cron": "0 9 * * 5"}, "plan next week"),
    ("every day at 8, the last news", {"cron": "0 8 * * *"}, "the last news"),
    ("every day at 9 today's news", {"cron": "0 9 * * *"}, "today's news"),
    ("every day at 9 march to work", {"cron": "0 9 * * *"}, "march to work"),
    ("every day at 9 call Bob on Monday", {"cron": "0 9 * * *"}, "call Bob on Monday"),
]  # fmt: skip
UNREAD = [
    ("Every Sunday at 9 in Atlantis tell me a joke", "in Atlantis"),
    ("In Atlantis, every Sunday at 9 tell me a joke", "In Atlantis"),
    ("Every Sunday at 9 Atlantis time tell me a joke", "Atlantis time"),
    ("Every Sunday at 9 in Mars/Base tell me a joke", "in Mars/Base"),
    ("Every Sunday at 9 CET tell me a joke", "CET"),
    ("Every Sunday at 9 UTC+2 tell me a joke", "UTC+2"),
    ("every day at 9 until 24 December tell me a joke", "until 24 December"),
    ("every day from Monday to Friday at 9 tell me a joke", "from Monday to Friday"),
    ("every day at 9 for two weeks tell me a joke", "for two weeks"),
    ("every day at 9 water the plants unless it rains", "unless it rains"),
    ("every other Monday at 9 tell me a joke, not on Mondays", "not on Mondays"),
    ("tomorrow at 9 tell me a joke, except on Friday", "except on Friday"),
    ("every day at 9 and at 17 tell me a joke", "and at 17"),
    ("every hour between 9 and 17 tell me a joke", "between 9 and 17"),
    ("every Monday at 9 and every Friday at 10 tell me a joke", "every Friday"),
    ("remind me at 9 next month to pay", "next month"),
    ("at 9 on Christmas tell me a joke", "on Christmas"),
]


def spoken(when: Schedule) -> str:
    """The intent, which the drafter reads again."""
    phrase = when.phrase[0].upper() + when.phrase[1:]
    return f"{phrase}{f' in {when.zone}' if when.zone else ''}: {when.task}."


@pytest.mark.parametrize(("text", "config", "task"), READ)
def test_a_sentence_and_its_intent_mean_the_same_schedule(
    text: str, config: dict[str, Any], task: str
) -> None:
    when = parse_schedule(text)
    assert isinstance(when, Schedule)
    again = parse_schedule(spoken(when))
    assert isinstance(again, Schedule)
    for read in (when, again):
        assert read.config(NOW, "Europe/Berlin") == {"timezone": "Europe/Berlin", **config}
        assert read.task == task


@pytest.mark.parametrize(("text", "words"), UNREAD)
def test_what_looks_like_a_schedule_and_is_not_read_is_asked_for(text: str, words: str) -> None:
    reading = parse_schedule(text)
    assert isinstance(reading, ClarifyingQuestion)
    assert f"I did not understand “{words}”" in reading.question


@pytest.mark.parametrize("text", ["on 31 February at 9 nap", "on 2027-13-01 at 9 nap"])
def test_a_date_that_no_calendar_shows_is_refused(text: str) -> None:
    assert isinstance(parse_schedule(text), ScheduleRefusal)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            "pause News until next Monday at 9, because I am away",
            {"until": "2026-11-23T09:00:00+00:00", "note": "I am away"},
        ),
        ("pause News until next Monday", {"until": "2026-11-23T00:00:00+00:00"}),
        ("pause News until 24 December", {"until": "2026-12-24T00:00:00+00:00"}),
        (
            "backfill News from 14:43 to 14:46",
            {"start": "2026-11-22T14:43:00+00:00", "end": "2026-11-22T14:46:00+00:00"},
        ),
        (
            "run the missed slots of News from yesterday at 23:00 to 1:00",
            {"start": "2026-11-21T23:00:00+00:00", "end": "2026-11-22T01:00:00+00:00"},
        ),
    ],
)
def test_a_command_with_times_is_read(text: str, arguments: dict[str, str]) -> None:
    found = parse_management_call(text, MANAGEMENT_TOOLS, NOW)
    assert found is not None
    assert found.arguments == {"automation": "News", **arguments}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run the missed slots of News", "When should it have run?"),
        ("resume News tomorrow at 9", "I did not understand “resume News tomorrow at 9”"),
        ("skip News on 24 December at 9", "I did not understand “skip News on 24 December at 9”"),
        ("run News again at 14:43", "I did not understand “run News again at 14:43”"),
    ],
)
def test_a_command_that_is_not_read_drafts_nothing(text: str, said: str) -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in sorted({"create_automation", *MANAGEMENT_TOOLS})
    ]
    body = {"model": "demo", "messages": [{"role": "user", "content": text}], "tools": tools}
    reply = answer(parse(body), NOW)
    assert not reply.calls
    assert reply.text.startswith(said)
