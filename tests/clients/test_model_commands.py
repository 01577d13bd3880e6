"""`rota models`: what may be chosen, and models of one's own."""

import json

import pytest
from rota.chat.v1 import chat_pb2 as pb

from tests.clients.command import Rota
from tests.clients.peer import Peer

KEY = "sk-typed-and-never-shown-again-99"
OWN = ("--base-url", "https://models.example.org/v1", "--model", "mine-1")


@pytest.fixture
def models(peer: Peer) -> Peer:
    peer.chat.models += [
        pb.ModelConfig(
            id=-1, display_name="Large", model="large", premium=True, context_tokens=200_000
        ),
        pb.ModelConfig(
            id=7, display_name="Mine", model="mine-1", own=True, image_support=pb.ModelConfig.IMAGES
        ),
    ]
    return peer


@pytest.mark.parametrize("command", [("models",), ("models", "list")])
def test_models_are_listed(rota_command: Rota, models: Peer, command: tuple[str, ...]) -> None:
    done = rota_command(*command)
    assert done.exit_code == 0, done.output
    for said in (
        "-1",
        "Large",
        "200,000",
        "the service's, premium",
        "7",
        "mine-1",
        "text, images",
        "yours",
    ):
        assert said in done.stdout


def test_models_are_listed_as_json(rota_command: Rota, models: Peer) -> None:
    shown = json.loads(rota_command("models", "list", "--json").stdout)
    assert [one["display_name"] for one in shown["model_configs"]] == ["Large", "Mine"]


def test_a_model_is_added_with_the_key_from_standard_input(rota_command: Rota, peer: Peer) -> None:
    done = rota_command("models", "add", *OWN, "--name", "Mine", "--images", typed=f"{KEY}\n")
    assert done.exit_code == 0, done.output
    assert "Mine (7)" in done.stdout
    assert f"…{KEY[-4:]}" in done.stdout
    assert KEY not in done.output
    request = peer.chat.calls[-1][1]
    assert (request.model_config.api_key, request.model_config.model) == (KEY, "mine-1")
    assert request.model_config.image_support == pb.ModelConfig.IMAGES
    assert request.request_id


def test_a_model_is_added_with_what_it_holds(rota_command: Rota, peer: Peer) -> None:
    done = rota_command("models", "add", *OWN, "--no-key", "--context-tokens", "8000")
    assert done.exit_code == 0, done.output
    assert "8,000 tokens" in done.stdout
    assert peer.chat.calls[-1][1].model_config.context_tokens == 8_000


def test_a_model_that_holds_nothing_is_not_added(rota_command: Rota, peer: Peer) -> None:
    done = rota_command("models", "add", *OWN, "--no-key", "--context-tokens", "10")
    assert done.exit_code == 2
    assert peer.chat.calls == []


def test_a_key_is_no_argument(rota_command: Rota, peer: Peer) -> None:
    done = rota_command("models", "add", *OWN, "--api-key", KEY)
    assert done.exit_code == 2
    assert peer.chat.calls == []


def test_an_empty_standard_input_adds_nothing(rota_command: Rota, peer: Peer) -> None:
    done = rota_command("models", "add", *OWN)
    assert done.exit_code == 2
    assert "--no-key" in done.output
    assert peer.chat.calls == []


def test_an_endpoint_may_want_no_key(rota_command: Rota, peer: Peer) -> None:
    shown = json.loads(rota_command("models", "add", *OWN, "--no-key", "--json").stdout)
    assert "api_key" not in shown
    assert peer.chat.calls[-1][1].model_config.api_key == ""


@pytest.mark.parametrize("given", ["7", "modelConfigs/7", "workspaces/w/modelConfigs/7"])
def test_a_model_is_removed(rota_command: Rota, peer: Peer, given: str) -> None:
    done = rota_command("models", "remove", given)
    assert (done.exit_code, done.stdout) == (0, "Removed.\n")
    assert peer.chat.calls[-1][1].name == "workspaces/w/modelConfigs/7"


def test_an_id_below_zero_is_no_option(rota_command: Rota, peer: Peer) -> None:
    for arguments in (["-1"], ["--", "-1"], ["-1", "--json"]):
        done = rota_command("models", "remove", *arguments)
        assert done.exit_code == 0, done.output
        assert peer.chat.calls.pop()[1].name == "workspaces/w/modelConfigs/-1"
    for wrong in ("--jsno", "-x", "-"):
        done = rota_command("models", "remove", wrong)
        assert (done.exit_code, f"no option {wrong}" in done.stderr) == (2, True), done.output
    assert peer.chat.calls == []


def test_a_message_is_said_to_the_model_that_is_named(rota_command: Rota, peer: Peer) -> None:
    completed = pb.TurnEvent(completed=pb.TurnCompleted())
    peer.chat.segments.append([completed])
    done = rota_command("chat", "--message", "hello", "--model", "7")
    assert done.exit_code == 0, done.output
    assert next(r for m, r in peer.chat.calls if m == "SendMessage").model_config_id == 7
