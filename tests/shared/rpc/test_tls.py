"""TLS between services: both show a certificate of one authority, or nothing is said."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.rpc import client, health, tls
from shared.rpc.server.interceptor import ServerInterceptor
from shared.rpc.server.rpc_server import RpcServer
from shared.security import caller
from tests.support.credentials.certificates import Authority
from tests.support.credentials.tokens import Keys
from tests.support.processes import forks


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(folder=tmp_path)


def made(authority: Authority, name: str, *addresses: str) -> tls.Tls:
    own = authority.issue(name, *addresses)
    found = tls.read(own.cert, own.key, authority.file)
    assert found is not None
    return found


@pytest.fixture
async def server(ours: Authority, tmp_path: Path) -> AsyncIterator[RpcServer]:
    keys = Keys(folder=tmp_path)
    verifier = caller.Verifier(
        users=caller.read_key_set(keys.jwks_file),
        services=caller.read_key_set(keys.service_jwks_file),
        service="chat_service",
    )
    running = RpcServer(
        listen="127.0.0.1:0",
        interceptor=ServerInterceptor(verifier=verifier, translate=lambda error: None),
        service_names=[],
        add=[],
        grace_seconds=0,
        tls=made(ours, "chat_service"),
    )
    await running.start()
    yield running
    await running.stop()


async def code(address: str, own: tls.Tls | None) -> grpc.StatusCode:
    async with client.open_channel(address, tls=own) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
        except grpc.aio.AioRpcError as failed:
            return failed.code()
    return grpc.StatusCode.OK


async def test_a_peer_with_a_certificate_is_answered(server: RpcServer, ours: Authority) -> None:
    peer = made(ours, "automation_service")
    assert await code(f"127.0.0.1:{server.port}", peer) is grpc.StatusCode.OK


async def test_a_peer_without_one_or_with_anothers_is_not(
    server: RpcServer, ours: Authority, tmp_path: Path
) -> None:
    other = made(Authority(folder=tmp_path, name="other"), "automation_service")
    # It believes our authority, but shows what another one issued.
    other = replace(other, authority=ours.file.read_bytes())
    for own in (None, other):
        assert await code(f"127.0.0.1:{server.port}", own) is grpc.StatusCode.UNAVAILABLE


async def test_a_service_that_is_named_otherwise_is_not_believed(
    server: RpcServer, ours: Authority
) -> None:
    peer = made(ours, "automation_service")
    address = f"127.0.0.2:{server.port}"
    assert await code(address, peer) is grpc.StatusCode.UNAVAILABLE


async def test_the_health_check_of_a_container_knows_both_ways(
    server: RpcServer, ours: Authority
) -> None:
    own = ours.issue("check", "127.0.0.1")
    told = {
        "ROTA_TLS_CERT_FILE": str(own.cert),
        "ROTA_TLS_KEY_FILE": str(own.key),
        "ROTA_TLS_CA_FILE": str(ours.file),
    }
    listen = f"0.0.0.0:{server.port}"
    async with asyncio.timeout(240):
        # Each asks for no longer than a health check may take.
        while await check(listen, told) != 0:
            pass
    assert await check(listen, {}) == 1
    assert await check("127.0.0.1:1", {}) == 1


async def check(listen: str, told: dict[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shared.rpc.health", env={**os.environ, "ROTA_LISTEN": listen, **told}
    )
    return await process.wait()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "ROTA_LISTEN is not set"),
        ({"ROTA_LISTEN": "127.0.0.1:1", "ROTA_PROCESSES": "0"}, "ROTA_PROCESSES must be at least"),
        ({"ROTA_LISTEN": "127.0.0.1:1"}, "no healthy server answers at 127.0.0.1:1"),
        ({"ROTA_LISTEN": "8000"}, "no healthy server answers at 8000"),
    ],
)
def test_a_health_check_that_fails_says_why(
    told: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("ROTA_LISTEN", "ROTA_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert health.main() == 1
    assert said in capsys.readouterr().err


def test_what_listens_everywhere_is_near() -> None:
    assert health.local_address("0.0.0.0:7001") == "127.0.0.1:7001"
    assert health.local_address("127.0.0.1:7001") == "127.0.0.1:7001"


def test_no_files_are_no_tls() -> None:
    assert tls.read(None, None, None) is None


def test_what_is_missing_is_named(ours: Authority) -> None:
    own = ours.issue("a")
    with pytest.raises(RuntimeError, match="ROTA_TLS_KEY_FILE and ROTA_TLS_CA_FILE: not set"):
        tls.read(own.cert, None, None)


def test_files_that_do_not_belong_together_are_named(ours: Authority, tmp_path: Path) -> None:
    own, other = ours.issue("a"), ours.issue("b")
    with pytest.raises(RuntimeError, match="ROTA_TLS_CERT_FILE and ROTA_TLS_KEY_FILE"):
        tls.read(own.cert, other.key, ours.file)
    with pytest.raises(RuntimeError, match="ROTA_TLS_CA_FILE"):
        tls.read(own.cert, own.key, tmp_path / "none.pem")


def test_a_key_is_never_shown(ours: Authority) -> None:
    assert "PRIVATE" not in repr(made(ours, "a"))


@pytest.mark.parametrize("service", ["chat_service", "automation_service"])
def test_a_service_with_half_of_it_says_so_and_does_not_start(service: str, tmp_path: Path) -> None:
    keys = Keys(folder=tmp_path)
    told = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file(service)),
        "ROTA_DEFAULT_MODEL": "demo",
        "ROTA_TLS_CERT_FILE": str(keys.jwks_file),
    }
    output, errors = tmp_path / "output", tmp_path / "errors"
    fork = forks.start_program(service, [], told, output, errors)
    fork.process.join(240)
    said = errors.read_text()
    assert fork.poll() == 1, said
    assert "ROTA_TLS_KEY_FILE and ROTA_TLS_CA_FILE: not set" in said
    assert "Traceback" not in said
