"""The listing and deciding commands."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as automation
from rota.automation.v1 import delivery_pb2, destination_pb2
from rota.chat.v1 import chat_pb2
from typer.main import get_command

from rota_client.cli import _SPOKEN, app
from tests.clients.command import Rota
from tests.clients.frames import APPROVAL, AUTOMATION, PAYLOAD, approval, completed, text
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE, Refused, Told

RUN = f"{AUTOMATION}/runs/r1"
TURN = f"{WORKSPACE}/threads/t/turns/u1"


def message(kind: Any, value: dict[str, Any]) -> Any:
    return json_format.ParseDict(value, kind())


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("list", "`rota automations`"),
        ("show", "`rota automation`"),
        ("why", "`rota explain`"),
        ("automatons", "'automations'"),
    ],
)
def test_a_word_that_is_no_command_is_answered_with_those_that_may_be_meant(
    rota_command: Rota, word: str, meant: str
) -> None:
    said = rota_command(word, "news", COLUMNS="200")
    assert said.exit_code == 2
    assert f"No such command '{word}'. Did you mean {meant}" in said.output


def test_every_word_in_place_of_a_command_names_commands() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    assert {name for names in _SPOKEN.values() for name in names} <= set(known)
    assert not _SPOKEN.keys() & set(known)


@pytest.fixture
def waiting(peer: Peer) -> Peer:
    """A peer with a turn that waits for one approval, and what it says when it goes on."""
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    turn = Told(name=TURN)
    turn.add([text("Shall I?"), chat_pb2.TurnEvent(suspended=chat_pb2.TurnSuspended())])
    peer.chat.turns[TURN] = turn
    peer.chat.segments.append([text("So be it."), completed()])
    return peer


@pytest.fixture
def kept(peer: Peer) -> Peer:
    """A peer with an automation that ran once."""
    one = {
        "name": AUTOMATION,
        "display_name": "Morning news",
        "state": "PAUSED",
        "pause_note": "on holiday",
        "revision": 3,
        "last_run_state": "SUCCEEDED",
        "triggers": [
            {
                "name": f"{AUTOMATION}/triggers/weekdays",
                "trigger_id": "weekdays",
                "next_fire_time": "2026-11-23T08:00:00Z",
            }
        ],
    }
    run = {"name": RUN, "state": "SUCCEEDED", "slot_time": "2026-11-23T08:00:00Z"}
    steps = [
        {
            "step_id": "summarise",
            "action": "agent_task",
            "status": "SUCCEEDED",
            "attempts": 2,
            "output": {"text": "Ships sail."},
        }
    ]
    slots = [
        {"local_time": "2026-11-24T09:00", "outcome": "SKIPPED_PAUSED", "reason": "It was paused."},
        {"local_time": "2026-11-23T09:00", "outcome": "FIRED", "run": RUN},
    ]
    planned = [
        {"local_time": "2027-03-28T02:30", "utc_offset": "7200s", "dst_note": "There is no 02:30."}
    ]
    peer.automations.answers = {
        "GetAutomation": message(
            automation.Automation, {**one, "definition": PAYLOAD["definition"]}
        ),
        "ListAutomations": message(automation.ListAutomationsResponse, {"automations": [one]}),
        "ListRuns": message(automation.ListRunsResponse, {"runs": [run]}),
        "GetRun": message(
            automation.Run, {**run, "step_results": steps, "output": {"text": "Ships sail."}}
        ),
        "ListSlots": message(automation.ListSlotsResponse, {"slots": slots}),
        "PreviewSchedule": message(
            automation.PreviewScheduleResponse,
            {"summary": "At 02:30 every day", "slots": planned, "notes": ["Mind the gap."]},
        ),
    }
    return peer


def test_approvals_that_wait_are_listed_and_all_on_request(rota_command: Rota, peer: Peer) -> None:
    for number in range(5):
        one = approval(name=f"{WORKSPACE}/approvals/a{number}")
        one.state = chat_pb2.Approval.REJECTED if number == 3 else chat_pb2.Approval.PENDING
        peer.chat.approvals[one.name] = one
    pending = rota_command("approvals")
    assert [line.split()[0] for line in pending.stdout.splitlines()[1:]] == ["a0", "a1", "a2", "a4"]
    every = rota_command("approvals", "--decided", "--json", "--limit", "4")
    listed = json.loads(every.stdout)["approvals"]
    assert [one["state"] for one in listed] == ["PENDING", "PENDING", "PENDING", "REJECTED"]
    assert listed[0]["payload"] == PAYLOAD


def test_nothing_to_list_is_said(rota_command: Rota) -> None:
    assert rota_command("approvals").stdout == "No approval waits.\n"


def test_a_card_can_be_looked_at(rota_command: Rota, waiting: Peer) -> None:
    done = rota_command("approval", "a1")
    assert "Summarise the news." in done.stdout


@pytest.mark.parametrize("name", ["a1", "approvals/a1", APPROVAL])
def test_an_approval_is_approved_by_name_and_the_turn_followed(
    rota_command: Rota, waiting: Peer, name: str
) -> None:
    done = rota_command("approve", name)
    assert done.exit_code == 0, done.output
    assert "Approval approved" in done.stdout
    assert done.stdout.endswith("So be it.\n")
    assert "Shall I?" not in done.stdout
    assert "before" not in done.stderr
    (decided,) = [r for n, r in waiting.chat.calls if n == "DecideApproval"]
    assert decided.decision.payload_digest == "ab" * 32


def test_an_approval_that_was_decided_before_says_so(rota_command: Rota, waiting: Peer) -> None:
    waiting.chat.approvals[APPROVAL].state = chat_pb2.Approval.APPROVED
    for more in ([], ["--json"]):
        done = rota_command("approve", "a1", *more)
        assert done.exit_code == 0, done.output
        assert "it was approved before; nothing was changed" in done.stderr


def test_an_approval_is_rejected_with_a_reason(rota_command: Rota, waiting: Peer) -> None:
    done = rota_command("reject", "a1", "--reason", "too early", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "REJECTED"
    assert waiting.chat.approvals[APPROVAL].reason == "too early"


def test_what_is_not_there_is_an_error(rota_command: Rota) -> None:
    done = rota_command("approve", "nothing")
    assert done.exit_code == 1
    assert done.stderr == "Error: there is no such approval (RESOURCE_NOT_FOUND)\n"


def test_automations_are_listed(rota_command: Rota, kept: Peer) -> None:
    done = rota_command("automations")
    (line,) = done.stdout.splitlines()[1:]
    assert line.split() == ["news", "Morning", "news", "PAUSED:", "on", "holiday"]
    listed = json.loads(rota_command("automations", "--json").stdout)
    assert listed["automations"][0]["display_name"] == "Morning news"


def test_an_automation_is_shown_with_all_it_does(rota_command: Rota, kept: Peer) -> None:
    done = rota_command("automation", "news")
    later = "weekdays: paused; would be 2026-11-23 09:00 CET"
    for said in (
        later,
        "PAUSED: on holiday",
        "revision 3",
        "0 9 * * 1-5 in Europe/Paris",
        "fetch_url",
    ):
        assert said in done.stdout, said
    assert kept.automations.calls[-1][1].name == AUTOMATION
    shown = json.loads(rota_command("automation", "news", "--json").stdout)
    assert shown["definition"]["plan"] == PAYLOAD["definition"]["plan"]


def test_only_what_is_active_says_when_it_fires_next(rota_command: Rota, kept: Peer) -> None:
    when, one = "2026-11-23 09:00 CET", kept.automations.answers["GetAutomation"]
    assert isinstance(one, automation.Automation)
    one.state = automation.Automation.ACTIVE
    kept.automations.answers["ListAutomations"] = automation.ListAutomationsResponse(
        automations=[one]
    )
    assert f"weekdays: {when}" in rota_command("automation", "news").stdout
    assert when in rota_command("automations").stdout
    one.state = automation.Automation.ARCHIVED
    assert "weekdays: " not in rota_command("automation", "news").stdout


def test_runs_are_listed_of_one_automation_or_of_all(rota_command: Rota, kept: Peer) -> None:
    done = rota_command("runs", "news")
    assert "automations/news" in done.stdout
    assert "r1   SUCCEEDED" in done.stdout
    rota_command("runs")
    assert [request.parent for _, request in kept.automations.calls] == [
        AUTOMATION,
        f"{WORKSPACE}/automations/-",
    ]


@pytest.mark.parametrize("command", ["automations", "runs", "slots news"])
def test_a_list_is_filtered(rota_command: Rota, kept: Peer, command: str) -> None:
    done = rota_command(*command.split(), "--filter", "state = FAILED")
    assert (done.exit_code, kept.automations.calls[-1][1].filter) == (0, "state = FAILED")


@pytest.mark.parametrize("name", ["r1", "news/r1", "automations/news/runs/r1", RUN])
def test_a_run_is_found_by_any_of_its_names(rota_command: Rota, kept: Peer, name: str) -> None:
    done = rota_command("run", name)
    assert kept.automations.calls[-1][1].name == RUN
    assert "summarise (agent_task): SUCCEEDED after 2 tries" in done.stdout
    assert "Ships sail." in done.stdout


def test_a_run_says_what_did_not_arrive(rota_command: Rota, kept: Peer) -> None:
    answers: dict[str, Any] = kept.automations.answers
    [listed] = answers["ListRuns"].runs
    listed.failed_delivery_count, listed.retrying_delivery_count = 2, 1
    assert "2 deliveries failed, 1 delivery tried again" in rota_command("runs").stdout
    answers["GetRun"].step_results.add(step_id="tell", action="deliver")
    gone = {
        "name": f"{listed.name}/deliveries/d1",
        "destination": f"{WORKSPACE}/destinations/gone",
        "state": "FAILED",
        "error": "there is no such destination",
    }
    answers["ListDeliveries"] = message(delivery_pb2.ListDeliveriesResponse, {"deliveries": [gone]})
    team = {"name": f"{WORKSPACE}/destinations/team", "display_name": "The team", "kind": "SLACK"}
    answers["ListDestinations"] = message(
        destination_pb2.ListDestinationsResponse, {"destinations": [team]}
    )
    shown = " ".join(rota_command("run", "r1").stdout.split())
    assert "Delivered destinations/gone: FAILED: there is no such destination (d1)" in shown
    [delivery] = answers["ListDeliveries"].deliveries
    delivery.destination = f"{WORKSPACE}/destinations/team"
    for command in (("run", "r1"), ("deliveries", "list")):
        assert "The team (slack)" in " ".join(rota_command(*command).stdout.split())
    listed = " ".join(rota_command("deliveries", "list").stdout.split())
    assert "to The team (slack) · run r1 · there is no such destination" in listed


def test_an_automation_says_where_its_results_go(rota_command: Rota, kept: Peer) -> None:
    answers: dict[str, Any] = kept.automations.answers
    team = {"name": f"{WORKSPACE}/destinations/team", "display_name": "The team", "kind": "SLACK"}
    answers["ListDestinations"] = message(
        destination_pb2.ListDestinationsResponse, {"destinations": [team]}
    )
    tell = answers["GetAutomation"].definition.plan.add(step_id="tell", action="deliver")
    tell.config.update({"to": ["inbox", team["name"], f"{WORKSPACE}/threads/gone"]})
    shown = " ".join(rota_command("automation", "news").stdout.split())
    assert "Goes to inbox The team (slack) threads/gone" in shown


def test_an_automation_is_found_by_what_people_call_it(rota_command: Rota, kept: Peer) -> None:
    answers: dict[str, Any] = kept.automations.answers
    [one] = answers["ListAutomations"].automations
    for command, rpc in (("runs", "ListRuns"), ("slots", "ListSlots"), ("automation", "GetAutom")):
        done = rota_command(command, one.display_name.upper())
        assert done.exit_code == 0, done.output
        called, request = kept.automations.calls[-1]
        assert called.startswith(rpc)
        assert one.name in (getattr(request, "parent", ""), getattr(request, "name", ""))
    assert "no automation is called 'Nothing so'" in rota_command("runs", "Nothing so").stderr
    answers["ListAutomations"].automations.add().CopyFrom(one)
    said = " ".join(rota_command("runs", one.display_name).stderr.split())
    assert f"2 automations are called {one.display_name!r}: give one of the ids news" in said


def test_slots_say_what_became_of_them(rota_command: Rota, kept: Peer) -> None:
    done = rota_command("slots", "news")
    assert "Tue 2026-11-24 09:00  SKIPPED_PAUSED  It was paused." in done.stdout
    assert "Mon 2026-11-23 09:00  FIRED           r1" in done.stdout


def test_a_schedule_is_previewed(rota_command: Rota, kept: Peer) -> None:
    done = rota_command("preview", "--cron", "30 2 * * *")
    assert "At 02:30 every day" in done.stdout
    assert "Sun 2027-03-28 02:30  UTC+2   There is no 02:30." in done.stdout
    assert "Mind the gap." in done.stdout
    config = kept.automations.calls[-1][1].config
    assert dict(config) == {"cron": "30 2 * * *", "timezone": "Europe/Paris"}


@pytest.mark.parametrize(
    ("asked", "config"),
    [
        (("--at", "2027-03-01T09:00"), {"at": "2027-03-01T09:00"}),
        (
            ("--every", "2 weeks", "--from", "2027-03-02T09:00", "--except", "2027-12-24"),
            {
                "every": {"unit": "weeks", "count": 2, "anchor": "2027-03-02T09:00"},
                "excluded_dates": ["2027-12-24"],
            },
        ),
        (
            ("--every", "day", "--from", "2027-03-02T09:00"),
            {"every": {"unit": "days", "count": 1, "anchor": "2027-03-02T09:00"}},
        ),
    ],
)
def test_each_form_of_a_schedule_is_previewed(
    rota_command: Rota, kept: Peer, asked: tuple[str, ...], config: dict[str, Any]
) -> None:
    assert rota_command("preview", *asked, "--zone", "UTC").exit_code == 0
    sent = json_format.MessageToDict(kept.automations.calls[-1][1].config)
    assert sent == {**config, "timezone": "UTC"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "exactly one of --cron, --at and --every"),
        (("--cron", "0 9 * * *", "--at", "2027-03-01T09:00"), "exactly one of"),
        (("--every", "2 weeks"), "--every and --from go together"),
        (("--every", "often", "--from", "2027-03-02T09:00"), "minutes, hours, days or weeks"),
    ],
)
def test_a_schedule_of_no_form_or_two_is_not_previewed(
    rota_command: Rota, asked: tuple[str, ...], said: str
) -> None:
    done = rota_command("preview", *asked, "--zone", "UTC")
    assert done.exit_code == 2
    assert said in done.stderr


INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


def test_faults_are_shown_once_at_the_options_that_have_them(
    rota_command: Rota, peer: Peer
) -> None:
    asked = ("preview", "--cron", "0 9 * *", "--zone", "UTC")
    for fields, said in (
        ({"config.cron": "has four fields"}, "--cron: has four fields (INVALID_REQUEST)\n"),
        ({"": "is not valid"}, "is not valid (INVALID_REQUEST)\n"),
        (
            {"config.cron": "has four fields", "config.start_time[0]": "is past", "count": "is 0"},
            "3 values are invalid (INVALID_REQUEST)\n"
            "  --cron: has four fields\n"
            "  Config start time: is past\n"
            "  --count: is 0\n",
        ),
    ):
        peer.automations.answers["PreviewSchedule"] = Refused(*INVALID, fields=fields)
        done = rota_command(*asked)
        assert (done.exit_code, done.stderr) == (1, f"Error: {said}")


@pytest.mark.parametrize(
    ("command", "field", "option"),
    [
        ("models add --base-url x --model x --no-key", "model_config.base_url", "--base-url"),
        ("chat --message x --zone Mars/X", "time_zone", "--zone"),
        ("chat --message x", "message.parts[0].text", "The message"),
        ("threads --page-token x", "page_token", "--page-token"),
    ],
)
def test_a_fault_is_told_at_what_was_given(
    rota_command: Rota, peer: Peer, command: str, field: str, option: str
) -> None:
    peer.chat.refusals.append(Refused(*INVALID, fields={field: "is wrong"}))
    done = rota_command(*command.split())
    assert (done.exit_code, done.stderr) == (1, f"Error: {option}: is wrong (INVALID_REQUEST)\n")


def test_long_ids_are_not_cut_at_80_columns(rota_command: Rota, peer: Peer) -> None:
    run = "0192f0c1-2345-7abc-8def-0123456789ab"
    of = "0192f0c1-9999-7abc-8def-0123456789ab"
    peer.automations.answers = {
        "ListRuns": message(
            automation.ListRunsResponse,
            {
                "runs": [
                    {
                        "name": f"{WORKSPACE}/automations/{of}/runs/{run}",
                        "state": "CANCELLED",
                        "slot_time": "2026-11-23T08:00:00Z",
                    }
                ]
            },
        )
    }
    done = rota_command("runs")
    assert f"automations/{of}" in done.stdout
    assert f"{run}  CANCELLED  2026-11-23 09:00 CET" in done.stdout
