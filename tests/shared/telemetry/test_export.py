"""Spans and metrics leave a process by the standard variables and a port, or not at all."""

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from shared.telemetry import export
from tests.support.processes.ports import free_port

# providers are set once in a process, so each case has its own
SCRIPT = textwrap.dedent(
    """
    import sys, urllib.request
    from shared.telemetry import export, metrics
    port = int(sys.argv[1])
    environ = dict(pair.split("=", 1) for pair in sys.argv[2:])
    try:
        with export.export_telemetry("chat_service", environ, port=port, listen="127.0.0.1:1"):
            metrics.count("rota.turns", outcome="completed")
            metrics.start_span("chat_request", {"turn": "t"}).end()
            if port:
                print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    except RuntimeError as error:
        print(error)
    """
)


def run(environ: Mapping[str, str], *, port: int = 0) -> str:
    # the exporters read the process's own environment, as an operator sets it
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(port), *(f"{k}={v}" for k, v in environ.items())],
        env={"PYTHONPATH": ":".join(sys.path), **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("named", "process", "instance"),
    [("", None, "host/0"), ("", 1, "host/1"), ("pod-7", None, "pod-7"), ("pod-7", 1, "pod-7/1")],
)
def test_no_two_processes_have_one_instance(
    named: str, process: int | None, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "host")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"service.instance.id={named}" if named else "")
    assert export.instance_name(process) == instance


@contextmanager
def collector() -> Iterator[tuple[str, dict[str, bytes]]]:
    """An OTLP endpoint and what was sent to each of its paths."""
    got: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            got[self.path] = got.get(self.path, b"") + self.rfile.read(length)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_is_left_at_the_end_is_sent_to_the_endpoint() -> None:
    with collector() as (url, got):
        run({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    assert b"chat_request" in got["/v1/traces"]
    assert b"chat_service" in got["/v1/traces"]
    assert b"rota.turns" in got["/v1/metrics"]
    # the only process of its replica
    assert f"{socket.gethostname()}/0".encode() in got["/v1/traces"]
    assert f"{socket.gethostname()}/0".encode() in got["/v1/metrics"]


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({"OTEL_TRACES_EXPORTER": "none"}, {"/v1/metrics"}),
        ({"OTEL_METRICS_EXPORTER": "none"}, {"/v1/traces"}),
        ({"OTEL_SDK_DISABLED": "true"}, set()),
    ],
)
def test_each_signal_can_be_turned_off(more: dict[str, str], sent: set[str]) -> None:
    with collector() as (url, got):
        run({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **more})
    assert set(got) == sent


def test_a_port_serves_metrics_for_prometheus() -> None:
    said = run({}, port=free_port())
    assert 'rota_turns_total{outcome="completed"} 1.0' in said


def test_a_port_that_is_taken_is_named() -> None:
    with collector() as (url, _):
        port = int(url.rpartition(":")[2])
        assert run({}, port=port).startswith(f"127.0.0.1:{port} can't be bound for metrics")
