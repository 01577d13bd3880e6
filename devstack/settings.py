"""The settings that `make run` reads from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
PORTS: Final = {
    "ROTA_GATEWAY_PORT": 8080,
    "ROTA_CHAT_PORT": 7001,
    "ROTA_AUTOMATION_PORT": 7002,
}
MODEL_SETTINGS: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL")


class SettingsError(ValueError):
    """A setting has an invalid value; the message names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    state_dir: Path
    gateway_port: int
    chat_port: int
    automation_port: int
    database_url: str = ""  # empty: an embedded PostgreSQL
    demo_model: bool = True
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def chat_address(self) -> str:
        return f"{HOST}:{self.chat_port}"

    @property
    def automation_address(self) -> str:
        return f"{HOST}:{self.automation_port}"

    @property
    def logs(self) -> Path:
        return self.state_dir / "logs"

    def ports(self) -> dict[str, int]:
        """Returns the ports by the name of their setting."""
        values = (self.gateway_port, self.chat_port, self.automation_port)
        return dict(zip(PORTS, values, strict=True))


def read(environment: Mapping[str, str]) -> Settings:
    gateway, chat, automation = (_port(name, environment) for name in PORTS)
    return Settings(
        state_dir=state_dir(environment),
        gateway_port=gateway,
        chat_port=chat,
        automation_port=automation,
        database_url=environment.get("DATABASE_URL", ""),
        demo_model=not any(environment.get(name) for name in MODEL_SETTINGS),
        environment=dict(environment),
    )


def state_dir(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("ROTA_STATE_DIR") or ".rota").absolute()


def _port(name: str, environment: Mapping[str, str]) -> int:
    text = environment.get(name) or str(PORTS[name])
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SettingsError(f"{name} is {text!r}; it must be a port, 1 to 65535.")
    return int(text)
