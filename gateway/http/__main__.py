"""`python -m gateway.http [serve | check]`: serves HTTP behind Envoy, or checks that it does."""

import argparse
import os
import sys
import urllib.request

import uvicorn

from gateway.envoy_config import DEFAULTS
from gateway.http import app
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
        return 0 if is_serving(settings) else 1
    serve(settings)
    return 0


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    uvicorn.run(
        app.build(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,  # Envoy's tells of every request
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def is_serving(settings: Settings) -> bool:
    """True if the door on this machine answers."""
    try:
        url = f"http://{settings.host}:{settings.port}/healthz"
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
