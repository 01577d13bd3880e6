"""A typed Python client of Rota, and the `rota` command."""

from rota_client.client import RotaClient
from rota_client.connection import Connection, NoConnection, discover
from rota_client.decisions import approve, edit, reject
from rota_client.errors import RotaError, Violation

__all__ = [
    "Connection",
    "NoConnection",
    "RotaClient",
    "RotaError",
    "Violation",
    "approve",
    "discover",
    "edit",
    "reject",
]
