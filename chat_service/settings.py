"""The settings of chat_service."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from shared.settings import ServiceSettings

_NAME: Final = re.compile(r"[\w.-]+")
_NUMBERS: Final = re.compile(r"[\d.]+")


class ChatSettings(ServiceSettings):
    listen: str = Field("127.0.0.1:7001", description="host:port to serve on; port 0 picks one")
    peer_address: str = Field(
        "127.0.0.1:7002",
        description="host:port of automation_service; of several, comma-separated, those that can "
        "be reached are called in turn",
    )
    models_file: Path | None = Field(
        None, validation_alias="ROTA_MODELS", description="YAML file of models"
    )
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="OPENAI_API_KEY",
        description="API key of models that name no other",
    )
    openai_base_url: str = Field(
        "",
        validation_alias="OPENAI_BASE_URL",
        description="OpenAI-compatible endpoint, with /v1",
    )
    default_model: str = Field(
        "", description="the model without ROTA_MODELS; empty: the one that the endpoint lists"
    )
    prompts_dir: Path | None = Field(
        None, description="folder of Markdown files that replace prompts; see models"
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="keys that encrypt people's model keys: 32 bytes each, base64, "
        "comma-separated; the first encrypts, all decrypt; empty: such keys are refused",
    )
    local_models: bool = Field(
        False, description="allow local addresses and http for people's own models"
    )
    approval_days: float = Field(7, gt=0, description="days until an approval expires")
    frames_kept_hours: float = Field(
        24, gt=0, description="hours that frames are kept after a turn's end"
    )
    turn_lease_seconds: float = Field(
        8, ge=2, description="seconds until another replica takes over a turn whose replica died"
    )
    heartbeat_seconds: float = Field(
        15, gt=0, description="seconds between heartbeats of a stream, and checks of its access"
    )
    sandbox_processes: int = Field(
        2,
        ge=1,
        le=64,
        description="processes, for each process of the service, that read pages and check what "
        "people and models write when that may take long; they start when they are needed first",
    )
    pool_size: int = Field(
        20,
        ge=4,
        description="maximum database connections of all processes together, at least 4 for each; "
        "beside them are 10 for checkpoints (2 for each process at least) and 1 for the leases of "
        "each",
    )

    @field_validator("openai_base_url")
    @classmethod
    def _refuse_what_is_no_url(cls, value: str) -> str:
        if not value:
            return value
        try:
            url = urlsplit(value)
            is_url = url.scheme in ("http", "https") and url.port != 0
            is_url = is_url and _is_host(url.netloc, url.hostname or "")
        except ValueError:
            is_url = False
        if not is_url or " " in value or not value.isprintable():
            raise PydanticCustomError("url", "must be an http or https URL")
        if "?" in value or "#" in value:
            raise PydanticCustomError("url", "must not hold a query or a fragment")
        return value

    @property
    def checkpoint_pool_size(self) -> int:
        """Of one process."""
        return max(2, 10 // self.processes)

    @property
    def approvals_expire_after(self) -> timedelta:
        return timedelta(days=self.approval_days)

    @property
    def frames_kept(self) -> timedelta:
        return timedelta(hours=self.frames_kept_hours)

    @property
    def turn_lease(self) -> timedelta:
        return timedelta(seconds=self.turn_lease_seconds)


def _is_host(place: str, host: str) -> bool:
    """Raises ValueError for a wrong IP address. `place` is the text between // and the path."""
    if "[" in place or _NUMBERS.fullmatch(host):
        return bool(ip_address(host))
    return _NAME.fullmatch(host) is not None
