"""`rota models`: what may be chosen, and models of one's own."""

import json

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
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
    done = rota_command("models", "update", "-1", "--settings", "{}")
    assert done.exit_code == 0, done.output
    assert peer.chat.calls.pop()[1].model_config.name == "workspaces/w/modelConfigs/-1"
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


SETTINGS = {"temperature": 1, "leave_out": ["stream_options"], "extra_body": {"seed": 7}}


def found_test(
    *paths: str, connection: pb.FeatureTest.Outcome = pb.FeatureTest.WORKS
) -> pb.TestModelConfigResponse:
    return pb.TestModelConfigResponse(
        features=[
            pb.FeatureTest(feature="connection", outcome=connection),
            pb.FeatureTest(
                feature="json_schema",
                outcome=pb.FeatureTest.REFUSED,
                metadata={"status": "400", "code": "bad_format"},
            ),
            pb.FeatureTest(feature="context_tokens", outcome=pb.FeatureTest.WORKS, limit=32768),
        ],
        suggested=pb.ModelConfig(
            name="workspaces/w/modelConfigs/7",
            etag="e1",
            settings=pb.RequestSettings(response_format="json_object"),
        ),
        changes=FieldMask(paths=paths),
        usage=pb.Usage(model_calls=7, output_tokens=21),
    )


def test_a_test_tells_what_was_found_and_writes_nothing(rota_command: Rota, peer: Peer) -> None:
    peer.chat.model_test = found_test("settings")
    done = rota_command("models", "test", "7")

    assert done.exit_code == 0, done.output
    for said in ("connection", "works", "refused", "status 400", "bad_format", "32,768 tokens"):
        assert said in done.stdout
    assert "Settings that fit, with --save" in done.stdout
    assert "json_object" in done.stdout
    assert [name for name, _ in peer.chat.calls] == ["TestModelConfig"]


def test_a_test_saves_what_fits_where_that_is_asked(rota_command: Rota, peer: Peer) -> None:
    peer.chat.model_test = found_test("settings")
    done = rota_command("models", "test", "-2", "--save")

    assert "Saved" in done.stdout
    (_, asked), (name, saved) = peer.chat.calls
    assert asked.name.endswith("/modelConfigs/-2")
    assert (name, list(saved.update_mask.paths)) == ("UpdateModelConfig", ["settings"])
    assert saved.model_config.etag == "e1"
    assert saved.model_config.settings.response_format == "json_object"


def test_a_test_without_anything_to_change_saves_nothing(rota_command: Rota, peer: Peer) -> None:
    peer.chat.model_test = found_test()
    done = rota_command("models", "test", "7", "--save")

    assert "nothing to change" in done.stdout
    assert [name for name, _ in peer.chat.calls] == ["TestModelConfig"]


def test_a_test_of_a_model_that_is_not_reached_fails(rota_command: Rota, peer: Peer) -> None:
    peer.chat.model_test = found_test(connection=pb.FeatureTest.FAILED)
    assert rota_command("models", "test", "7").exit_code == 1


def test_settings_and_headers_are_set_and_no_value_of_a_header_is_an_argument(
    rota_command: Rota, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", KEY)
    given = ("--settings", json.dumps(SETTINGS), "--header-env", "X-Team-Key=TEAM_KEY")
    done = rota_command("models", "update", "7", *given)

    assert done.exit_code == 0, done.output
    assert "X-Team-Key" in done.stdout
    assert KEY not in done.output
    request = peer.chat.calls[-1][1]
    assert list(request.update_mask.paths) == ["settings", "extra_headers"]
    assert dict(request.model_config.extra_headers) == {"X-Team-Key": KEY}
    settings = request.model_config.settings
    assert (settings.temperature, list(settings.leave_out)) == (1, ["stream_options"])
    assert settings.extra_body["seed"] == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--settings", "{tempo"), "no JSON at line 1, column 2"),
        (("--settings", "[1]"), "it is no object"),
        (("--settings", '{"tempo": 1}'), "tempo is no field: there are temperature"),
        (("--settings", '{"strict": "true"}'), 'strict takes true or false, not "true"'),
        (("--header-env", "X-Team-Key"), "is not NAME=VARIABLE"),
        (("--header-env", "X-Team-Key=NO_SUCH_VARIABLE"), "the environment has no"),
        ((), "nothing to set"),
        (("--settngs", "{}"), "--settngs"),
    ],
)
def test_settings_that_are_none_are_told_before_anything_is_sent(
    rota_command: Rota, peer: Peer, given: tuple[str, ...], said: str
) -> None:
    done = rota_command("models", "update", "7", *given)

    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert peer.chat.calls == []
