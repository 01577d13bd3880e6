"""What notices say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from automation_service.notices.text import describe
from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox.notices import Notice
from shared.registries.actions.deliver import MAX_SUBJECT

NIGHT: Final = datetime(2026, 11, 24, 23, tzinfo=UTC)
ZONE: Final = "Europe/Paris"
FAILED: Final = Notice(
    id=UUID(int=1),
    workspace="w",
    user="ada",
    kind=NoticeKind.RUN_FAILED,
    resource_name="workspaces/w/automations/a/runs/r",
    facts={
        "name": "Morning news",
        "state": "FAILED",
        "error": "the tool is gone",
        "slot_time": NIGHT.isoformat(),
    },
    first_time=NIGHT,
    last_time=NIGHT,
)
WAITING: Final = replace(
    FAILED,
    kind=NoticeKind.APPROVAL_WAITING,
    resource_name="workspaces/w/approvals/b",
    facts={"summary": "Create the automation Tea"},
    expire_time=NIGHT + timedelta(days=1),
)


def test_a_failed_run_says_which_and_why() -> None:
    said = describe(FAILED, zone=ZONE)
    assert said.subject == "Morning news failed"
    assert said.body == (
        "The run of Morning news of 25 November 2026 at 00:00:00, Europe/Paris failed:"
        " the tool is gone"
    )
    late = replace(FAILED, facts={**FAILED.facts, "state": "TIMED_OUT", "error": ""})
    assert describe(late, zone=ZONE).subject == "Morning news timed out"


def test_many_failed_runs_say_how_many_and_since_when() -> None:
    said = describe(replace(FAILED, count=12), zone="UTC")
    assert said.subject == "Morning news failed 12 times"
    assert said.body.startswith(
        "12 runs of Morning news failed since 24 November 2026 at 23:00:00, UTC."
    )
    assert said.body.endswith("failed: the tool is gone")


def test_an_approval_says_what_and_until_when() -> None:
    said = describe(WAITING, zone=ZONE)
    assert said.subject == "Waits for your approval: Create the automation Tea"
    assert "until 26 November 2026 at 00:00:00, Europe/Paris" in said.body


def test_a_pause_says_why() -> None:
    paused = replace(
        FAILED, kind=NoticeKind.AUTOMATION_PAUSED, facts={"name": "Tea", "failures": 10}
    )
    assert "10 of its runs in a row failed" in describe(paused, zone=ZONE).body
    dead = replace(
        FAILED,
        kind=NoticeKind.DESTINATION_PAUSED,
        resource_name="workspaces/w/destinations/team",
        facts={"name": "Team", "place": "Slack at hooks.slack.com", "reason": "it is gone"},
    )
    said = describe(dead, zone=ZONE).body
    assert said.startswith(
        "The destination Team (Slack at hooks.slack.com) is paused: it is gone\n"
    )
    assert "`rota destinations enable team`" in said


def test_a_result_that_did_not_arrive_says_where_and_why() -> None:
    lost = replace(
        FAILED,
        kind=NoticeKind.DELIVERY_FAILED,
        facts={"name": "Tea", "place": "its thread", "error": "there is no such thread"},
    )
    said = describe(lost, zone=ZONE)
    assert said.subject == "A result of Tea did not arrive"
    assert said.body.startswith(
        "A result of Tea did not reach its thread: there is no such thread.\n"
    )


def test_a_subject_is_one_line_of_a_bounded_length() -> None:
    facts = {**FAILED.facts, "name": "a\nb " * 200}
    subject = describe(replace(FAILED, facts=facts), zone=ZONE).subject
    assert "\n" not in subject
    assert len(subject) == MAX_SUBJECT
