"""The `rota` command in this process, against a peer."""

import os
import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from rota_client.cli import app
from tests.clients.peer import TOKEN, Peer
from tests.clients.scripted_chat import WORKSPACE

# It takes longer to build all of its subcommands than to run one.
BUILT: Final = cache(get_command)


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

    def __call__(self, *args: str, typed: str | bytes = "", **env: str) -> Any:
        return CliRunner().invoke(app, list(args), input=typed, env={**self.env, **env})


@pytest.fixture
def rota_command(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Rota:
    monkeypatch.setattr("typer.testing._get_command", BUILT)
    return Rota(peer)


Editor = Callable[..., dict[str, str]]


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    """Makes an EDITOR that applies the next of its edits (Python on `payload`) each time it is
    run; returns the environment that names it."""

    def make(*edits: str) -> dict[str, str]:
        for number, code in enumerate(edits):
            (tmp_path / f"edit-{number}").write_text(code)
        script = tmp_path / "editor.py"
        script.write_text(
            "import json, pathlib, sys\n"
            f"edit = min(pathlib.Path({str(tmp_path)!r}).glob('edit-*'))\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "text = path.read_text()\n"
            f"pathlib.Path({str(tmp_path)!r}, 'seen-' + edit.name).write_text(text)\n"
            "if edit.read_text() == 'BREAK':\n"
            "    path.write_text('{\"display_name\": ')\n"
            "else:\n"
            "    payload = json.loads(text) if text.rstrip().endswith('}') else {}\n"
            "    exec(edit.read_text())\n"
            "    path.write_text(json.dumps(payload, indent=2))\n"
            "edit.unlink()\n"
        )
        command = shlex.join([sys.executable, str(script)])
        return {"VISUAL": "", "EDITOR": command, "PATH": os.environ["PATH"]}

    return make
