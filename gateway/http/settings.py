"""The settings of the HTTP door, from the environment that Envoy's come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.addresses import address, addresses
from gateway.http.services import Tls
from gateway.routes import PUBLIC

LISTEN: Final = "ROTA_HTTP_ADDRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: str
    port: int
    services: Mapping[str, list[tuple[str, str]]]  # by their key in PUBLIC
    call_seconds: int
    tls: Tls | None = None


def read(environment: Mapping[str, str]) -> Settings:
    """Raises KeyError for a missing setting, ValueError or OSError for an unusable one."""
    host, port = address(LISTEN, environment)
    return Settings(
        host=host,
        port=int(port),
        services={name: addresses(f"ROTA_{name.upper()}_ADDRESS", environment) for name in PUBLIC},
        call_seconds=int(environment["ROTA_CALL_SECONDS"]),
        tls=_tls(environment),
    )


def _tls(environment: Mapping[str, str]) -> Tls | None:
    authority = environment.get("ROTA_TLS_CA_FILE")
    certificate, key = (environment.get(f"ROTA_TLS_{name}_FILE") for name in ("CERT", "KEY"))
    if bool(certificate) != bool(key):
        raise ValueError(f"ROTA_TLS_{'KEY' if certificate else 'CERT'}_FILE is missing")
    if not authority:
        if certificate:
            raise ValueError("ROTA_TLS_CA_FILE is missing beside ROTA_TLS_CERT_FILE")
        return None
    return Tls(
        authority=Path(authority).read_bytes(),
        certificate=Path(certificate).read_bytes() if certificate else None,
        key=Path(key).read_bytes() if key else None,
    )
