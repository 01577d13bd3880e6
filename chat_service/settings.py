"""The settings of the service, from environment variables."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ChatSettings(BaseSettings):
    """Each alias is the name of an environment variable."""

    model_config = SettingsConfigDict(populate_by_name=True, env_ignore_empty=True, extra="ignore")

    database_url: Annotated[
        SecretStr, Field(alias="DATABASE_URL", description="PostgreSQL 15 or later: postgresql://…")
    ]
    listen: Annotated[
        str, Field(alias="ROTA_LISTEN", description="host:port to serve on; port 0 picks one")
    ] = "127.0.0.1:7001"
    peer_address: Annotated[
        str, Field(alias="ROTA_PEER_ADDRESS", description="host:port of automation_service")
    ] = "127.0.0.1:7002"
    jwks_file: Annotated[
        Path, Field(alias="ROTA_JWKS_FILE", description="JWKS that verifies people's tokens")
    ]
    service_jwks_file: Annotated[
        Path,
        Field(alias="ROTA_SERVICE_JWKS_FILE", description="JWKS of the services, by service name"),
    ]
    service_key_file: Annotated[
        Path, Field(alias="ROTA_SERVICE_KEY_FILE", description="this service's private key, PEM")
    ]
    tls_cert_file: Annotated[
        Path | None,
        Field(
            alias="ROTA_TLS_CERT_FILE",
            description="PEM, this service's certificate for callers and for the peer",
        ),
    ] = None
    tls_key_file: Annotated[
        Path | None,
        Field(alias="ROTA_TLS_KEY_FILE", description="PEM, the key of ROTA_TLS_CERT_FILE"),
    ] = None
    tls_ca_file: Annotated[
        Path | None,
        Field(
            alias="ROTA_TLS_CA_FILE",
            description="PEM, the CA of the certificates of callers and peer; empty: no TLS",
        ),
    ] = None
    tls_clients_show: Annotated[
        bool,
        Field(
            alias="ROTA_TLS_CLIENTS_SHOW",
            description="with TLS: callers need a certificate of ROTA_TLS_CA_FILE",
        ),
    ] = True
    models_file: Annotated[
        Path | None, Field(alias="ROTA_MODELS", description="YAML file of models")
    ] = None
    openai_api_key: Annotated[
        SecretStr, Field(alias="OPENAI_API_KEY", description="API key of models that name no other")
    ] = SecretStr("")
    openai_base_url: Annotated[
        str, Field(alias="OPENAI_BASE_URL", description="OpenAI-compatible endpoint, with /v1")
    ] = ""
    default_model: Annotated[
        str,
        Field(
            alias="ROTA_DEFAULT_MODEL",
            description="the model without ROTA_MODELS; empty: the one that the endpoint lists",
        ),
    ] = ""
    secret_keys: Annotated[
        SecretStr,
        Field(
            alias="ROTA_SECRET_KEYS",
            description="keys that encrypt people's model keys: 32 bytes each, base64, "
            "comma-separated; the first encrypts, all decrypt; empty: such keys are refused",
        ),
    ] = SecretStr("")
    local_models: Annotated[
        bool,
        Field(
            alias="ROTA_LOCAL_MODELS",
            description="allow local addresses and http for people's own models",
        ),
    ] = False
    approval_days: Annotated[
        float, Field(alias="ROTA_APPROVAL_DAYS", gt=0, description="days until an approval expires")
    ] = 7.0
    frames_kept_hours: Annotated[
        float,
        Field(
            alias="ROTA_FRAMES_KEPT_HOURS",
            gt=0,
            description="hours that frames are kept after a turn's end",
        ),
    ] = 24.0
    turn_lease_seconds: Annotated[
        float,
        Field(
            alias="ROTA_TURN_LEASE_SECONDS",
            ge=2,
            description="seconds until another replica takes over a turn whose replica died",
        ),
    ] = 8.0
    heartbeat_seconds: Annotated[
        float, Field(alias="ROTA_HEARTBEAT_SECONDS", gt=0, description="seconds between heartbeats")
    ] = 15.0
    grace_seconds: Annotated[
        float,
        Field(
            alias="ROTA_GRACE_SECONDS",
            ge=0,
            description="seconds that calls in progress get at a stop",
        ),
    ] = 10.0
    drain_seconds: Annotated[
        float,
        Field(
            alias="ROTA_DRAIN_SECONDS",
            ge=0,
            description="seconds between NOT_SERVING and closing the port",
        ),
    ] = 0.0
    pool_size: Annotated[
        int,
        Field(
            alias="ROTA_POOL_SIZE",
            ge=4,
            description="maximum database connections, beside 1 for leases and 10 for checkpoints",
        ),
    ] = 20
    metrics_port: Annotated[
        int,
        Field(
            alias="ROTA_METRICS_PORT",
            ge=0,
            le=65_535,
            description="port of /metrics for Prometheus, on the host of ROTA_LISTEN; 0: none",
        ),
    ] = 0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(alias="ROTA_LOG_LEVEL", description="least severe level that is logged"),
    ] = "INFO"
    uvloop: Annotated[bool, Field(alias="ROTA_UVLOOP", description="use uvloop")] = True

    @property
    def approvals_expire_after(self) -> timedelta:
        return timedelta(days=self.approval_days)

    @property
    def frames_kept(self) -> timedelta:
        return timedelta(hours=self.frames_kept_hours)

    @property
    def turn_lease(self) -> timedelta:
        return timedelta(seconds=self.turn_lease_seconds)
