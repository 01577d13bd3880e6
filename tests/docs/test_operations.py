"""The commands of docs/operations.md, run in order by one shell against the real system."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import health
from tests.contract.stage import Stage, until
from tests.support.processes.ports import free_port
from tests.support.system.live import AUTOMATION, Live, Tenant

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
SECTION = re.compile(r"^### (?P<title>.+?)\n(?P<body>.*?)(?=^#|\Z)", re.M | re.S)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
SLOW = [{"step_id": "s", "action": "agent_task", "config": {"prompt": "Hello. <<ttft=300>>"}}]

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(1200)

# What each section's commands must print.
PRINTED = {
    "Services and health": [
        "rota.chat.v1.ChatService",
        '"status": "SERVING"',
        "message ExplainSlotRequest",
    ],
    "Why a slot fired or not": ['"explanation": "It fired on time."', "FIRED"],
    "Run a slot afterwards": ['"cause": "HAS_RUN"'],
    "A run that is stuck": [
        '"stepId": "s"',
        '"prompt": "Hello.',
        "CANCELLED: ",
        "It did not succeed.",
    ],
    "Decide an approval": ['"state": "APPROVED"', "What", "0 9 * * 1-5"],
    "Replay a turn": ['"suspended"', 'data: {"sequence":4'],
    "Pause for maintenance": ["PAUSED: the office is closed", "ACTIVE"],
    "Webhooks": ["not shown again", "run.failed", "webhook.test", "turned off"],
    "Stop a process": ["NOT_SERVING"],
}


def commands() -> dict[str, str]:
    """The shell blocks by section; those before the first are for all of them."""
    by_hand = PAGE.read_text().partition("## By hand")[2]
    opening = by_hand.partition("\n### ")[0]
    found = {m["title"]: "".join(BLOCK.findall(m["body"])) for m in SECTION.finditer(by_hand)}
    return {"": "".join(BLOCK.findall(opening)), **found}


@pytest.fixture(scope="module")
def leaving(live: Live) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A replica of automation_service that is about to be taken out, and its address."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "DATABASE_URL": live.databases.automation,
        "ROTA_LISTEN": address,
        "ROTA_PEER_ADDRESS": live.chat,
        "ROTA_JWKS_FILE": str(live.keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(live.keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(live.keys.service_key_file("automation_service")),
        "ROTA_ROLES": "api",
        "ROTA_DRAIN_SECONDS": "8",
        "ROTA_GRACE_SECONDS": "0",
    }
    process = subprocess.Popen([sys.executable, "-m", "automation_service"], env=environment)
    try:
        until(lambda: process.poll() is not None or health.is_serving(address, AUTOMATION))
        yield process, address
    finally:
        process.kill()
        process.wait(60)


@pytest.fixture(scope="module")
def who(live: Live) -> Tenant:
    """Somebody with a run that ended, one that hangs, and an approval that waits."""
    tenant = live.tenant()
    stage = Stage(tenant)
    slow = stage.new_automation(soon=True, plan=SLOW)
    assert stage.run.HasField("end_time")
    until(lambda: stage.begun(slow).HasField("start_time"))
    assert stage.waiting
    return tenant


@pytest.fixture(scope="module")
def printed(
    live: Live, leaving: tuple[subprocess.Popen[bytes], str], who: Tenant
) -> dict[str, str]:
    """What each section printed; all of them run in one shell, as a person would."""
    process, address = leaving
    mark = "\x1e"
    parts = [f"printf '{mark}%s\\n' '{title}'\n{body}" for title, body in commands().items()]
    done = subprocess.run(
        ["bash", "-c", "set -eu\n" + "".join(parts)],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ROTA_CHAT_ADDRESS": live.chat,
            "ROTA_AUTOMATION_ADDRESS": live.automation,
            "ROTA_GATEWAY": live.url,
            "ROTA_TOKEN": who.token(),
            "ROTA_WORKSPACE": who.name,
            "RECEIVER": "http://127.0.0.1:1/hook",
            "PID": str(process.pid),
            "ADDRESS": address,
            "TZ": "UTC",
            "COLUMNS": "80",
        },
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    pieces = [part.partition("\n") for part in done.stdout.split(mark)[1:]]
    return {title: said for title, _, said in pieces}


def test_every_section_has_commands_and_is_looked_at() -> None:
    sections = {title for title, body in commands().items() if title and body}
    assert sections == set(PRINTED)


@pytest.mark.parametrize("title", PRINTED)
def test_the_commands_of_a_section_print_what_they_should(
    printed: dict[str, str], title: str
) -> None:
    for wanted in PRINTED[title]:
        assert wanted in printed[title], printed[title]


def test_what_was_taken_out_ended_well(
    printed: dict[str, str], leaving: tuple[subprocess.Popen[bytes], str]
) -> None:
    assert printed
    assert leaving[0].wait(60) == 0
