"""The commands that change automations and runs, and that explain and follow them."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format
from rota.automation.v1 import automation_pb2 as pb

from tests.clients.command import Rota
from tests.clients.frames import AUTOMATION, PAYLOAD
from tests.clients.peer import Peer
from tests.clients.scripted_chat import Refused

RUN = f"{AUTOMATION}/runs/r1"
TRIGGER = f"{AUTOMATION}/triggers/weekdays"
# Commands with a name in place of the question mark.
NAMED = (
    "approval ?",
    "approve ?",
    "reject ?",
    "automation ?",
    "runs ?",
    "slots ?",
    "pause ?",
    "skip ?",
    "unskip ?",
    "resume ?",
    "archive ?",
    "delete ?",
    "revisions ?",
    "revision ? 1",
    "rollback ? 1",
    "explain ? 2026-11-23T09:00",
    "models remove ?",
    "backfill ? --from 2026-11-23 --to 2026-11-24",
    "chat --message x --thread ?",
)
DECISION = {
    "approval": "workspaces/w/approvals/a1",
    "requester": "users/ada",
    "approver": "users/eve",
    "payload_digest": "ab" * 32,
    "edited": True,
    "decide_time": "2026-11-23T07:59:00Z",
}


def message(kind: Any, value: dict[str, Any]) -> Any:
    return json_format.ParseDict(value, kind())


def asked(peer: Peer) -> Any:
    """The last request, with its method."""
    return peer.automations.calls[-1]


@pytest.fixture
def news(peer: Peer) -> Peer:
    one = {
        "name": AUTOMATION,
        "display_name": "Morning news",
        "state": "PAUSED",
        "pause_note": "on holiday",
        "revision": 3,
        "triggers": [{"name": TRIGGER, "trigger_id": "weekdays"}],
    }
    for method in ("Get", "Pause", "Resume", "Archive", "Rollback"):
        peer.automations.answers[f"{method}Automation"] = message(pb.Automation, one)
    peer.automations.answers["DeleteAutomation"] = empty_pb2.Empty()
    return peer


@pytest.mark.parametrize("verb", ["pause", "resume", "archive"])
def test_the_state_of_an_automation_is_changed_and_shown(
    rota_command: Rota, news: Peer, verb: str
) -> None:
    done = rota_command(verb, "news")
    assert done.exit_code == 0, done.output
    assert "PAUSED: on holiday (revision 3)" in done.stdout
    method, request = asked(news)
    assert (method, request.name) == (f"{verb.capitalize()}Automation", AUTOMATION)
    assert request.request_id
    shown = json.loads(rota_command(verb, "news", "--json").stdout)
    assert shown["display_name"] == "Morning news"


def test_a_pause_carries_its_note(rota_command: Rota, news: Peer) -> None:
    rota_command("pause", "news", "--note", "on holiday")
    assert asked(news)[1].note == "on holiday"


def test_a_pause_carries_its_end_on_the_clock_of_this_machine(
    rota_command: Rota, news: Peer
) -> None:
    rota_command("pause", "news", "--until", "2026-11-30T09:00+01:00")
    assert asked(news)[1].resume_time.ToJsonString() == "2026-11-30T08:00:00Z"
    local = datetime(2026, 11, 30, 9).astimezone().astimezone(UTC)
    rota_command("pause", "news", "--until", "2026-11-30T09:00")
    assert asked(news)[1].resume_time.ToDatetime(tzinfo=UTC) == local
    done = rota_command("pause", "news", "--until", "Monday")
    said = "Invalid value for --until: 'Monday' is not a time such as"
    assert (done.exit_code, said in done.stderr) == (2, True)
    [example] = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d", done.stderr)
    assert datetime.fromisoformat(example).astimezone() > datetime.now(UTC)


@pytest.fixture
def skippable(news: Peer) -> Peer:
    one = {
        "name": AUTOMATION,
        "display_name": "Morning news",
        "state": "PAUSED",
        "resume_time": "2026-11-23T00:00:00Z",
        "revision": 3,
        "triggers": [
            {
                "name": TRIGGER,
                "trigger_id": "weekdays",
                "config": {"cron": "0 9 * * *", "timezone": "Europe/Paris"},
                "next_fire_time": "2026-11-25T08:00:00Z",
                "next_slot": {
                    "slot_time": "2026-11-25T08:00:00Z",
                    "fire_time": "2026-11-25T08:00:00Z",
                    "local_time": "2026-11-25T09:00",
                },
                "skipped_slots": [
                    {
                        "slot_time": f"2026-11-{day}T08:00:00Z",
                        "fire_time": f"2026-11-{day}T08:00:00Z",
                        "local_time": f"2026-11-{day}T09:00",
                        "user": "users/ada",
                        "note": "nobody is in",
                    }
                    for day in (23, 24)
                ],
            },
            {"name": TRIGGER[:-8] + "other", "trigger_id": "other"},
        ],
    }
    for method in ("GetAutomation", "SkipNextSlot", "UnskipSlot"):
        news.automations.answers[method] = message(pb.Automation, one)
    return news


def test_the_slot_that_is_skipped_is_the_one_that_was_shown(
    rota_command: Rota, skippable: Peer
) -> None:
    done = rota_command("skip", "news", "--note", "nobody is in")
    assert done.exit_code == 0, done.output
    assert "skipped: 2026-11-25T09:00 of weekdays" in done.stderr
    method, request = asked(skippable)
    assert (method, request.name, request.trigger) == ("SkipNextSlot", AUTOMATION, TRIGGER)
    assert request.slot_time.ToJsonString() == "2026-11-25T08:00:00Z"
    assert (request.note, bool(request.request_id)) == ("nobody is in", True)
    assert "PAUSED until 2026-11-23" in done.stdout
    assert "weekdays: Wed 2026-11-25 09:00 Europe/Paris" in done.stdout
    words = " ".join(done.stdout.split())
    assert "weekdays: Mon 2026-11-23 09:00 Europe/Paris by ada: nobody is in" in words
    assert words.count("takes the earliest back") == 1
    done = rota_command("skip", "news/other")
    assert (done.exit_code, "has no slot left that would fire" in done.stderr) == (1, True)
    done = rota_command("skip", "news/none")
    assert (done.exit_code, "has no trigger 'none'" in done.stderr) == (1, True)


def test_a_skip_is_taken_back_the_earliest_or_the_one_that_is_named(
    rota_command: Rota, skippable: Peer
) -> None:
    for slot, day in (((), 23), (("2026-11-24",), 24), (("2026-11-24T09:00",), 24)):
        assert rota_command("unskip", "news", *slot).exit_code == 0
        method, request = asked(skippable)
        assert (method, request.trigger) == ("UnskipSlot", TRIGGER)
        assert request.slot_time.ToJsonString() == f"2026-11-{day}T08:00:00Z"
    done = rota_command("unskip", "news", "2026-11-25")
    assert (done.exit_code, "has no skipped slot at 2026-11-25" in done.stderr) == (1, True)


def test_deletion_asks_first(rota_command: Rota, news: Peer) -> None:
    done = rota_command("delete", "news", typed="n\n")
    assert done.exit_code == 1
    assert "Delete Morning news (automations/news) with all its runs" in done.stderr
    assert [method for method, _ in news.automations.calls] == ["GetAutomation"]
    assert rota_command("delete", "news", typed="y\n").stdout.endswith("Deleted.\n")
    assert rota_command("delete", "news", "--yes").stdout == "Deleted.\n"
    assert json.loads(rota_command("delete", "news", "--yes", "--json").stdout) == {}
    assert asked(news)[1].name == AUTOMATION
    gone = Refused(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", message="nope does not exist")
    news.automations.answers["GetAutomation"] = gone
    done = rota_command("delete", "nope", typed="y\n")
    assert done.stderr == "Error: nope does not exist (RESOURCE_NOT_FOUND)\n"


def test_who_has_no_valid_token_is_told_where_to_give_one(rota_command: Rota, news: Peer) -> None:
    code = grpc.StatusCode.UNAUTHENTICATED
    refused = Refused(code, "UNAUTHENTICATED", message="a valid bearer token is required")
    news.automations.answers["GetAutomation"] = refused
    done = rota_command("automation", "news")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "Error: a valid bearer token is required (UNAUTHENTICATED)",
        "  Give a token that is valid now with --token or ROTA_TOKEN.",
    ]


def test_revisions_are_listed_and_gone_back_to(rota_command: Rota, news: Peer) -> None:
    listed = {
        "revisions": [
            {
                "revision": 2,
                "create_time": "2026-11-23T08:00:00Z",
                "author": "users/ada",
                "decision": DECISION,
            },
            {"revision": 1, "create_time": "2026-11-22T08:00:00Z", "author": "users/eve"},
        ]
    }
    news.automations.answers["ListRevisions"] = message(pb.ListRevisionsResponse, listed)
    done = rota_command("revisions", "news")
    assert "2         2026-11-23 09:00 CET  ada  eve, edited" in done.stdout
    numbers = json.loads(rota_command("revisions", "news", "--json").stdout)["revisions"]
    assert [one["revision"] for one in numbers] == [2, 1]
    assert numbers[0]["decision"] == DECISION
    done = rota_command("rollback", "news", "3")
    assert (done.exit_code, asked(news)[1].revision) == (0, 3)
    assert "nothing changed: revision 3 is current" in done.stderr
    after = message(pb.Automation, {"name": AUTOMATION, "revision": 4})
    news.automations.answers["RollbackAutomation"] = after
    done = rota_command("rollback", "news", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert asked(news)[1].revision == 1
    for number in ("0", "4294967297", "one"):
        assert rota_command("rollback", "news", number).exit_code == 2
        assert rota_command("revision", "news", number).exit_code == 2


def test_a_revision_shows_its_definition_and_who_decided_it(rota_command: Rota, news: Peer) -> None:
    one = {
        "name": f"{AUTOMATION}/revisions/2",
        "revision": 2,
        "author": "users/eve",
        "create_time": "2026-11-23T08:00:00Z",
        "definition": PAYLOAD["definition"],
    }
    news.automations.answers["GetRevision"] = message(pb.Revision, {**one, "decision": DECISION})
    done = rota_command("revision", "news", "2")
    assert asked(news)[1].name == f"{AUTOMATION}/revisions/2"
    for said in (
        "2 of automations/news",
        "approvals/a1",
        "ada",
        "eve, edited before it was approved",
        "2026-11-23 08:59 CET",
        "ab" * 32,
        "Summarise the news.",
    ):
        assert said in done.stdout, said
    news.automations.answers["GetRevision"] = message(pb.Revision, one)
    assert "it was saved directly" in rota_command("revision", "news", "2").stdout


@pytest.mark.parametrize("of", ["news", "news/weekdays", "automations/news", TRIGGER])
def test_a_moment_is_explained_by_trigger_or_by_the_only_one_of_an_automation(
    rota_command: Rota, news: Peer, of: str
) -> None:
    said = {
        "explanation": "It was skipped. It was paused.",
        "slot": {"local_time": "2026-11-23T09:00", "outcome": "SKIPPED_PAUSED"},
    }
    news.automations.answers["ExplainSlot"] = message(pb.ExplainSlotResponse, said)
    done = rota_command("explain", of, "2026-11-23T08:00:00Z")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("It was skipped. It was paused.\n")
    assert "SKIPPED_PAUSED" in done.stdout
    request = asked(news)[1]
    assert (request.trigger, request.time.ToJsonString()) == (TRIGGER, "2026-11-23T08:00:00Z")
    shown = json.loads(rota_command("explain", of, "2026-11-23T08:00:00Z", "--json").stdout)
    assert shown["explanation"] == said["explanation"]


def test_a_moment_that_is_no_slot_shows_the_nearest(rota_command: Rota, news: Peer) -> None:
    near = {"local_time": "2026-11-24T09:00", "utc_offset": "3600s"}
    said = {"explanation": "It is no slot of this schedule.", "nearest_slots": [near]}
    news.automations.answers["ExplainSlot"] = message(pb.ExplainSlotResponse, said)
    done = rota_command("explain", "news", "2026-11-23T08:00:01+00:00")
    assert "Tue 2026-11-24 09:00  UTC+1" in done.stdout


def test_what_can_not_be_explained_is_said(rota_command: Rota, news: Peer) -> None:
    for time in ("yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"):
        done = rota_command("explain", "news", time)
        assert done.exit_code == 2, done.output
        assert "Invalid value for TIME: " in done.output
        assert "is not a time such as" in done.output
    two = news.automations.answers["GetAutomation"]
    assert isinstance(two, pb.Automation)
    two.triggers.add(trigger_id="evenings")
    done = rota_command("explain", "news", "2026-11-23T08:00:00Z")
    assert done.exit_code == 1
    assert "news/weekdays, news/evenings" in done.stderr


SLOT = f"{AUTOMATION}/slots/s1"
MISSED: dict[str, Any] = {
    "name": SLOT,
    "local_time": "2026-11-23T09:00",
    "outcome": "MISSED",
    "reason": "It was found late.",
}
MADE = {"run": RUN, "run_state": "PENDING", "requester": "users/ada"}


@pytest.fixture
def backfilled(news: Peer) -> Peer:
    made = {
        "slots": [{**MISSED, "backfill": MADE}],
        "left_out": [{"cause": "HAS_RUN", "count": 3}],
    }
    news.automations.answers["BackfillSlots"] = message(pb.BackfillSlotsResponse, made)
    explained = message(pb.ExplainSlotResponse, {"explanation": "Missed.", "slot": MISSED})
    news.automations.answers["ExplainSlot"] = explained
    return news


def test_slots_of_a_range_are_shown_before_these_very_slots_are_run(
    rota_command: Rota, backfilled: Peer
) -> None:
    window = ("--from", "2026-11-23T00:00Z", "--to", "2026-11-24T00:00Z")
    refused = rota_command("backfill", "news", *window, typed="n\n")
    assert refused.exit_code == 1
    assert "Mon 2026-11-23 09:00" in refused.stderr
    assert "Run this slot now?" in refused.stderr
    [(_, looked)] = backfilled.automations.calls
    assert (looked.validate_only, looked.parent, list(looked.slots)) == (True, AUTOMATION, [])
    assert looked.start_time.ToJsonString() == "2026-11-23T00:00:00Z"
    done = rota_command("backfill", "news", *window, "--trigger", "weekdays", typed="y\n")
    assert done.exit_code == 0, done.output
    assert "r1" in done.stdout
    assert "3 not run: HAS_RUN" in done.stdout
    request = asked(backfilled)[1]
    assert list(request.slots) == [SLOT]
    assert not request.validate_only
    assert not request.HasField("start_time")
    assert request.overlap == pb.BackfillSlotsRequest.QUEUE
    assert request.request_id
    assert backfilled.automations.calls[-2][1].trigger == TRIGGER


@pytest.mark.parametrize("given", ["2026-11-23T08:00:00Z", "news/s1", SLOT])
def test_a_slot_is_given_by_its_time_or_its_name(
    rota_command: Rota, backfilled: Peer, given: str
) -> None:
    done = rota_command("backfill", "news", "--slot", given, "--yes", "--beside", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["slots"][0]["backfill"]["run"] == RUN
    request = asked(backfilled)[1]
    assert (list(request.slots), request.overlap) == ([SLOT], pb.BackfillSlotsRequest.ALWAYS)


def test_a_dry_run_of_a_backfill_runs_nothing(rota_command: Rota, backfilled: Peer) -> None:
    done = rota_command("backfill", "news", "--slot", "2026-11-23T08:00:00Z", "--dry-run")
    assert "MISSED" in done.stdout
    sent = [one for method, one in backfilled.automations.calls if method == "BackfillSlots"]
    assert [one.validate_only for one in sent] == [True]
    none = pb.ExplainSlotResponse(explanation="It is no slot of this schedule.")
    backfilled.automations.answers["ExplainSlot"] = none
    done = rota_command("backfill", "news", "--slot", "2026-11-23T08:00:00Z")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: 2026-11-23T08:00:00Z: It is no slot of this schedule.\n",
    )
    for words in ([], ["--from", "2026-11-23"], ["--slot", "x"], ["--slot", "a/b", "--to", "x"]):
        assert rota_command("backfill", "news", *words).exit_code == 2


def test_a_backfill_is_shown_with_its_slot_and_its_run(rota_command: Rota, peer: Peer) -> None:
    slots = {"slots": [{**MISSED, "backfill": MADE}]}
    peer.automations.answers["ListSlots"] = message(pb.ListSlotsResponse, slots)
    shown = " ".join(rota_command("slots", "news").stdout.split())
    assert "It was found late. Backfill r1: PENDING" in shown
    runs = {"runs": [{"name": RUN, "state": "SUCCEEDED", "backfill": True}]}
    peer.automations.answers["ListRuns"] = message(pb.ListRunsResponse, runs)
    assert "SUCCEEDED (backfill)" in rota_command("runs").stdout


def events(state: str = "SUCCEEDED") -> list[pb.RunEvent]:
    step = {"step_id": "news", "status": "RUNNING", "attempts": 1}
    error = {"code": 14, "message": "the model can't be reached"}
    said: list[dict[str, Any]] = [
        {"started": {"attempt": 1}},
        {"step_updated": {"step": step}},
        {"step_updated": {"step": step}},
        {"step_progress": {"step_id": "news", "title": "Calling fetch_url"}},
        {"step_updated": {"step": {**step, "status": "FAILED", "attempts": 2, "error": error}}},
        {"ended": {"state": state, **({"error": error} if state == "FAILED" else {})}},
    ]
    return [
        message(pb.RunEvent, {"sequence": n, "create_time": "2026-11-23T08:00:00Z", **one})
        for n, one in enumerate(said, start=1)
    ]


def test_a_run_is_followed_over_lost_connections(rota_command: Rota, peer: Peer) -> None:
    peer.automations.events = events()
    peer.automations.cuts = [2, 0, 1]
    done = rota_command("watch", "news/r1")
    assert done.exit_code == 0, done.output
    assert [line.removeprefix("2026-11-23 09:00 CET  ") for line in done.stdout.splitlines()] == [
        "began",
        "news RUNNING",
        "news: Calling fetch_url",
        "news FAILED, try 2: the model can't be reached",
        "SUCCEEDED",
    ]
    assert [r.after_sequence for n, r in peer.automations.calls if n == "WatchRun"] == [0, 2, 2, 3]


def test_a_run_that_fails_ends_the_command_with_1(rota_command: Rota, peer: Peer) -> None:
    peer.automations.events = events("FAILED")
    done = rota_command("watch", RUN, "--json")
    assert done.exit_code == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["sequence"] for one in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1]["ended"]["state"] == "FAILED"


def test_a_run_is_cancelled(rota_command: Rota, peer: Peer) -> None:
    peer.automations.answers["CancelRun"] = message(pb.Run, {"name": RUN, "state": "CANCELLED"})
    listed = {"runs": [{"name": RUN}]}
    peer.automations.answers["ListRuns"] = message(pb.ListRunsResponse, listed)
    for name in ("news/r1", "r1", "automations/news/runs/r1", RUN):
        done = rota_command("cancel", name)
        assert "CANCELLED" in done.stdout
        assert asked(peer)[1].name == RUN


@pytest.mark.parametrize("command", ["run", "watch", "cancel"])
def test_a_run_that_is_not_there_is_said_in_words(
    rota_command: Rota, peer: Peer, command: str
) -> None:
    peer.automations.answers["ListRuns"] = pb.ListRunsResponse()
    for name, said in (
        ("r9", "none of the last 200 runs is 'r9': give an older one as AUTOMATION/RUN"),
        (
            "a/b/c/d/e",
            "'a/b/c/d/e' names no run: give AUTOMATION/RUN or automations/AUTOMATION/runs/RUN",
        ),
    ):
        done = rota_command(command, name)
        assert (done.exit_code, done.stderr) == (1, f"Error: {said}\n")


@pytest.mark.parametrize("command", NAMED)
def test_a_wrong_name_is_told_in_words_and_not_sent(
    rota_command: Rota, peer: Peer, command: str
) -> None:
    done = rota_command(*(word.replace("?", "../x") for word in command.split()))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: '../x' names no ")
    assert peer.automations.calls + peer.chat.calls == []


@pytest.mark.parametrize("command", [("cancel", "news/r1"), ("pause", "news")])
def test_what_the_server_does_not_serve_is_said_clearly(
    rota_command: Rota, peer: Peer, command: tuple[str, ...]
) -> None:
    done = rota_command(*command)
    assert done.exit_code == 1
    assert done.stderr == "Error: the server's version can't do this (NOT_SERVED)\n"


def test_a_refusal_says_why(rota_command: Rota, peer: Peer) -> None:
    refused = Refused(
        grpc.StatusCode.FAILED_PRECONDITION, "STATE_CONFLICT", message="it is ARCHIVED"
    )
    peer.automations.answers["ResumeAutomation"] = refused
    done = rota_command("resume", "news")
    assert done.stderr == "Error: it is ARCHIVED (STATE_CONFLICT)\n"
