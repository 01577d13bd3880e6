"""The door as a program: with TLS where others reach it, and what it says of its settings."""

import contextlib
import http.client
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.envoy_config import DEFAULTS
from gateway.http import __main__ as program
from gateway.http import settings
from tests.gateway.replicas import until
from tests.support.credentials.certificates import Authority
from tests.support.processes.ports import free_port


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    ours = Authority(folder=tmp_path)
    own = ours.issue("http")
    return {
        "ROTA_HTTP_LISTEN": f"0.0.0.0:{free_port()}",
        "ROTA_TLS_CA_FILE": str(ours.file),
        "ROTA_TLS_CERT_FILE": str(own.cert),
        "ROTA_TLS_KEY_FILE": str(own.key),
    }


@pytest.fixture
def door(told: dict[str, str]) -> Iterator[settings.Settings]:
    process = subprocess.Popen([sys.executable, "-m", "gateway.http"], env=told | path())
    known = settings.read({**DEFAULTS, **told})
    try:
        deadline = time.monotonic() + 120
        while not program.is_serving(known):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield known
    finally:
        process.kill()
        process.wait(60)


def path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}


def test_a_door_that_others_reach_answers_only_our_certificates(
    door: settings.Settings, told: dict[str, str]
) -> None:
    stranger = ssl.create_default_context(cafile=told["ROTA_TLS_CA_FILE"])
    connection = http.client.HTTPSConnection("127.0.0.1", door.port, context=stranger, timeout=60)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        connection.request("GET", "/healthz")
        connection.getresponse()
    connection.close()
    plain = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        plain.request("GET", "/healthz")
        plain.getresponse()
    plain.close()


def test_a_door_that_drains_says_so_and_answers_on() -> None:
    port, never = free_port(), 3600
    told = {"ROTA_HTTP_LISTEN": f"127.0.0.1:{port}", "ROTA_DRAIN_SECONDS": str(never)}
    process = subprocess.Popen([sys.executable, "-m", "gateway.http"], env=told | path())
    try:
        until(lambda: status(port, "/healthz") == 200, lambda: "it does not serve")
        process.terminate()
        until(lambda: status(port, "/healthz") == 503, lambda: "it says that it is well")
        assert status(port, "/v1/none") == 404
        # A second one stops it without a wait.
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
        process.wait(60)


def status(port: int, path: str) -> int:
    """What a request is answered with; 0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection), contextlib.suppress(ConnectionError):
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


def test_a_door_of_this_machine_speaks_in_clear(told: dict[str, str]) -> None:
    here = settings.read({**DEFAULTS, **told, "ROTA_HTTP_LISTEN": "127.0.0.1:1"})
    assert here.tls is not None
    assert here.own_tls is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROTA_HTTP_LISTEN", "here"),
        ("ROTA_CHAT_ADDRESS", "a:1,b"),
        ("ROTA_CALL_SECONDS", "0"),
        ("ROTA_DRAIN_SECONDS", "-1"),
        ("ROTA_TLS_KEY_FILE", ""),
        ("ROTA_TLS_CA_FILE", ""),
    ],
)
def test_a_setting_that_is_none_is_named(told: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings.read({**DEFAULTS, **told, name: value})


def test_a_check_of_a_door_that_does_not_answer_says_so(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gateway.http", "check"])
    port = told["ROTA_HTTP_LISTEN"].rpartition(":")[2]
    with pytest.raises(SystemExit, match=f"no healthy server answers on port {port}"):
        program.main()
