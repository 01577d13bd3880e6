"""The `rota` command in this process, against a peer."""

from typing import Any

import pytest
from typer.testing import CliRunner

from rota_client.cli import app
from tests.clients.peer import TOKEN, Peer
from tests.clients.scripted_chat import WORKSPACE


class Rota:
    """`rota("runs", "news")` → the result; its input is what is typed, without a terminal."""

    def __init__(self, peer: Peer) -> None:
        self.env = {
            "ROTA_GATEWAY": peer.address,
            "ROTA_TOKEN": TOKEN,
            "ROTA_WORKSPACE": WORKSPACE,
            "TZ": "Europe/Paris",
            "COLUMNS": "80",
        }

    def __call__(self, *args: str, typed: str = "", **env: str) -> Any:
        return CliRunner().invoke(app, list(args), input=typed, env={**self.env, **env})


@pytest.fixture
def rota_command(peer: Peer) -> Rota:
    return Rota(peer)
