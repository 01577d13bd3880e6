"""docker-compose.yml is what the Compose Specification's own schema allows.

The schema is the one that the last Compose written in Python carries; it knows no `name` yet.
"""

import fcntl
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft201909Validator

from tests.support.apart import NotResolved, install, missing

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "docker-compose==1.29.2"
HOME: Final = ROOT / ".venv" / "docker-compose-1.29.2"
SCHEMA: Final = HOME / "compose" / "config" / "compose_spec.json"
COMPOSE: Final = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    try:
        with open(HOME.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not SCHEMA.exists():
                # Its own dependencies are long gone, and it is not run.
                install(HOME, "--no-deps", PACKAGE)
    except NotResolved as exc:
        missing("The schema of compose files CAN'T BE INSTALLED, so nothing is checked by it", exc)
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    found["properties"]["name"] = {"type": "string"}
    return found


def faults(schema: dict[str, Any], compose: dict[str, Any]) -> list[str]:
    return [error.json_path for error in Draft201909Validator(schema).iter_errors(compose)]


@pytest.mark.timeout(300)
def test_the_compose_file_is_what_the_specification_allows(schema: dict[str, Any]) -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    assert faults(schema, compose) == []
    compose["services"]["chat"]["replicas"] = 2
    assert faults(schema, compose) == ["$.services.chat"]
