"""Settings of the service, read from the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["api", "worker", "ticker"]


class AutomationSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="ROTA_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: str = Field(
        validation_alias="DATABASE_URL", description="PostgreSQL 15 or later: postgresql://…"
    )
    listen: str = Field("127.0.0.1:7002", description="host:port to serve on; port 0 picks one")
    peer_address: str = Field("127.0.0.1:7001", description="host:port of chat_service")
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
    roles: Annotated[frozenset[Role], NoDecode] = Field(
        frozenset({"api", "worker", "ticker"}),
        description="roles of this process, comma-separated: api, ticker, worker",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="port of /metrics for Prometheus, on the host of ROTA_LISTEN; 0: none",
    )
    log_level: str = Field("INFO", description="least severe level that is logged")
    uvloop: bool = Field(True, description="use uvloop")
    max_consecutive_failures: int = Field(
        10, ge=1, description="an automation is paused after this many failed runs in a row"
    )
    lease_seconds: float = Field(
        8,
        ge=1,
        description="seconds until another worker takes over a run whose worker died; "
        "equal on all replicas",
    )
    look_seconds: float = Field(2, gt=0, description="seconds between polls of an idle worker")
    reconcile_seconds: float = Field(
        5, gt=0, description="seconds between repairs of lost queue entries"
    )
    concurrent_runs: int = Field(400, ge=20, description="maximum runs in progress in this process")
    pool_size: int = Field(20, ge=4, description="maximum database connections, kept open")
    on_time_seconds: int = Field(
        60, ge=0, description="a slot that fires up to this many seconds late counts as on time"
    )
    slot_retention_days: int = Field(
        90, ge=1, description="days that slots are kept; older ones get no row"
    )
    slots_kept: int = Field(100_000, ge=100, description="maximum slots kept for each automation")
    run_retention_days: int = Field(90, ge=1, description="days that ended runs are kept")
    runs_kept: int = Field(10_000, ge=10, description="maximum ended runs kept for each automation")
    event_retention_days: int = Field(
        7, ge=1, description="days that events are kept after their run ended"
    )
    events_kept: int = Field(10_000, ge=100, description="maximum events kept for each ended run")
    request_retention_days: int = Field(30, ge=1, description="days that request ids are kept")
    audit_retention_days: int = Field(400, ge=1, description="days that audit events are kept")
    retention_seconds: float = Field(
        300, gt=0, description="seconds between deletions of expired rows"
    )
    delivery_retention_days: int = Field(
        30, ge=1, description="days that messages to webhooks are kept after their end"
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="keys that encrypt the secrets of webhooks: 32 bytes each, base64, "
        "comma-separated; the first encrypts, all decrypt; empty: webhooks are refused",
    )
    local_webhooks: bool = Field(False, description="allow local addresses and http for webhooks")
    drain_seconds: float = Field(
        0, ge=0, description="seconds between NOT_SERVING and refusing new calls"
    )
    grace_seconds: float = Field(
        10, ge=0, description="seconds that calls in progress get at a stop"
    )

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value


def describe_settings() -> str:
    """Every setting, one a line, with its default and meaning."""
    lines = []
    for name, field in AutomationSettings.model_fields.items():
        variable = str(field.validation_alias or f"ROTA_{name.upper()}")
        if field.is_required():
            default = "required"
        elif name == "roles":
            default = "default api,worker,ticker"
        else:
            default = f"default {field.default if str(field.default or '') else 'empty'}"
        lines.append(f"  {variable:<32} {field.description} ({default})")
    return "\n".join(lines)
