"""Where the server is said to be."""

import json
from pathlib import Path

import pytest

from rota_client import Connection, NoConnection, discover
from rota_client.connection import Endpoint


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    ready = {
        "gateway_url": "http://127.0.0.1:8080",
        "chat_address": "127.0.0.1:7001",
        "token": "written",
        "workspace": "workspaces/dev",
    }
    (tmp_path / "ready.json").write_text(json.dumps(ready))
    return {"ROTA_STATE_DIR": str(tmp_path)}


def test_what_make_run_wrote_is_taken(state: dict[str, str]) -> None:
    assert discover(state) == Connection(
        address="http://127.0.0.1:8080", token="written", workspace="workspaces/dev"
    )


def test_the_environment_goes_before_the_file_and_options_before_both(
    state: dict[str, str],
) -> None:
    env = {**state, "ROTA_TOKEN": "mine", "ROTA_WORKSPACE": "team"}
    assert discover(env).token == "mine"
    assert discover(env).workspace == "workspaces/team"
    assert discover(env, token="given", workspace="other") == Connection(
        address="http://127.0.0.1:8080", token="given", workspace="workspaces/other"
    )


def test_the_written_token_goes_to_no_other_gateway(state: dict[str, str]) -> None:
    with pytest.raises(NoConnection, match="ROTA_TOKEN"):
        discover({**state, "ROTA_GATEWAY": "https://rota.example"})
    assert discover({**state, "ROTA_GATEWAY": "http://127.0.0.1:8080/"}).token == "written"


def test_without_a_server_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NoConnection, match="make run"):
        discover({"ROTA_STATE_DIR": str(tmp_path)})
    (tmp_path / "ready.json").write_text("{")
    with pytest.raises(NoConnection, match="make run"):
        discover({"ROTA_STATE_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("address", "host", "port", "tls"),
    [
        ("127.0.0.1:7001", "127.0.0.1", 7001, False),
        ("http://localhost:8080", "localhost", 8080, False),
        ("http://rota.example/", "rota.example", 80, False),
        ("https://rota.example", "rota.example", 443, True),
        ("[::1]:7001", "::1", 7001, False),
    ],
)
def test_an_address_is_a_host_and_port_or_a_url(
    address: str, host: str, port: int, tls: bool
) -> None:
    assert Endpoint.of(address) == Endpoint(host=host, port=port, tls=tls)


def test_tls_can_be_asked_for_without_a_url() -> None:
    assert Endpoint.of("rota.example:8443", tls=True).tls


@pytest.mark.parametrize("address", ["", "localhost", "ftp://x:1", "http://x:1/v1", "h:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|port|path"):
        Endpoint.of(address)
