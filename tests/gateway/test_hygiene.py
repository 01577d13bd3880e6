"""Headers that a caller can't forge, headers that a caller doesn't see, and who listens where."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.gateway.replicas import Front, Replica, front, serving, until

PATH = "/v1/workspaces/w/threads/t"
# What only a gateway may say, and what would change how ours does its work.
FORGED = {
    "x-request-id": "mine",
    "x-user-id": "root",
    "x-real-ip": "10.9.8.7",
    "forwarded": "for=10.9.8.7",
    "x-forwarded-for": "10.9.8.7",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "x-forwarded-client-cert": "Subject=root",
    "x-envoy-internal": "true",
    "x-envoy-external-address": "10.9.8.7",
    "x-envoy-original-path": "/v1/evil",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-expected-rq-timeout-ms": "1",
    "x-envoy-max-retries": "9",
    "x-envoy-retry-on": "5xx",
    "x-envoy-retry-grpc-on": "unavailable",
    "x-envoy-decorator-operation": "mine",
}


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def gateway(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("hygiene")
    with serving(replica), front(folder, [replica.address]) as made:
        until(lambda: made.http("GET", PATH).status_code == 200, lambda: "not reached")
        yield made


def test_nothing_that_only_a_gateway_may_say_gets_through(gateway: Front, replica: Replica) -> None:
    with gateway.calls() as calls:
        assert calls.code("ChatService/GetThread", *FORGED.items()) is grpc.StatusCode.OK
    seen = replica.metadata
    assert seen["authorization"] == gateway_auth(calls.metadata)
    assert {name: seen[name] for name, said in FORGED.items() if seen.get(name) == said} == {}
    assert "," not in seen["x-forwarded-for"]
    assert "x-envoy-internal" not in seen


def gateway_auth(metadata: list[tuple[str, str]]) -> str:
    return dict(metadata)["authorization"]


@pytest.mark.usefixtures("gateway")
def test_a_caller_cannot_ask_for_more_tries(gateway: Front, replica: Replica) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    replica.calls.clear()
    replica.act = fail
    try:
        with gateway.calls() as calls:
            calls.code("ChatService/CreateThread", *FORGED.items())
    finally:
        replica.act = lambda method, context: None
    assert replica.calls["ChatService/CreateThread"] == 1


def test_every_request_has_an_id_of_the_gateways_own(gateway: Front, replica: Replica) -> None:
    ids = set()
    for _ in range(3):
        gateway.http("GET", PATH, headers={"x-request-id": "mine"})
        ids.add(replica.metadata["x-request-id"])
    assert len(ids) == 3
    assert "mine" not in ids


@pytest.mark.parametrize("path", [PATH, "/", "/healthz", "/v1/none", "/none"])
def test_an_answer_names_the_product_and_nothing_behind_it(gateway: Front, path: str) -> None:
    headers = gateway.http("GET", path).headers
    assert headers["server"] == "rota"
    assert [name for name in headers if name.startswith("x-envoy")] == []


def test_what_is_answered_to_a_person_is_kept_by_no_cache_and_guessed_at_by_no_browser(
    gateway: Front,
) -> None:
    headers = gateway.http("GET", PATH).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_header_that_could_be_taken_for_another_is_refused(gateway: Front) -> None:
    assert gateway.http("GET", PATH, headers={"x_user_id": "root"}).status_code == 400


def test_only_the_front_door_listens_where_it_was_told(gateway: Front) -> None:
    host, _, port = gateway.listen.rpartition(":")
    heard = listening(gateway.pid)
    assert (host, int(port)) in heard
    # Its admin interface.
    (admin,) = heard - {(host, int(port))}
    assert admin[0] == "127.0.0.1"


def listening(pid: int) -> set[tuple[str, int]]:
    """The IPv4 and IPv6 addresses that a process listens on."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(fd.readlink().name)
    mine = {name.removeprefix("socket:[").rstrip("]") for name in links if "socket:" in name}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                address, _, port = fields[1].partition(":")
                found.add((dotted(address), int(port, 16)))
    return found


def dotted(address: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
