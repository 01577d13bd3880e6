"""The image and the compose file: they name only what is there, and what they need is locked."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings

from automation_service.settings import AutomationSettings
from chat_service.settings import ChatSettings
from gateway.envoy_config import DEFAULTS, render
from shared.settings import next_address
from tests.tools.test_lock import entries, pins
from tools.configuration import GATEWAY, HTTP, settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = ("chat", "automation")


def test_what_the_image_copies_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_what_the_image_adds_to_the_service_lock_is_locked_with_its_dependencies() -> None:
    found = re.search(r"\\\(([a-z\\|-]+)\\\)==", DOCKERFILE)
    assert found
    names = found.group(1).split(r"\|")
    assert set(names) <= set(pins("requirements.lock"))
    # Each entry is a name, then its hashes on lines that are continued.
    chosen = [e for e in entries("requirements.lock") if e.split("==")[0] in names]
    assert all("--hash=sha256:" in entry for entry in chosen)


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER rota$", last_stage, re.MULTILINE)


def environment(name: str, **given: str) -> dict[str, str]:
    """What a service of the compose file is told with these variables; without what is empty."""

    def value(found: re.Match[str]) -> str:
        variable, kind, word = found.groups()
        return given.get(variable) or (word if kind == "-" else "")

    told = COMPOSE["services"][name]["environment"]
    filled = {key: re.sub(r"\$\{(\w+):([-+?])(.*?)\}", value, text) for key, text in told.items()}
    return {key: text for key, text in filled.items() if text}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_runs_twice_and_knows_the_other(name: str) -> None:
    service = COMPOSE["services"][name]
    other = SERVICES[1 - SERVICES.index(name)]
    assert service["deploy"]["replicas"] == 2
    assert service["command"] == [f"{name}_service"]
    listen = environment(other)["ROTA_LISTEN"]
    assert environment(name)["ROTA_PEER_ADDRESS"] == f"{other}:{listen.split(':')[1]}"
    assert environment(name)["ROTA_PROCESSES"] == "1"


# As the compose file says for two processes.
TWO = {
    "ROTA_PROCESSES": "2",
    "ROTA_CHAT_ADDRESS": "chat:7001,chat:7002",
    "ROTA_AUTOMATION_ADDRESS": "automation:7002,automation:7003",
}


@pytest.mark.parametrize("given", [{}, TWO], ids=["one", "two"])
def test_the_gateway_of_the_compose_file_has_all_it_is_rendered_from(given: dict[str, str]) -> None:
    config = yaml.safe_load(render({**DEFAULTS, **environment("gateway", **given)}))
    *services, door = config["static_resources"]["clusters"]
    assert '"http", "port_value": 8081' in json.dumps(door)
    for cluster in services:
        [group] = cluster["load_assignment"]["endpoints"]
        sockets = [
            endpoint["endpoint"]["address"]["socket_address"] for endpoint in group["lb_endpoints"]
        ]
        told = environment(cluster["name"], **given)
        processes = range(int(told["ROTA_PROCESSES"]))
        assert [next_address(told["ROTA_LISTEN"], number) for number in processes] == [
            f"0.0.0.0:{socket['port_value']}" for socket in sockets
        ]
        assert {socket["address"] for socket in sockets} == {cluster["name"]}


def test_the_compose_file_says_what_two_processes_need() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("ROTA_CHAT_ADDRESS", "ROTA_AUTOMATION_ADDRESS"):
        assert f"{name} is {TWO[name]}" in " ".join(text.replace("\n#", "").split())


PASSWORDS = (
    "POSTGRES_PASSWORD",
    "ROTA_CHAT_DATABASE_PASSWORD",
    "ROTA_AUTOMATION_DATABASE_PASSWORD",
)


def test_each_service_has_a_role_of_its_own_and_only_the_first_step_is_a_superuser() -> None:
    users = {
        name: urlsplit(service["environment"]["DATABASE_URL"]).username
        for name, service in COMPOSE["services"].items()
        if "DATABASE_URL" in service.get("environment", {})
    }
    assert users == {
        "database-roles": "postgres",
        "migrate-chat": "rota_chat",
        "chat": "rota_chat",
        "migrate-automation": "rota_automation",
        "automation": "rota_automation",
    }


def test_chat_is_told_its_models() -> None:
    told = COMPOSE["services"]["chat"]["environment"]
    assert told["ROTA_MODELS"] == "${ROTA_MODELS:-}"
    assert told["ROTA_DEFAULT_MODEL"] == "${ROTA_DEFAULT_MODEL:-}"


OURS = {name: service for name, service in COMPOSE["services"].items() if name != "postgres"}


def test_there_is_one_image() -> None:
    assert {(service["image"], service["build"]) for service in OURS.values()} == {
        ("rota:${ROTA_VERSION:-latest}", ".")
    }


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_ours_may_write_or_gain_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_what_stays_up_has_a_health_check_and_what_needs_it_waits() -> None:
    staying = {n: s for n, s in COMPOSE["services"].items() if s.get("restart")}
    assert set(staying) == {"postgres", "chat", "automation", "http", "gateway"}
    for service in staying.values():
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"])
    for service in COMPOSE["services"].values():
        for name, when in service.get("depends_on", {}).items():
            stays = name in staying
            wanted = "service_healthy" if stays else "service_completed_successfully"
            assert when == {"condition": wanted}


@pytest.mark.parametrize(
    ("name", "kind"), [("chat", ChatSettings), ("automation", AutomationSettings)]
)
def test_a_service_is_told_what_it_requires_and_nothing_it_does_not_read(
    name: str, kind: type[BaseSettings]
) -> None:
    told = set(COMPOSE["services"][name]["environment"])
    known = {variable: default for variable, default, _ in settings(kind)}
    required = {variable for variable, default in known.items() if default == "required"}
    secret = {"ROTA_SECRET_KEYS"} & set(known)
    assert required | secret <= told <= set(known)


def test_the_gateway_is_told_nothing_it_does_not_read() -> None:
    for name, rows in (("gateway", GATEWAY), ("http", HTTP)):
        told = set(COMPOSE["services"][name]["environment"])
        assert told <= {variable for variable, _, _ in rows}


def test_docker_itself_accepts_the_compose_file_where_it_is_installed() -> None:
    docker = shutil.which("docker")
    has_compose = (
        docker
        and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    )
    if docker and has_compose:
        checked = subprocess.run(
            [docker, "compose", "config", "--quiet"],
            cwd=ROOT,
            env={**dict.fromkeys(PASSWORDS, "x"), "PATH": "/usr/bin:/bin:/usr/local/bin"},
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stderr
    names = set(COMPOSE["services"])
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= names
        assert "image" in service or service["build"] == "."
