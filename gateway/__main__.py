"""Renders envoy.yaml from the environment and becomes Envoy."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from gateway import page, refusals

HERE: Final = Path(__file__).resolve().parent
PAGE: Final = HERE / "page.html"
DEFAULTS: Final = {
    "ROTA_GATEWAY_LISTEN": "127.0.0.1:8080",
    "ROTA_CHAT_ADDRESS": "127.0.0.1:7001",
    "ROTA_AUTOMATION_ADDRESS": "127.0.0.1:7002",
    "ROTA_CORS_ORIGINS": r"https?://(localhost|127\.0\.0\.1)(:[0-9]+)?",
}


def main() -> None:
    environment = {**DEFAULTS, **os.environ}
    try:
        config = render(environment)
    except (KeyError, ValueError) as exc:
        sys.exit(f"gateway: {exc.args[0]} is missing or not host:port")
    envoy = environment.get("ENVOY") or str(Path(sys.executable).with_name("envoy"))
    workers = environment.get("ROTA_GATEWAY_WORKERS", "2")
    # Two gateways of one machine would meet in Envoy's shared memory.
    flags = ["--disable-hot-restart", "--concurrency", workers, "--log-level", "warning"]
    os.execv(envoy, [envoy, *flags, "--config-path", str(written(config, environment))])


def written(config: str, environment: Mapping[str, str]) -> Path:
    """The configuration in a file, where ROTA_GATEWAY_CONFIG says or in the temporary folder."""
    given = environment.get("ROTA_GATEWAY_CONFIG")
    path = Path(given) if given else Path(tempfile.mkdtemp(prefix="rota-")) / "envoy.yaml"
    path.write_text(config)
    return path


def render(settings: Mapping[str, str]) -> str:
    """The whole configuration; a missing setting is a KeyError."""
    values = {
        "descriptors": str(HERE / "rota.binpb"),
        "jwks_file": str(Path(settings["ROTA_JWKS_FILE"]).absolute()),
        "cors_origins": settings["ROTA_CORS_ORIGINS"],
        # JSON is YAML, so what is made here goes in as it is.
        "refusals": json.dumps(refusals.mappers()),
        "page": str(PAGE),
        "page_policy": page.policy(PAGE.read_text()),
    }
    for name in ("GATEWAY_LISTEN", "CHAT_ADDRESS", "AUTOMATION_ADDRESS"):
        part = name.split("_")[0].lower()
        values[f"{part}_host"], values[f"{part}_port"] = address(f"ROTA_{name}", settings)
    return Template((HERE / "envoy.yaml").read_text()).substitute(values)


def address(name: str, settings: Mapping[str, str]) -> tuple[str, str]:
    host, _, port = settings[name].rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(name)
    return host, port


if __name__ == "__main__":
    main()
