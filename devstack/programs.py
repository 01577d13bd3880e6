"""The programs of the stack, with their arguments and environment."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from devstack.keys import Keys
from devstack.process import Process
from devstack.settings import HOST, MODEL_SETTINGS, Settings

CHAT: Final = "chat_service"
AUTOMATION: Final = "automation_service"
HTTP: Final = "gateway_http"
SERVED: Final = {
    CHAT: "rota.chat.v1.ChatService",
    AUTOMATION: "rota.automation.v1.AutomationService",
}
METRICS_PORT: Final = "ROTA_METRICS_PORT"
DRAIN_SECONDS: Final = "ROTA_DRAIN_SECONDS"
SECRET_KEYS: Final = "ROTA_SECRET_KEYS"
TICKET_KEYS: Final = "ROTA_TICKET_KEYS"
# A person's own model often runs on their own machine.
LOCAL_MODELS: Final = "ROTA_LOCAL_MODELS"
# And so does what one tries a webhook or a destination with.
LOCAL_WEBHOOKS: Final = "ROTA_LOCAL_WEBHOOKS"
LOCAL_DESTINATIONS: Final = "ROTA_LOCAL_DESTINATIONS"
PAGE_URL: Final = "ROTA_PAGE_URL"
SMTP_PASSWORD: Final = "ROTA_SMTP_PASSWORD"
# Only chat_service talks to a model, and only automation_service to a mail server.
_SECRET: Final = (
    *MODEL_SETTINGS,
    "DATABASE_URL",
    "ROTA_SERVICE_KEY_FILE",
    SECRET_KEYS,
    SMTP_PASSWORD,
    TICKET_KEYS,
)
# On loopback everything is spoken in clear, whatever the shell is set up for.
_TLS: Final = ("ROTA_TLS_", "ROTA_GATEWAY_TLS_")

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
    http_port: int  # of the HTTP door
    run: Run = run_module

    def model(self) -> Process:
        arguments = ["--port", str(self.model_port)]
        return self._child("demo_model", "devstack.demo_model", arguments, {})

    def http(self) -> Process:
        given = self.settings.environment.get(TICKET_KEYS)
        told = {
            "ROTA_HTTP_LISTEN": f"{HOST}:{self.http_port}",
            **self._services(),
            **({TICKET_KEYS: given} if given else {}),
            **self._drain(),
        }
        return self._child(HTTP, "gateway.http", [], told)

    def gateway(self) -> Process:
        told = {
            "ROTA_GATEWAY_LISTEN": f"{HOST}:{self.settings.gateway_port}",
            "ROTA_HTTP_ADDRESS": f"{HOST}:{self.http_port}",
            **self._services(),
            "ROTA_JWKS_FILE": str(self.keys.users_jwks),
            "ROTA_GATEWAY_CONFIG": str(self.settings.state_dir / "envoy.yaml"),
        }
        return self._child("gateway", "gateway", [], told)

    def service(self, name: str) -> Process:
        return self._child(name, name, [], self._service_environment(name), grace=15)

    def migration(self, name: str) -> Process:
        child = self._child(f"{name}_migrate", name, ["migrate"], self._service_environment(name))
        child.log = self.settings.logs / f"{name}.log"
        return child

    def _services(self) -> dict[str, str]:
        return {
            "ROTA_CHAT_ADDRESS": ",".join(self.settings.chat_addresses),
            "ROTA_AUTOMATION_ADDRESS": ",".join(self.settings.automation_addresses),
        }

    def _service_environment(self, name: str) -> dict[str, str]:
        given = self.settings.environment
        own, peers = self.settings.chat_addresses, self.settings.automation_addresses
        if name == AUTOMATION:
            own, peers = peers, own
        told = {
            "ROTA_LISTEN": own[0],
            "ROTA_PEER_ADDRESS": ",".join(peers),
            "ROTA_JWKS_FILE": str(self.keys.users_jwks),
            "ROTA_SERVICE_JWKS_FILE": str(self.keys.services_jwks),
            "ROTA_SERVICE_KEY_FILE": str(self.keys.private(name)),
            "DATABASE_URL": self.databases[name],
            SECRET_KEYS: given.get(SECRET_KEYS) or self.keys.secret(name),
            **self._drain(),
        }
        if name != CHAT:
            names = (LOCAL_WEBHOOKS, LOCAL_DESTINATIONS)
            local = {name: given.get(name, "true") for name in names}
            return {**told, **self._next_metrics_port(), **local, **self._mail()}
        return {**told, **self._model(), LOCAL_MODELS: given.get(LOCAL_MODELS, "true")}

    def _drain(self) -> dict[str, str]:
        """The gateway stops first, so nobody is left to notice."""
        return {DRAIN_SECONDS: self.settings.environment.get(DRAIN_SECONDS, "0")}

    def _mail(self) -> dict[str, str]:
        """What links in messages lead to, and the password of the operator's mail server."""
        given = self.settings.environment
        password = given.get(SMTP_PASSWORD)
        return {
            PAGE_URL: given.get(PAGE_URL) or self.settings.gateway_url,
            **({SMTP_PASSWORD: password} if password else {}),
        }

    def _next_metrics_port(self) -> dict[str, str]:
        """Both services are on one machine here, and each serves its own."""
        given = self.settings.environment.get(METRICS_PORT, "")
        taken = given.isdecimal() and int(given) > 0
        return {METRICS_PORT: str(int(given) + self.settings.processes)} if taken else {}

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
    ) -> Process:
        given = self.settings.environment
        kept = {k: v for k, v in given.items() if k not in _SECRET and not k.startswith(_TLS)}
        return Process(
            name=name,
            command=self.run(module, arguments),
            environment={**kept, "PYTHONUNBUFFERED": "1", **told},
            log=self.settings.logs / f"{name}.log",
            grace=grace,
        )
