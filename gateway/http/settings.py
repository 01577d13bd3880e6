"""The settings of the HTTP door, from the environment that Envoy's come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from gateway.addresses import address, addresses, is_local
from gateway.http.services import TlsFiles
from gateway.http.sse import ticket
from gateway.routes import PUBLIC

LISTEN: Final = "ROTA_HTTP_LISTEN"
TICKET_KEYS: Final = "ROTA_TICKET_KEYS"
TICKET_SECONDS: Final = "ROTA_TICKET_SECONDS"
DRAIN_SECONDS: Final = "ROTA_DRAIN_SECONDS"
LONGEST_TICKET: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`tls` is that of calls to the services, and with a certificate that of the door too."""

    host: str
    port: int
    services: Mapping[str, list[tuple[str, str]]]  # by their key in PUBLIC
    call_seconds: int
    ticket_keys: tuple[bytes, ...] = field(repr=False)
    ticket_life: timedelta
    drain_seconds: int
    tls: TlsFiles | None = None

    @property
    def own_tls(self) -> TlsFiles | None:
        """What the door serves with; None in clear, as on this machine or without certificate."""
        secured = self.tls is not None and self.tls.certificate and not is_local(self.host)
        return self.tls if secured else None


def read(environment: Mapping[str, str]) -> Settings:
    """Raises KeyError for a missing setting, ValueError for an invalid one."""
    host, port = address(LISTEN, environment)
    seconds = environment["ROTA_CALL_SECONDS"]
    if not seconds.isdecimal() or int(seconds) < 1:
        raise ValueError("ROTA_CALL_SECONDS is not a whole number from 1")
    return Settings(
        host=host.strip("[]"),
        port=int(port),
        services={name: addresses(f"ROTA_{name.upper()}_ADDRESS", environment) for name in PUBLIC},
        call_seconds=int(seconds),
        ticket_keys=_ticket_keys(environment.get(TICKET_KEYS) or ticket.new_key()),
        ticket_life=_ticket_life(environment[TICKET_SECONDS]),
        drain_seconds=_drain_seconds(environment[DRAIN_SECONDS]),
        tls=_tls(environment),
    )


def _ticket_keys(text: str) -> tuple[bytes, ...]:
    try:
        return ticket.parse_keys(text)
    except ValueError as exc:
        raise ValueError(f"{TICKET_KEYS}: {exc}") from None


def _ticket_life(text: str) -> timedelta:
    if not text.isdecimal() or not 0 < int(text) <= LONGEST_TICKET:
        raise ValueError(f"{TICKET_SECONDS} is not a whole number from 1 to {LONGEST_TICKET}")
    return timedelta(seconds=int(text))


def _drain_seconds(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{DRAIN_SECONDS} is not a whole number from 0")
    return int(text)


def _tls(environment: Mapping[str, str]) -> TlsFiles | None:
    authority, certificate, key = (
        environment.get(f"ROTA_TLS_{name}_FILE", "") for name in ("CA", "CERT", "KEY")
    )
    if bool(certificate) != bool(key):
        raise ValueError(f"ROTA_TLS_{'KEY' if certificate else 'CERT'}_FILE is missing")
    if not authority:
        if certificate:
            raise ValueError("ROTA_TLS_CA_FILE is missing beside ROTA_TLS_CERT_FILE")
        return None
    return TlsFiles(authority=authority, certificate=certificate, key=key)
