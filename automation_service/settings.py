"""The settings of automation_service."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from automation_service.channels.settings import SmtpServer
from shared.settings import ServiceSettings

Role = Literal["api", "worker", "ticker"]


class AutomationSettings(ServiceSettings):
    process_minimum: ClassVar[Mapping[str, int]] = {"pool_size": 4, "concurrent_runs": 20}

    listen: str = Field("127.0.0.1:7002", description="host:port to serve on; port 0 picks one")
    peer_address: str = Field(
        "127.0.0.1:7001",
        description="host:port of chat_service; of several, comma-separated, those that can "
        "be reached are called in turn",
    )
    roles: Annotated[frozenset[Role], NoDecode] = Field(
        frozenset({"api", "worker", "ticker"}),
        description="roles of this replica, comma-separated: api, ticker, worker",
    )
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
    heartbeat_seconds: float = Field(
        15, gt=0, description="seconds between heartbeats of a stream, and checks of its access"
    )
    reconcile_seconds: float = Field(
        5, gt=0, description="seconds between repairs of lost queue entries"
    )
    concurrent_runs: int = Field(
        400,
        ge=20,
        description="maximum runs in progress in all processes together, at least 20 for each",
    )
    sandbox_processes: int = Field(
        2,
        ge=1,
        le=64,
        description="processes, for each process of the service, that evaluate and check what "
        "people write when that may take long; they start when they are needed first",
    )
    pool_size: int = Field(
        20,
        ge=4,
        description="maximum database connections of all processes together, kept open, at least "
        "4 for each; beside them are 6 for the queue (3 for each process at least)",
    )
    on_time_seconds: int = Field(
        60, ge=0, description="a slot that fires up to this many seconds late counts as on time"
    )
    slot_retention_days: int = Field(
        90, ge=1, description="days that slots are kept; older ones get no row"
    )
    slots_kept: int = Field(100_000, ge=100, description="maximum slots kept for each automation")
    run_retention_days: int = Field(
        90, ge=1, description="days that ended runs, and deliveries after their end, are kept"
    )
    runs_kept: int = Field(
        10_000, ge=10, description="maximum ended runs, and deliveries, kept for each automation"
    )
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
        30,
        ge=1,
        description="days that messages to webhooks, and the records of notices, are kept after "
        "their end",
    )
    read_inbox_item_retention_days: int = Field(
        30, ge=1, description="days that an inbox item is kept after it was read"
    )
    unread_inbox_item_retention_days: int = Field(
        90, ge=1, description="days that an inbox item that nobody reads is kept"
    )
    inbox_items_kept: int = Field(
        2000, ge=100, description="maximum items kept in the inbox of each member of a workspace"
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="keys that encrypt the secrets of webhooks and destinations: 32 bytes each, "
        "base64, comma-separated; the first encrypts, all decrypt; empty: what has a secret is "
        "refused",
    )
    local_webhooks: bool = Field(False, description="allow local addresses and http for webhooks")
    local_destinations: bool = Field(
        False,
        description="allow local addresses, http and other hosts than a service's own for"
        " destinations; `make run` sets it to `true`",
    )
    page_url: str = Field(
        "",
        max_length=500,
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="where people open the page, such as https://rota.example.org: messages link "
        "to it; empty: they have no links",
    )
    smtp_host: str = Field(
        "",
        description="mail server that sends to e-mail destinations; empty: these get no mail",
    )
    smtp_port: int = Field(587, ge=1, le=65_535, description="port of ROTA_SMTP_HOST")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="starttls: TLS is demanded after the greeting; tls: from the first byte; none: "
        "for a relay on this machine or a network of yours, and without a password",
    )
    smtp_username: str = Field("", description="login at ROTA_SMTP_HOST; empty: none")
    smtp_password: SecretStr = Field(SecretStr(""), description="password of ROTA_SMTP_USERNAME")
    smtp_sender: str = Field("", description="mailbox that mail is from, such as rota@example.org")
    smtp_ca_file: Path | None = Field(
        None,
        description="PEM, the CA of the certificate of ROTA_SMTP_HOST; empty: those that this "
        "machine trusts",
    )

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The operator's mail server."""
        return SmtpServer.model_validate(self._smtp_values()) if self.smtp_host else None

    def _smtp_values(self) -> dict[str, object]:
        return {name: getattr(self, f"smtp_{name}") for name in SmtpServer.model_fields}

    @property
    def queue_pool_size(self) -> int:
        """Of one process: one connection listens, and a write waits for no poll."""
        return max(3, 6 // self.processes)

    @model_validator(mode="after")
    def _check_smtp(self) -> Self:
        if not self.smtp_host:
            return self
        if self.smtp_security == "none" and self.smtp_username:
            raise _fault("ROTA_SMTP_USERNAME needs ROTA_SMTP_SECURITY to be starttls or tls")
        try:
            SmtpServer.model_validate(self._smtp_values())
        except ValidationError as exc:
            field = str(exc.errors(include_url=False)[0]["loc"][0]).upper()
            missing = not getattr(self, f"smtp_{field.lower()}")
            said = "is missing beside ROTA_SMTP_HOST" if missing else "is not valid"
            raise _fault(f"ROTA_SMTP_{field} {said}") from None
        return self

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("smtp", "{text}", {"text": text})
