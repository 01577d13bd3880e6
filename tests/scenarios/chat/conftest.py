"""The fixtures of chat_service."""

from tests.chat_service.conftest import (
    automations,
    chat,
    chat_databases,
    engine,
    impatient,
    leases,
    replica,
    replicas,
    serve,
    timeouts,
)

__all__ = [
    "automations",
    "chat",
    "chat_databases",
    "engine",
    "impatient",
    "leases",
    "replica",
    "replicas",
    "serve",
    "timeouts",
]
