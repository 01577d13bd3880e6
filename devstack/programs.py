"""The processes of the stack, and what each is told."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from devstack.child import Child
from devstack.keys import Keys
from devstack.settings import HOST, MODEL_SETTINGS, Settings

CHAT: Final = "chat_service"
AUTOMATION: Final = "automation_service"
SERVED: Final = {
    CHAT: "rota.chat.v1.ChatService",
    AUTOMATION: "rota.automation.v1.AutomationService",
}
# Only chat_service talks to a model.
_SECRET: Final = (*MODEL_SETTINGS, "DATABASE_URL", "ROTA_SERVICE_KEY_FILE")

# (module, arguments) → command line
Run = Callable[[str, list[str]], list[str]]


def run_module(module: str, arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    settings: Settings
    keys: Keys
    databases: Mapping[str, str]  # a service's DSN, by its name
    model_port: int  # of the demo model; 0 when there is none
    run: Run = run_module

    def model(self) -> Child:
        arguments = ["--port", str(self.model_port)]
        return self._child("demo_model", "devstack.demo_model", arguments, {})

    def gateway(self) -> Child:
        told = {
            "ROTA_GATEWAY_LISTEN": f"{HOST}:{self.settings.gateway_port}",
            "ROTA_CHAT_ADDRESS": self.settings.chat_address,
            "ROTA_AUTOMATION_ADDRESS": self.settings.automation_address,
            "ROTA_JWKS_FILE": str(self.keys.users_jwks),
            "ROTA_GATEWAY_CONFIG": str(self.settings.state_dir / "envoy.yaml"),
        }
        return self._child("gateway", "gateway", [], told)

    def service(self, name: str) -> Child:
        return self._child(name, name, [], self._told(name), grace=15)

    def migration(self, name: str) -> Child:
        child = self._child(f"{name}_migrate", name, ["migrate"], self._told(name))
        child.log = self.settings.logs / f"{name}.log"
        return child

    def _told(self, name: str) -> dict[str, str]:
        listen, peer = self.settings.chat_address, self.settings.automation_address
        if name == AUTOMATION:
            listen, peer = peer, listen
        told = {
            "ROTA_LISTEN": listen,
            "ROTA_PEER_ADDRESS": peer,
            "ROTA_JWKS_FILE": str(self.keys.users_jwks),
            "ROTA_SERVICE_JWKS_FILE": str(self.keys.services_jwks),
            "ROTA_SERVICE_KEY_FILE": str(self.keys.private(name)),
            "DATABASE_URL": self.databases[name],
        }
        return {**told, **self._model()} if name == CHAT else told

    def _model(self) -> dict[str, str]:
        if self.model_port:
            return {
                "OPENAI_BASE_URL": f"http://{HOST}:{self.model_port}/v1",
                "OPENAI_API_KEY": "demo",
                "ROTA_DEFAULT_MODEL": "demo",
            }
        given = self.settings.environment
        return {name: given[name] for name in MODEL_SETTINGS if name in given}

    def _child(
        self,
        name: str,
        module: str,
        arguments: list[str],
        told: Mapping[str, str],
        *,
        grace: float = 5,
    ) -> Child:
        given = self.settings.environment
        kept = {key: value for key, value in given.items() if key not in _SECRET}
        return Child(
            name=name,
            command=self.run(module, arguments),
            environment={**kept, "PYTHONUNBUFFERED": "1", **told},
            log=self.settings.logs / f"{name}.log",
            grace=grace,
        )
