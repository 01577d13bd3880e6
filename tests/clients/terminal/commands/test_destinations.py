"""`rota destinations`: added by kind, shown, tested, verified, enabled, removed."""

import json
from typing import Any

import pytest
from google.protobuf import empty_pb2, json_format
from rota.automation.v1 import automation_pb2
from rota.automation.v1 import destination_pb2 as pb

from tests.clients.command import Rota
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE

NAME = f"{WORKSPACE}/destinations/team"


def destination(**fields: Any) -> pb.Destination:
    given = {
        "name": NAME,
        "display_name": "The team",
        "kind": "SLACK",
        "host": "hooks.slack.com",
        "state": "ACTIVE",
        "secret_hint": "abcd",
        **fields,
    }
    return json_format.ParseDict(given, pb.Destination())


@pytest.fixture
def told(peer: Peer) -> Peer:
    answers = peer.automations.answers
    paused = destination(state="PAUSED", pause_reason="it is gone: it answered 404")
    for rpc in ("CreateDestination", "UpdateDestination", "EnableDestination"):
        answers[rpc] = destination()
    answers["GetDestination"] = paused
    answers["ListDestinations"] = pb.ListDestinationsResponse(destinations=[paused])
    answers["DeleteDestination"] = empty_pb2.Empty()
    answers["TestDestination"] = pb.TestDestinationResponse(destination=destination())
    answers["VerifyDestination"] = destination(
        verified_member="users/ada", verify_time="2026-11-23T08:00:00Z"
    )
    return peer


def asked(peer: Peer) -> Any:
    return peer.automations.calls[-1][1]


ADDED: list[tuple[list[str], str, dict[str, Any]]] = [
    (["email", "ada@example.org"], "", {"email": {"address": "ada@example.org"}}),
    (
        ["slack"],
        "https://hooks.slack.com/a\n",
        {"slack": {"webhook_url": "https://hooks.slack.com/a"}},
    ),
    (
        ["discord", "--thread", "77"],
        "https://discord.com/api/webhooks/1/x\n",
        {"discord": {"webhook_url": "https://discord.com/api/webhooks/1/x", "thread_id": "77"}},
    ),
    (["teams"], "https://a.example/w\n", {"teams": {"webhook_url": "https://a.example/w"}}),
    (
        ["telegram", "--chat", "-100123", "--topic", "4"],
        "1:token\n",
        {"telegram": {"bot_token": "1:token", "chat_id": "-100123", "message_thread_id": "4"}},
    ),
    (
        ["matrix", "--homeserver", "https://m.example", "--room", "!a:m.example"],
        "syt_token\n",
        {
            "matrix": {
                "homeserver": "https://m.example",
                "room_id": "!a:m.example",
                "access_token": "syt_token",
            }
        },
    ),
    (
        ["ntfy", "--with-token"],
        "a-topic\ntk_1\n",
        {"ntfy": {"topic": "a-topic", "access_token": "tk_1"}},
    ),
    (
        ["pushover", "--device", "phone"],
        "app\nuser\n",
        {"pushover": {"app_token": "app", "user_key": "user", "device": "phone"}},
    ),
]


@pytest.mark.parametrize(("arguments", "typed", "sent"), ADDED, ids=lambda one: str(one)[:20])
def test_every_kind_is_added_with_its_secrets_from_standard_input(
    rota_command: Rota, told: Peer, arguments: list[str], typed: str, sent: dict[str, Any]
) -> None:
    done = rota_command(
        "destinations",
        "add",
        *arguments,
        "--id",
        "team",
        "--name",
        "The team",
        "--mine",
        typed=typed,
    )
    assert done.exit_code == 0, done.output
    request = json_format.MessageToDict(asked(told), preserving_proto_field_name=True)
    assert request["destination"] == {**sent, "display_name": "The team", "personal": True}
    assert (request["destination_id"], request["parent"]) == ("team", WORKSPACE)
    assert all(secret not in done.output for secret in typed.split())


def test_a_webhook_gets_a_secret_that_is_shown_once(rota_command: Rota, told: Peer) -> None:
    done = rota_command("destinations", "add", "webhook", "https://a.example/", "--output")
    settings = asked(told).destination.webhook
    assert settings.include_output
    assert settings.signing_secret.startswith("whsec_")
    assert settings.signing_secret in done.stdout
    assert "not shown again" in done.stdout


def test_one_that_is_paused_says_why(rota_command: Rota, told: Peer) -> None:
    for arguments in ([], ["list"], ["show", "team"]):
        done = rota_command("destinations", *arguments)
        assert done.exit_code == 0, done.output
        assert "it is gone" in " ".join(done.stdout.split())
    assert asked(told).name == NAME
    done = rota_command("destinations", "list", "--json", "--filter", "state = PAUSED")
    listed = json.loads(done.stdout)
    assert listed["destinations"][0]["state"] == "PAUSED"
    assert asked(told).filter == "state = PAUSED"


def test_a_code_is_sent_and_given(rota_command: Rota, told: Peer) -> None:
    done = rota_command("destinations", "verify", "team")
    assert "rota destinations verify team CODE" in done.stdout
    assert asked(told).verify
    done = rota_command("destinations", "verify", "team", "K7QF2M9X")
    assert asked(told).code == "K7QF2M9X"
    assert "by ada" in done.stdout


def test_a_test_that_fails_ends_with_1(rota_command: Rota, told: Peer) -> None:
    assert rota_command("destinations", "test", "team").exit_code == 0
    assert not asked(told).verify
    told.automations.answers["TestDestination"] = pb.TestDestinationResponse(
        destination=destination(), error="it answered 404"
    )
    done = rota_command("destinations", "test", "team")
    assert done.exit_code == 1
    assert "it answered 404" in done.stdout


def test_it_is_renamed_enabled_and_removed(rota_command: Rota, told: Peer) -> None:
    assert rota_command("destinations", "rename", "team", "Ours").exit_code == 0
    assert (asked(told).destination.display_name, list(asked(told).update_mask.paths)) == (
        "Ours",
        ["display_name"],
    )
    assert "takes results" in rota_command("destinations", "enable", "team").stdout
    assert asked(told).send_missed is False
    assert rota_command("destinations", "enable", "team", "--send-missed").exit_code == 0
    assert asked(told).send_missed is True
    told.automations.answers["ListAutomations"] = automation_pb2.ListAutomationsResponse()
    assert "Removed." in rota_command("destinations", "remove", NAME).stdout
    assert asked(told).name == NAME


def test_what_delivers_to_one_is_said_before_it_is_removed(rota_command: Rota, told: Peer) -> None:
    news, tea = (automation_pb2.Automation(display_name=name) for name in ("The news", "Tea"))
    answer = automation_pb2.ListAutomationsResponse(automations=[news, tea])
    told.automations.answers["ListAutomations"] = answer
    kept = rota_command("destinations", "remove", "team", typed="n\n")
    assert kept.exit_code == 1
    said = "The news, Tea deliver to it, and their results will not arrive there any more."
    assert said in kept.stderr
    assert asked(told).filter == f'destination = "{NAME}"'
    removed = rota_command("destinations", "remove", "team", typed="y\n")
    assert removed.stdout.endswith("Removed.\n")
    assert asked(told).name == NAME
    asked_before = len(told.automations.calls)
    assert rota_command("destinations", "remove", "team", "--yes").exit_code == 0
    assert len(told.automations.calls) == asked_before + 1
