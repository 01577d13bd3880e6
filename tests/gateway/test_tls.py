"""TLS to callers, and TLS or mTLS to the services, by nothing but settings."""

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest

from gateway import __main__ as program
from shared.rpc import tls
from tests.gateway.replicas import Front, Replica, front, serving, until
from tests.support.calls import patient
from tests.support.credentials.certificates import Authority, Certificate

PATH = "/v1/workspaces/w/threads/t"
READ = "ChatService/GetThread"


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(folder=tmp_path)


def service(authority: Authority, own: Certificate, *, clients_show: bool = True) -> Replica:
    """A server with the credentials that a service of ours has."""
    made = tls.read(own.cert, own.key, authority.file, clients_show=clients_show)
    assert made is not None
    return Replica(credentials=made.server())


@contextlib.contextmanager
def gateway(replica: Replica, folder: Path, **settings: object) -> Iterator[Front]:
    told = {name: str(value) for name, value in settings.items()}
    with serving(replica), front(folder, [replica.address], **told) as made:
        yield made


def upstream(authority: Authority, own: Certificate | None = None) -> dict[str, Path]:
    told = {"ROTA_TLS_CA_FILE": authority.file}
    if own is not None:
        told |= {"ROTA_TLS_CERT_FILE": own.cert, "ROTA_TLS_KEY_FILE": own.key}
    return told


def answered(made: Front) -> bool:
    return made.http("GET", PATH).status_code == 200


def never_answered(made: Front) -> None:
    """Until the gateway has looked at the service a few times."""
    for _ in range(10):
        assert made.http("GET", PATH).status_code == 503


def test_callers_speak_tls_where_the_gateway_has_a_certificate(
    ours: Authority, tmp_path: Path
) -> None:
    replica, own = Replica(), ours.issue("gateway")
    told = {"ROTA_GATEWAY_TLS_CERT_FILE": str(own.cert), "ROTA_GATEWAY_TLS_KEY_FILE": str(own.key)}
    verify = ssl.create_default_context(cafile=str(ours.file))
    with serving(replica), front(tmp_path, [replica.address], verify=verify, **told) as made:
        until(lambda: answered(made), lambda: "no answer")
        with made.calls(authority=ours.file.read_bytes()) as calls:
            assert calls.code(READ) is grpc.StatusCode.OK
        with pytest.raises(httpx2.TransportError):
            patient.get(f"http://{made.listen}/healthz")
        # Each asks for no longer than a health check may take.
        until(
            lambda: program.is_serving({"ROTA_GATEWAY_LISTEN": made.listen, **told}), lambda: "no"
        )
    assert not program.is_serving({"ROTA_GATEWAY_LISTEN": made.listen, **told})


def test_a_service_that_wants_certificates_is_reached_with_one(
    ours: Authority, tmp_path: Path
) -> None:
    replica = service(ours, ours.issue("chat_service"))
    with gateway(replica, tmp_path, **upstream(ours, ours.issue("gateway", "gateway"))) as made:
        until(lambda: answered(made), lambda: "no answer")
        with made.calls() as calls:
            assert calls.code(READ) is grpc.StatusCode.OK


def test_and_not_without(ours: Authority, tmp_path: Path) -> None:
    with gateway(service(ours, ours.issue("chat_service")), tmp_path, **upstream(ours)) as made:
        never_answered(made)


def test_a_service_that_wants_none_is_reached_without(ours: Authority, tmp_path: Path) -> None:
    replica = service(ours, ours.issue("chat_service"), clients_show=False)
    with gateway(replica, tmp_path, **upstream(ours)) as made:
        until(lambda: answered(made), lambda: "no answer")


def test_a_service_of_another_authority_is_not_believed(ours: Authority, tmp_path: Path) -> None:
    other = Authority(folder=tmp_path, name="other")
    replica = service(other, other.issue("chat_service"), clients_show=False)
    with gateway(replica, tmp_path, **upstream(ours)) as made:
        never_answered(made)


def test_a_service_with_the_certificate_of_something_else_is_not_believed(
    ours: Authority, tmp_path: Path
) -> None:
    replica = service(ours, ours.issue("else", "elsewhere.example"), clients_show=False)
    with gateway(replica, tmp_path, **upstream(ours)) as made:
        never_answered(made)
