"""Settings of the service, read from the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["api", "worker", "ticker"]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="ROTA_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: str = Field(
        validation_alias="DATABASE_URL", description="postgresql://… of the database"
    )
    listen: str = Field("127.0.0.1:7002", description="host:port to serve on; port 0 picks one")
    peer_address: str = Field("127.0.0.1:7001", description="host:port of chat_service")
    jwks_file: Path = Field(description="JWKS of the issuer of people's tokens")
    service_jwks_file: Path = Field(description="JWKS of the services, by service name")
    service_key_file: Path = Field(description="this service's private key, PEM")
    tls_cert_file: Path | None = Field(
        None, description="PEM, this service's certificate, shown to callers and to the peer"
    )
    tls_key_file: Path | None = Field(None, description="PEM, the key of ROTA_TLS_CERT_FILE")
    tls_ca_file: Path | None = Field(
        None, description="PEM, who signs certificates of callers and peer; empty: no TLS"
    )
    tls_clients_show: bool = Field(
        True, description="with TLS: callers must show a certificate of ROTA_TLS_CA_FILE"
    )
    roles: Annotated[frozenset[Role], NoDecode] = Field(
        frozenset({"api", "worker", "ticker"}),
        description="what this process does, separated by commas: api, worker, ticker",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="port of /metrics for Prometheus, on the host of ROTA_LISTEN; 0: none",
    )
    log_level: str = Field("INFO", description="least severe level that is logged")
    uvloop: bool = Field(True, description="whether to run on uvloop")
    max_consecutive_failures: int = Field(
        10, ge=1, description="failed runs in a row that pause an automation"
    )
    lease_seconds: float = Field(
        8, ge=1, description="how long a dead worker keeps its runs; equal on all replicas"
    )
    look_seconds: float = Field(2, gt=0, description="how often an idle worker looks for work")
    reconcile_seconds: float = Field(5, gt=0, description="how often lost wake-ups are made good")
    concurrent_runs: int = Field(400, ge=20, description="most runs that this process carries out")
    pool_size: int = Field(20, ge=4, description="most database connections, kept open")
    on_time_seconds: int = Field(
        60, ge=0, description="a slot that fires this late still counts as on time"
    )
    slot_retention_days: int = Field(
        90, ge=1, description="slots are kept this long; older ones get no row"
    )
    slots_kept: int = Field(100_000, ge=100, description="most slots kept of an automation")
    run_retention_days: int = Field(90, ge=1, description="ended runs are kept this long")
    runs_kept: int = Field(10_000, ge=10, description="most ended runs kept of an automation")
    event_retention_days: int = Field(
        7, ge=1, description="events are kept this long after their run ended"
    )
    events_kept: int = Field(10_000, ge=100, description="most events kept of an ended run")
    request_retention_days: int = Field(30, ge=1, description="request_ids are kept this long")
    audit_retention_days: int = Field(400, ge=1, description="audit events are kept this long")
    retention_seconds: float = Field(
        300, gt=0, description="how often what is no longer kept is taken away"
    )
    delivery_retention_days: int = Field(
        30, ge=1, description="messages to webhooks are kept this long after their end"
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="keys that encrypt the secrets of webhooks: 32 bytes each, base64, "
        "comma-separated; the first encrypts, all decrypt; empty: webhooks are refused",
    )
    local_webhooks: bool = Field(
        False, description="webhooks may be at local addresses and over http"
    )
    drain_seconds: float = Field(
        0, ge=0, description="wait between NOT_SERVING and refusing new calls"
    )
    grace_seconds: float = Field(10, ge=0, description="how long calls in flight get to end")

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value


def described() -> str:
    """Every setting, one a line, with its default and meaning."""
    lines = []
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"ROTA_{name.upper()}")
        if field.is_required():
            default = "required"
        elif name == "roles":
            default = "default api,worker,ticker"
        else:
            default = f"default {field.default if str(field.default or '') else 'empty'}"
        lines.append(f"  {variable:<32} {field.description} ({default})")
    return "\n".join(lines)
