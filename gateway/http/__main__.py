"""`python -m gateway.http [serve | check]`: serves HTTP behind Envoy, or checks that it does."""

import argparse
import contextlib
import os
import resource
import ssl
import sys
import time
import urllib.request
from typing import Any

import uvicorn
from starlette.applications import Starlette

from gateway.envoy_config import DEFAULTS
from gateway.http import app, log
from gateway.http.settings import Settings, read

# Longer than Envoy keeps a connection without a request, so that Envoy closes it.
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.http", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "check"], default="serve")
    command = parser.parse_args().command
    given = {name: value for name, value in os.environ.items() if value}
    try:
        settings = read({**DEFAULTS, **given})
    except KeyError as exc:
        sys.exit(f"gateway.http: {exc.args[0]} is missing")
    except (ValueError, OSError) as exc:
        sys.exit(f"gateway.http: {exc}")
    if command == "check":
        if is_serving(settings):
            return 0
        sys.exit(f"gateway.http: no healthy server answers on port {settings.port}")
    try:
        serve(settings)
    except OSError as exc:
        sys.exit(f"gateway.http: {exc}")
    return 0


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT: with TLS where it has a certificate and others reach it."""
    log.configure()
    _raise_file_limit()
    built = app.build(settings)
    config = uvicorn.Config(
        built,
        **_tls(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,  # Envoy's tells of every request
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config, built, settings.drain_seconds)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


class _Server(uvicorn.Server):
    """Answers for `drain_seconds` after it was told to stop, while Envoy sees that it drains.

    A second SIGINT ends the wait.
    """

    def __init__(self, config: uvicorn.Config, served: Starlette, drain_seconds: int) -> None:
        super().__init__(config)
        self._served = served
        self._drain_seconds = drain_seconds
        self._end = 0.0

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        if not self._served.state.drains:
            self._served.state.drains = True
            self._end = time.monotonic() + self._drain_seconds
        return self.force_exit or time.monotonic() >= self._end


def _raise_file_limit() -> None:
    """Allows as many open files as the system does: each stream is a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tls(settings: Settings) -> dict[str, Any]:
    files = settings.own_tls
    if files is None:
        return {}
    return {
        "ssl_certfile": files.certificate,
        "ssl_keyfile": files.key,
        "ssl_ca_certs": files.authority,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


def is_serving(settings: Settings) -> bool:
    """True if the door on this machine answers."""
    files, host = settings.own_tls, settings.host
    near = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    # Its own certificate names it as Envoy does, not as this machine does.
    unverified = ssl._create_unverified_context()
    if files is not None:
        unverified.load_cert_chain(files.certificate, files.key)
    try:
        url = f"{'https' if files else 'http'}://{near}:{settings.port}/healthz"
        with urllib.request.urlopen(url, timeout=3, context=unverified) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
