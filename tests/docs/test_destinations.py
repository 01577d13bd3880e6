"""The commands of docs/destinations.md, run against the real system."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rota.automation.v1 import destination_pb2 as dp

from tests.support.servers.code_receiver import CodeReceiver
from tests.support.system.live import Live

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


@pytest.fixture(scope="module")
def phone() -> Iterator[CodeReceiver]:
    made = CodeReceiver()
    yield made
    made.close()


def test_every_command_does_what_the_page_says(live: Live, phone: CodeReceiver) -> None:
    who = live.tenant()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NTFY": phone.url,
        "ROTA_GATEWAY": live.gateway,
        "ROTA_TOKEN": who.token(),
        "ROTA_WORKSPACE": who.id,
        "COLUMNS": "200",
    }
    printed = ""
    for block in BLOCK.findall(PAGE):
        if "read -r code" not in block:
            printed += shell(block, environment)
            continue
        # The code arrives after the command that has it sent.
        before, rest = block.split("\n", 1)
        printed += shell(before, environment)
        code = phone.code("a-topic-nobody-guesses")
        printed += shell(rest, environment, typed=f"{code}\n")
    kinds = {d.kind for d in listed(live, who.name, who.metadata())}
    assert kinds == set(dp.Destination.Kind.values()) - {0}
    for said in ("it was taken", "it was sent", "by ada", "takes none until it is verified"):
        assert said in printed, printed
    assert "another-topic" not in printed


def shell(script: str, environment: dict[str, str], *, typed: str = "") -> str:
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def listed(live: Live, parent: str, metadata: list[tuple[str, str]]) -> list[dp.Destination]:
    request = dp.ListDestinationsRequest(parent=parent)
    return list(live.call("DestinationService/ListDestinations", request, metadata).destinations)
