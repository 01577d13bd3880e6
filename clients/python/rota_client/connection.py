"""The address of the server, and the credentials of the caller."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_TOKEN: Final = re.compile(r"[!-~]+")


class NoConnection(Exception):
    """No address of a server is known; the message gives the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, address: str, *, tls: bool = False) -> "Endpoint":
        """Parses `host:port` or a URL; `https` means TLS. Raises ValueError."""
        try:
            parts = urlsplit(address if "://" in address else f"//{address}")
        except ValueError as exc:
            raise ValueError(f"{address!r} is no address: {exc}") from None
        secure = tls or parts.scheme == "https"
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("", "http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address: say host:port or http(s)://host:port")
        if parts.path.strip("/") or parts.query:
            raise ValueError(f"{address!r} has a path; gRPC is served at the root")
        if port is None and not parts.scheme:
            raise ValueError(f"{address!r} names no port")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise ValueError(f"{address!r} has a host name that is not valid") from None
        return cls(host=parts.hostname, port=port or (443 if secure else 80), tls=secure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    address: str
    token: str
    workspace: str


def discover(
    environ: Mapping[str, str] | None = None,
    *,
    gateway: str = "",
    token: str = "",
    workspace: str = "",
) -> Connection:
    """Finds a connection: the arguments, else ROTA_GATEWAY, ROTA_TOKEN and ROTA_WORKSPACE, else
    ready.json in ROTA_STATE_DIR (`.rota`), which `make run` writes. Raises NoConnection.

    A token from ready.json goes only to the gateway in ready.json.
    """
    env = os.environ if environ is None else environ
    address = gateway or env.get("ROTA_GATEWAY", "")
    ready = _ready(Path(env.get("ROTA_STATE_DIR") or ".rota") / "ready.json")
    if address and address.rstrip("/") != str(ready.get("gateway_url", "")).rstrip("/"):
        ready = {}
    address = address or str(ready.get("gateway_url", ""))
    if not address:
        raise NoConnection(
            "No Rota is running here: start it with `make run`, "
            "or set ROTA_GATEWAY, ROTA_TOKEN and ROTA_WORKSPACE."
        )
    found = Connection(
        address=address,
        token=token or env.get("ROTA_TOKEN", "") or str(ready.get("token", "")),
        workspace=_workspace(workspace or env.get("ROTA_WORKSPACE", "") or ready.get("workspace")),
    )
    if not found.token:
        raise NoConnection(f"No token for {address}: set ROTA_TOKEN.")
    if not _TOKEN.fullmatch(found.token):
        raise NoConnection(f"The token for {address} is not valid: a token is one word of ASCII.")
    if not found.workspace:
        raise NoConnection(f"No workspace named for {address}: set ROTA_WORKSPACE.")
    return found


def _workspace(given: object) -> str:
    name = str(given or "")
    return name if not name or name.startswith("workspaces/") else f"workspaces/{name}"


def _ready(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise NoConnection(f"{path} can't be read: start Rota anew with `make run`.") from exc
    return said if isinstance(said, dict) else {}
