"""The fixtures of chat_service."""

from tests.chat_service.conftest import (
    automations,
    chat,
    chat_databases,
    engine,
    impatient,
    keys,
    leases,
    replica,
    replicas,
    serve,
    shared_chat,
    shared_databases,
    shared_service,
    shared_settings,
    timeouts,
)

__all__ = [
    "automations",
    "chat",
    "chat_databases",
    "engine",
    "impatient",
    "keys",
    "leases",
    "replica",
    "replicas",
    "serve",
    "shared_chat",
    "shared_databases",
    "shared_service",
    "shared_settings",
    "timeouts",
]
