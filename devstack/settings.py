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
PROCESSES: Final = "ROTA_PROCESSES"
MOST_PROCESSES: Final = 64
MODEL_SETTINGS: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL")


class SettingsError(ValueError):
    """A setting has an invalid value; the message names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    state_dir: Path
    gateway_port: int
    chat_port: int
    automation_port: int
    processes: int = 1  # of each service, each next one on the next port
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
    def chat_addresses(self) -> list[str]:
        return self._addresses(self.chat_port)

    @property
    def automation_addresses(self) -> list[str]:
        return self._addresses(self.automation_port)

    @property
    def logs(self) -> Path:
        return self.state_dir / "logs"

    def ports(self) -> dict[str, range]:
        """Returns the ports by the name of their setting, which is the first of them."""
        firsts = (self.gateway_port, self.chat_port, self.automation_port)
        counts = (1, self.processes, self.processes)
        ranges = (range(first, first + count) for first, count in zip(firsts, counts, strict=True))
        return dict(zip(PORTS, ranges, strict=True))

    def _addresses(self, first: int) -> list[str]:
        return [f"{HOST}:{port}" for port in range(first, first + self.processes)]


def read(environment: Mapping[str, str]) -> Settings:
    processes = _processes(environment)
    defaults = {**PORTS, "ROTA_AUTOMATION_PORT": PORTS["ROTA_CHAT_PORT"] + processes}
    gateway, chat, automation = (
        _port(name, environment, default, processes) for name, default in defaults.items()
    )
    return Settings(
        state_dir=state_dir(environment),
        gateway_port=gateway,
        chat_port=chat,
        automation_port=automation,
        processes=processes,
        database_url=environment.get("DATABASE_URL", ""),
        demo_model=not any(environment.get(name) for name in MODEL_SETTINGS),
        environment=dict(environment),
    )


def state_dir(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("ROTA_STATE_DIR") or ".rota").absolute()


def _processes(environment: Mapping[str, str]) -> int:
    text = environment.get(PROCESSES) or "1"
    if not text.isdecimal() or not 0 < int(text) <= MOST_PROCESSES:
        raise SettingsError(f"{PROCESSES} is {text!r}; it must be 1 to {MOST_PROCESSES}.")
    return int(text)


def _port(name: str, environment: Mapping[str, str], default: int, processes: int) -> int:
    last = 65_536 - (1 if name == "ROTA_GATEWAY_PORT" else processes)
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) <= last:
        raise SettingsError(f"{name} is {text!r}; it must be a port, 1 to {last}.")
    return int(text)
