"""The image, made again in a clean virtual environment: what is in it starts, as nobody special."""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.postgres.roles import ServiceDatabases
from tests.support.credentials.tokens import Keys
from tests.support.processes.ports import free_port
from tests.tools import dockerfile

ROOT = dockerfile.ROOT
BUILD, FINAL = dockerfile.stages((ROOT / "Dockerfile").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = ("chat_service", "automation_service")

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True)
class Image:
    place: Path
    before: list[str] = field(default_factory=list)

    @property
    def python(self) -> Path:
        return self.place / "opt" / "rota" / "bin" / "python"

    def command(self, *words: str) -> list[str]:
        """The entry point with its arguments."""
        assert json.loads(FINAL.last("ENTRYPOINT")) == ["python", "-m"]
        return [*self.before, str(self.python), "-m", *words]

    def environment(self, **told: str) -> dict[str, str]:
        """Nothing but what the image sets, and what it is told."""
        said = self.place / "opt" / "rota" / "bin"
        compiled = {"PYTHONPYCACHEPREFIX": str(self.place / "compiled")}
        return {"PATH": f"{said}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1", **compiled, **told}

    def run(self, *words: str, **told: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words),
            cwd="/",
            env=self.environment(**told),
            capture_output=True,
            text=True,
            timeout=240,
        )


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    place = Path(tempfile.mkdtemp(prefix="rota-image-"))
    try:
        dockerfile.Replay(place).run(BUILD)
        # What the final stage takes over, and nothing else.
        assert "--from=build /opt/rota /opt/rota" in FINAL.last("COPY")
        dockerfile.make_readable(place / "opt")
        place.chmod(0o755)
        # Compiled by whoever imports first, as nobody may write beside the source.
        (place / "compiled").mkdir()
        made = Image(place)
        [packages] = (place / "opt" / "rota" / "lib").glob("*/site-packages")
        dockerfile.share_compiled(packages, place / "compiled")
        for folder, _, _ in os.walk(place / "compiled"):
            Path(folder).chmod(0o777)
        yield Image(place, dockerfile.as_somebody_else(made.python))
    finally:
        dockerfile.remove(place)


@pytest.fixture
def keys() -> Iterator[Keys]:
    """In a folder that everybody can read."""
    with tempfile.TemporaryDirectory(prefix="rota-keys-") as folder:
        Path(folder).chmod(0o755)
        yield Keys(folder=Path(folder))


def told(service: str, keys: Keys, databases: ServiceDatabases) -> dict[str, str]:
    urls = {"chat_service": databases.chat, "automation_service": databases.automation}
    return {
        "DATABASE_URL": urls[service],
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file(service)),
        "ROTA_DEFAULT_MODEL": "demo",
    }


@pytest.mark.parametrize("module", ["chat_service", "gateway"])
def test_an_entry_point_says_what_it_is(image: Image, module: str) -> None:
    done = image.run(module, "--help")
    assert done.returncode == 0, done.stderr
    assert module in done.stdout


def test_nobody_who_runs_it_can_change_it(image: Image) -> None:
    package = image.python.parent.parent / "lib"
    writes = f"import os, sys; sys.exit(os.access({str(package)!r}, os.W_OK))"
    if image.before:
        done = subprocess.run([*image.before, image.python, "-c", writes])
        assert done.returncode == 0
    assert not package.stat().st_mode & 0o222


def test_it_holds_the_packages_that_the_compose_file_starts_and_no_tests(image: Image) -> None:
    started = {
        service["command"][0].partition(".")[0]
        for service in COMPOSE["services"].values()
        if "command" in service
    }
    assert started == {*SERVICES, "gateway"}
    names = {path.name for path in image.python.parent.parent.glob("lib/*/site-packages/*")}
    assert started | {"shared", "rota", "buf", "grpc"} <= names
    assert not names & {"tests", "bench", "pytest", "mypy", "rota_client", "grpclib"}
    assert not image.python.with_name("rota").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_migrates_and_serves_from_it(
    image: Image, service: str, keys: Keys, databases: ServiceDatabases
) -> None:
    environment = told(service, keys, databases)
    done = image.run(service, "migrate", **environment)
    assert done.returncode == 0, done.stderr
    listen = {"ROTA_LISTEN": f"127.0.0.1:{free_port()}"}
    with running(image, service, **environment, **listen):
        until_open(listen["ROTA_LISTEN"])
        serves(image, "shared.rpc.health", **listen)


def test_the_gateway_serves_from_it(image: Image, keys: Keys) -> None:
    environment = {
        "ROTA_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_CORS_ORIGINS": "",
    }
    with running(image, "gateway", **environment):
        until_open(environment["ROTA_GATEWAY_LISTEN"])
        serves(image, "gateway", "check", **environment)


def test_the_http_door_serves_from_it(image: Image) -> None:
    environment = {"ROTA_HTTP_LISTEN": f"127.0.0.1:{free_port()}"}
    with running(image, "gateway.http", **environment):
        until_open(environment["ROTA_HTTP_LISTEN"])
        serves(image, "gateway.http", "check", **environment)


@contextlib.contextmanager
def running(image: Image, *words: str, **told: str) -> Iterator[None]:
    """A command of the image, ended at the end."""
    process = subprocess.Popen(image.command(*words), cwd="/", env=image.environment(**told))
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


def until_open(address: str) -> None:
    """Until somebody listens: a check before that is a process for nothing."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 240
    while True:
        with socket.socket() as connection:
            if connection.connect_ex((host, int(port))) == 0:
                return
        assert time.monotonic() < deadline, address
        time.sleep(0.05)


def serves(image: Image, *check: str, **told: str) -> None:
    """Until the health check that the compose file names is content."""
    deadline = time.monotonic() + 240
    while image.run(*check, **told).returncode:
        assert time.monotonic() < deadline, check


def test_the_checks_are_those_of_the_compose_file() -> None:
    checks = {
        name: service["healthcheck"]["test"]
        for name, service in COMPOSE["services"].items()
        if service.get("restart")
    }
    own = ["CMD", "python", "-m", "shared.rpc.health"]
    assert checks["chat"] == checks["automation"] == own
    assert checks["gateway"] == ["CMD", "python", "-m", "gateway", "check"]
    assert checks["http"] == ["CMD", "python", "-m", "gateway.http", "check"]
    assert checks["postgres"][1] == "pg_isready"
