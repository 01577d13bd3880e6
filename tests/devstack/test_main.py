"""`python -m devstack token` and `env`: what a shell needs to talk to what runs."""

import subprocess
from pathlib import Path

import pytest

from devstack import keys, settings, state
from devstack.__main__ import main
from shared.security.caller import Verifier, read_key_set


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROTA_STATE_DIR", str(tmp_path))
    return tmp_path


def test_token_prints_one_that_the_services_believe(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--user", "ada", "--workspace", "lab", "--role", "viewer", "--zone", "Asia/Tokyo"]
    assert main(["token", *asked]) == 0
    made = keys.ensure(folder)
    users, services = read_key_set(made.users_jwks), read_key_set(made.services_jwks)
    verifier = Verifier(users=users, services=services, service="chat_service")
    caller = verifier.verify(f"Bearer {capsys.readouterr().out.strip()}")
    assert (caller.user, caller.zone) == ("ada", "Asia/Tokyo")
    assert caller.workspaces == {"lab": "viewer"}


def test_a_token_that_demotes_oneself_is_made_with_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for role, warned in (("viewer", "a viewer"), ("editor", "an editor"), ("owner", "")):
        assert main(["token", "--role", role]) == 0
        said = capsys.readouterr()
        assert "\n" not in said.out.strip()
        assert said.err.startswith(
            f"rota: whoever uses this token makes dev {warned} of dev"
        ) == bool(warned)
        assert bool(said.err) == bool(warned)
    assert main(["token", "--role", "viewer", "--user", "ada"]) == 0
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit):
        main(["token", "--help"])
    assert "also with older tokens" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("place", ["/proc/rota", "file", "file/below"])
def test_a_state_folder_that_cannot_be_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ROTA_STATE_DIR", str(tmp_path / place))
    assert main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rota: ROTA_STATE_DIR {tmp_path / place} can't be used: ")


@pytest.mark.parametrize("zone", ["Mars/X", "Europe", "../etc/passwd"])
def test_a_token_with_a_zone_that_is_none_is_not_made(
    folder: Path, capsys: pytest.CaptureFixture[str], zone: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["token", "--zone", zone])
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{zone!r} is no IANA time zone" in said.err


def test_env_prints_what_a_shell_can_evaluate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = {
        "gateway_url": "http://127.0.0.1:8080",
        "chat_address": "127.0.0.1:7001",
        "automation_address": "127.0.0.1:7002",
        "token": "a'b c",
        "workspace": "workspaces/dev",
    }
    state.write_ready(folder, ready)
    assert main(["env"]) == 0
    script = capsys.readouterr().out + 'echo "$ROTA_GATEWAY|$ROTA_TOKEN|$ROTA_WORKSPACE"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "http://127.0.0.1:8080|a'b c|workspaces/dev\n"


def test_env_says_so_when_nothing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env"]) == 1
    assert "make run" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    monkeypatch.setenv("ROTA_CHAT_PORT", port)
    assert main([]) == 1
    assert "ROTA_CHAT_PORT" in capsys.readouterr().err


def test_a_number_of_processes_that_is_none_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in ("0", "two", str(settings.MOST_PROCESSES + 1)):
        monkeypatch.setenv("ROTA_PROCESSES", given)
        assert main([]) == 1
        assert f"ROTA_PROCESSES is '{given}'" in capsys.readouterr().err


def test_the_last_process_of_a_service_needs_a_port_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROTA_PROCESSES", "3")
    monkeypatch.setenv("ROTA_CHAT_PORT", "65534")
    assert main([]) == 1
    assert "1 to 65533" in capsys.readouterr().err
    monkeypatch.setenv("ROTA_CHAT_PORT", "20001")
    monkeypatch.setenv("ROTA_AUTOMATION_PORT", "20003")
    assert main([]) == 1
    assert "ROTA_CHAT_PORT and ROTA_AUTOMATION_PORT both need port 20003" in capsys.readouterr().err


def test_one_port_for_two_things_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in settings.PORTS:
        monkeypatch.setenv(name, "20001")
    assert main([]) == 1
    assert "both need port 20001" in capsys.readouterr().err
