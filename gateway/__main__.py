"""`python -m gateway [serve | check]`: runs Envoy, or checks that it serves."""

import argparse
import os
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from gateway.addresses import address
from gateway.envoy_config import DEFAULTS, render


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "check"], default="serve")
    command = parser.parse_args().command
    given = {name: value for name, value in os.environ.items() if value}
    environment = {**DEFAULTS, **given}
    try:
        if command == "check":
            return 0 if is_serving(environment) else 1
        config = render(environment)
    except KeyError as exc:
        sys.exit(f"gateway: {exc.args[0]} is missing")
    except ValueError as exc:
        sys.exit(f"gateway: {exc}")
    exec_envoy(config, environment)
    return 1


def exec_envoy(config: str, environment: Mapping[str, str]) -> None:
    envoy = environment.get("ENVOY") or str(Path(sys.executable).with_name("envoy"))
    workers = environment.get("ROTA_GATEWAY_WORKERS", "2")
    # Two gateways of one machine would meet in Envoy's shared memory.
    flags = ["--disable-hot-restart", "--concurrency", workers, "--log-level", "warning"]
    # A line of the access log is not kept back for ten seconds.
    flags += ["--file-flush-interval-msec", "1000"]
    os.execv(envoy, [envoy, *flags, "--config-path", str(write_config(config, environment))])


def write_config(config: str, environment: Mapping[str, str]) -> Path:
    """Writes the configuration to ROTA_GATEWAY_CONFIG, else to the temporary folder."""
    given = environment.get("ROTA_GATEWAY_CONFIG")
    path = Path(given) if given else Path(tempfile.mkdtemp(prefix="rota-")) / "envoy.yaml"
    path.write_text(config)
    return path


def is_serving(environment: Mapping[str, str]) -> bool:
    """True if the gateway on this machine answers."""
    host, port = address("ROTA_GATEWAY_LISTEN", environment)
    scheme = "https" if environment.get("ROTA_GATEWAY_TLS_CERT_FILE") else "http"
    near = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    # Its own certificate names it as callers do, not as this machine does.
    unverified = ssl._create_unverified_context()
    try:
        url = f"{scheme}://{near}:{port}/healthz"
        with urllib.request.urlopen(url, timeout=3, context=unverified) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
