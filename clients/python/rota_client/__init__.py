"""A typed Python client of Rota, and the `rota` command."""

from rota_client.client import RotaClient
from rota_client.connection import Connection, NoConnection, discover
from rota_client.decisions import approve, edit, reject
from rota_client.errors import RotaError, Violation
from rota_client.pager import Page, Pager

__all__ = [
    "Connection",
    "NoConnection",
    "Page",
    "Pager",
    "RotaClient",
    "RotaError",
    "Violation",
    "approve",
    "discover",
    "edit",
    "reject",
]
