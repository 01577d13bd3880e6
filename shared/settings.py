"""Settings from environment variables: what both services have, and texts for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

# The variable of the keys that both services encrypt with.
SECRET_KEYS: Final = "ROTA_SECRET_KEYS"


class ServiceSettings(BaseSettings):
    """A field is ROTA_ and its name in capitals, unless it has an alias."""

    # What the processes of a replica divide, and the least that one of them works with.
    process_minimum: ClassVar[Mapping[str, int]] = {"pool_size": 4}

    model_config = SettingsConfigDict(
        env_prefix="ROTA_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    listen: str = Field("127.0.0.1:0", description="host:port to serve on; port 0 picks one")
    peer_address: str = Field(
        "127.0.0.1:0",
        description="host:port of the other service; of several, comma-separated, those that "
        "can be reached are called in turn",
    )
    database_url: SecretStr = Field(
        validation_alias="DATABASE_URL", description="PostgreSQL 15 or later: postgresql://…"
    )
    jwks_file: Path = Field(description="JWKS that verifies people's tokens")
    service_jwks_file: Path = Field(description="JWKS of the services, by service name")
    service_key_file: Path = Field(description="this service's private key, PEM")
    tls_cert_file: Path | None = Field(
        None, description="PEM, this service's certificate for callers and for the peer"
    )
    tls_key_file: Path | None = Field(None, description="PEM, the key of ROTA_TLS_CERT_FILE")
    tls_ca_file: Path | None = Field(
        None, description="PEM, the CA of the certificates of callers and peer; empty: no TLS"
    )
    tls_clients_show: bool = Field(
        True, description="with TLS: callers need a certificate of ROTA_TLS_CA_FILE"
    )
    grace_seconds: float = Field(
        10, ge=0, description="seconds that calls in progress get at a stop"
    )
    drain_seconds: float = Field(
        5,
        ge=0,
        description="seconds between NOT_SERVING and closing the port, in which the gateway "
        "notices; 0 only where none is in front",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="port of /metrics for Prometheus, on the host of ROTA_LISTEN; 0: none",
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="processes of this replica; each next one has the next port after those of "
        "ROTA_LISTEN and ROTA_METRICS_PORT",
    )
    streams_per_person: int = Field(
        200, ge=1, description="maximum streams that a person has open on a process"
    )
    streams_per_workspace: int = Field(
        1_000,
        ge=1,
        description="maximum streams that people have open on a process in one workspace",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe level that is logged"
    )
    uvloop: bool = Field(True, description="use uvloop")
    drain_wakeups: bool = Field(
        True, description="read all wake-ups of grpc.aio at once, so that a burst does not stall it"
    )

    def of_process(self, number: int) -> Self:
        """Returns the settings of one process, from 0: its ports, its shares, and its peers.

        Each begins with another of the peers.
        """
        peers = self.peer_address.split(",")
        first = number % len(peers)
        told: dict[str, Any] = {
            "listen": next_address(self.listen, number),
            "peer_address": ",".join(one.strip() for one in (*peers[first:], *peers[:first])),
        }
        if self.metrics_port:
            told["metrics_port"] = self.metrics_port + number
        for name in self.process_minimum:
            share, rest = divmod(getattr(self, name), self.processes)
            told[name] = share + (number < rest)
        return self.model_copy(update=told)

    @field_validator("processes")
    @classmethod
    def _refuse_ports(cls, value: int, info: ValidationInfo) -> int:
        if value == 1:
            return value
        listen, metrics = info.data.get("listen", ""), info.data.get("metrics_port", 0)
        port = listen.rpartition(":")[2]
        if not port.isdecimal() or not 0 < int(port) <= 65_536 - value:
            raise _fault(f"ROTA_LISTEN needs a port from 1 to {65_536 - value}")
        if metrics > 65_536 - value:
            raise _fault(f"ROTA_METRICS_PORT can be {65_536 - value} at most")
        if metrics and abs(metrics - int(port)) < value:
            raise _fault(f"ROTA_LISTEN and ROTA_METRICS_PORT must be {value} ports apart")
        return value

    @field_validator("pool_size", "concurrent_runs", check_fields=False)
    @classmethod
    def _refuse_small_shares(cls, value: int, info: ValidationInfo) -> int:
        processes = info.data.get("processes", 1)
        least = processes * cls.process_minimum[str(info.field_name)]
        if value < least:
            raise _fault(f"{processes} processes (ROTA_PROCESSES) need at least {least}")
        return value


def next_address(address: str, number: int) -> str:
    """Returns `host:port` with the port that is `number` higher; as it is for 0."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + number}" if number else address


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("processes", "{text}", {"text": text})


def variable_of(settings: type[BaseSettings], name: str) -> str:
    """Returns the environment variable of a field."""
    alias = settings.model_fields[name].validation_alias
    return str(alias or f"{settings.model_config.get('env_prefix', '')}{name}".upper())


def describe(settings: type[BaseSettings]) -> str:
    """Returns one line for each setting: variable, meaning and default."""
    lines = ["environment:"]
    for name, field in settings.model_fields.items():
        default = "required" if field.is_required() else f"default {_format(field.default)}"
        lines.append(f"  {variable_of(settings, name):<32} {field.description or ''} ({default})")
    return "\n".join(lines)


def explain(settings: type[BaseSettings], error: ValidationError) -> str:
    """Returns one line for each fault, without the values, which may be secret."""
    lines = ["the settings are not usable:"]
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        variable = variable_of(settings, name) if name in settings.model_fields else name
        said = "is not set" if fault["type"] == "missing" else fault["msg"]
        lines.append(f"  {variable}: {said}" if variable else f"  {said}")
    return "\n".join(lines)


def _format(default: Any) -> str:
    if isinstance(default, frozenset):
        return ",".join(sorted(default))
    return str(default) if default not in (None, "") and "**" not in str(default) else "empty"
