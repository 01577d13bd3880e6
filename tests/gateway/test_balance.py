"""Which of several replicas gets a call: one that is well by its own word and by its acts."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from tests.gateway.replicas import Calls, Front, Relay, Replica, front, serving, until

# Chosen by chance, each of two gets one of so many.
MANY = 30
# More at once than any limit of calls that are repeated.
CROWD = 400
WRITE = "ChatService/CreateThread"
READ = "ChatService/GetThread"


@pytest.fixture
def first() -> Replica:
    return Replica()


@pytest.fixture
def second() -> Replica:
    return Replica()


@pytest.fixture
def gateway(first: Replica, second: Replica, tmp_path: Path) -> Iterator[Front]:
    with serving(first, second), front(tmp_path, [first.address, second.address]) as made:
        yield made


@pytest.fixture
def calls(gateway: Front, first: Replica, second: Replica) -> Iterator[Calls]:
    """Once both replicas get calls."""
    with gateway.calls() as made:
        until(lambda: made.code(WRITE) is grpc.StatusCode.OK, lambda: "no answer")
        until(lambda: gets_calls(made, first, second), lambda: (first.calls, second.calls))
        yield made


def gets_calls(calls: Calls, *replicas: Replica) -> bool:
    """Whether each of them gets one of many."""
    for replica in replicas:
        replica.calls.clear()
    for _ in range(MANY):
        calls.code(WRITE)
    return all(replica.calls for replica in replicas)


def takes_all(calls: Calls, replica: Replica) -> bool:
    """Whether it gets as many calls as are made, twice over."""
    replica.calls.clear()
    for _ in range(2 * MANY):
        calls.code(WRITE)
    return replica.calls[WRITE] == 2 * MANY


def all_answered(calls: Calls) -> bool:
    return all(calls.code(WRITE) is grpc.StatusCode.OK for _ in range(MANY))


def test_one_that_says_it_is_not_serving_gets_no_calls_until_it_is(
    calls: Calls, second: Replica
) -> None:
    second.well(False)
    until(lambda: not gets_calls(calls, second), lambda: "it still gets calls")
    assert all_answered(calls)
    second.well(True)
    until(lambda: gets_calls(calls, second), lambda: "it gets no calls any more")


def test_one_that_has_gone_costs_nobody_a_call(calls: Calls, second: Replica) -> None:
    second.server.stop(None).wait(60)
    assert all_answered(calls)


def test_one_that_has_gone_costs_nobody_of_a_crowd_a_call(calls: Calls, second: Replica) -> None:
    second.server.stop(None).wait(60)
    begun = [calls.begin(WRITE) for _ in range(CROWD)]
    assert Counter(call.exception() for call in begun) == {None: CROWD}


def test_one_that_goes_with_calls_under_way_costs_nobody_a_read(
    first: Replica, second: Replica, tmp_path: Path
) -> None:
    has_gone = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.enter_context(serving(first, second))
        relay = Relay(second.port)
        gateway = stack.enter_context(front(tmp_path, [first.address, relay.address]))
        calls = stack.enter_context(gateway.calls())
        until(lambda: gets_calls(calls, first, second), lambda: (first.calls, second.calls))
        second.act = lambda method, context: has_gone.wait(60)
        second.calls.clear()
        begun = [calls.begin(READ) for _ in range(MANY)]
        until(lambda: second.calls, lambda: "it gets no calls")
        relay.cut()
        answers = Counter(call.exception() for call in begun)
        has_gone.set()
        assert answers == {None: MANY}


@dataclass(kw_only=True)
class Doors:
    """Two HTTP doors. The next request of `method` loses its connection, and is not answered."""

    method: str = ""
    lost: int = 0

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        with contextlib.ExitStack() as stack:
            servers = [ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) for _ in range(2)]
            for server in servers:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                stack.enter_context(server)
                stack.callback(server.shutdown)
            yield ",".join(f"127.0.0.1:{server.server_port}" for server in servers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        doors = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                if self.command == doors.method and self.path != "/healthz":
                    doors.method = ""
                    doors.lost += 1
                    self.close_connection = True
                    return
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(404 if self.path == "/v1/none" else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = answer  # noqa: N815 - as the server calls them

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def test_a_door_that_goes_with_requests_under_way_costs_nobody_a_read(
    first: Replica, tmp_path: Path
) -> None:
    doors = Doors()
    with (
        serving(first),
        doors.serve() as addresses,
        front(tmp_path, [first.address], ROTA_HTTP_ADDRESS=addresses) as gateway,
    ):
        path = "/v1/workspaces/w/threads"
        for method, status in (("GET", 200), ("POST", 503)):
            doors.method = method
            assert gateway.http(method, path).status_code == status
        assert doors.lost == 2


def test_one_that_cancels_calls_as_it_stops_costs_nobody_a_read(
    calls: Calls, second: Replica
) -> None:
    second.act = lambda method, context: context.abort(grpc.StatusCode.CANCELLED, "")
    second.calls.clear()
    begun = [calls.begin(READ) for _ in range(MANY)]
    assert Counter(call.exception() for call in begun) == {None: MANY}
    assert second.calls


def test_the_only_one_of_three_that_serves_gets_every_call(
    first: Replica, second: Replica, tmp_path: Path
) -> None:
    all_three = (first, second, Replica())
    with (
        serving(*all_three),
        front(tmp_path, [each.address for each in all_three]) as gateway,
        gateway.calls() as calls,
    ):
        until(lambda: gets_calls(calls, *all_three), lambda: [each.calls for each in all_three])
        for each in all_three[1:]:
            each.well(False)
        until(lambda: takes_all(calls, first), lambda: "others still get calls")


def test_one_that_is_well_by_its_own_word_but_fails_is_put_aside(
    calls: Calls, second: Replica
) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the database is away")

    second.calls.clear()
    second.act = fail
    until(lambda: all_answered(calls), lambda: "calls still fail")
    assert second.calls


def test_one_that_refuses_what_callers_ask_is_not(calls: Calls, second: Replica) -> None:
    def refuse(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "that is no thread")

    second.act = refuse
    for _ in range(3):
        assert gets_calls(calls, second)


def test_the_only_one_is_never_put_aside(first: Replica, tmp_path: Path) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the database is away")

    with (
        serving(first),
        front(tmp_path, [first.address]) as gateway,
        gateway.calls() as calls,
    ):
        until(lambda: calls.code(WRITE) is grpc.StatusCode.OK, lambda: "no answer")
        first.act = fail
        for _ in range(MANY):
            calls.code(WRITE)
        first.act = lambda method, context: None
        assert calls.code(WRITE) is grpc.StatusCode.OK
