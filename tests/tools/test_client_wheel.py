"""The client's wheel: all that it needs comes with it, and nothing of it with the services."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format as wire
from hatchling.builders.wheel import WheelBuilder
from packaging.utils import canonicalize_name
from rota.automation.v1 import automation_pb2 as pb

from tests.clients.frames import AUTOMATION
from tests.clients.peer import TOKEN, serving
from tests.clients.scripted_chat import WORKSPACE
from tests.support import apart
from tests.tools.test_lock import pins

ROOT = Path(__file__).resolve().parents[2]
# Run in the wheel's environment.
IMPORT_ALL = """
import importlib, pkgutil, rota_client
for module in pkgutil.walk_packages(rota_client.__path__, "rota_client."):
    importlib.import_module(module.name)
print(rota_client.__file__)
"""
LIST_ALL = """
import importlib.metadata, json
print(json.dumps({d.name: d.version for d in importlib.metadata.distributions()}))
"""


def run(*command: str, **environ: str) -> str:
    told = {"PATH": os.environ["PATH"], **environ}
    done = subprocess.run(command, cwd="/", env=told, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the client's wheel, in the lock's versions, and nothing else of ours."""
    place = tmp_path_factory.mktemp("client")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT / "clients" / "python", check=True, capture_output=True)
    [wheel] = place.glob("*.whl")
    locked = place / "locked"
    locked.write_text("".join(f"{n}=={v}\n" for n, v in pins("requirements.lock").items()))
    try:
        return apart.environment(place / "venv", "--constraint", str(locked), str(wheel))
    except apart.NotResolved as exc:
        apart.missing("the client's wheel", exc)


def test_every_module_is_imported_where_nothing_else_is_installed(python: Path) -> None:
    place = run(str(python), "-c", IMPORT_ALL).strip()
    assert Path(place).is_relative_to(python.parent.parent)


def test_what_is_installed_with_it_is_locked(python: Path) -> None:
    found = json.loads(run(str(python), "-c", LIST_ALL))
    versions = {str(canonicalize_name(name)): version for name, version in found.items()}
    assert versions.pop("rota-client")
    assert versions
    assert versions.items() <= pins("requirements.lock").items()
    assert "rota" not in versions
    assert "grpcio" not in versions


def test_the_command_talks_to_a_server(python: Path) -> None:
    rota = str(python.with_name("rota"))
    assert "approvals" in run(rota, "--help")
    listed = {"automations": [{"name": AUTOMATION, "display_name": "Morning news"}]}
    with serving() as peer:
        peer.automations.answers["ListAutomations"] = wire.ParseDict(
            listed, pb.ListAutomationsResponse()
        )
        said = run(
            rota,
            "automations",
            "--json",
            ROTA_GATEWAY=peer.address,
            ROTA_TOKEN=TOKEN,
            ROTA_WORKSPACE=WORKSPACE,
        )
    assert json.loads(said) == listed


def test_the_services_wheel_holds_nothing_of_the_client() -> None:
    builder = WheelBuilder(str(ROOT))
    held = {Path(file.distribution_path).parts[0] for file in builder.recurse_included_files()}
    assert {"chat_service", "automation_service", "gateway", "shared", "rota"} <= held
    assert not held & {"clients", "rota_client"}
    assert not builder.metadata.core.scripts
