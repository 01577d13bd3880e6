"""Tokens for development users, signed with the key in the state folder."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import jwt

from devstack.keys import USERS, Keys

ISSUER: Final = "rota"
AUDIENCE: Final = "rota"
USER: Final = "dev"  # whoever runs the stack
LIFE: Final = timedelta(days=30)


def mint(
    keys: Keys,
    *,
    workspaces: Mapping[str, str],
    user: str = USER,
    zone: str = "UTC",
    life: timedelta = LIFE,
) -> str:
    """Returns a bearer token; `workspaces` maps ids to roles: viewer, editor or owner."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user,
        "name": user,
        "workspaces": dict(workspaces),
        "zoneinfo": zone,
        "iat": now,
        "exp": now + life,
    }
    pem = keys.private(USERS).read_text()
    return jwt.encode(claims, pem, algorithm="ES256", headers={"kid": USERS})


def machine_zone(environment: Mapping[str, str], etc: Path = Path("/etc")) -> str:
    """Returns the IANA name of this machine's zone; UTC when the machine names none."""
    for name in (environment.get("TZ", "").removeprefix(":"), _link(etc), _timezone_file(etc)):
        if name and is_zone(name):
            return "UTC" if name == "Etc/UTC" else name
    return "UTC"


def _link(etc: Path) -> str:
    target = etc / "localtime"
    _, found, name = str(target.resolve()).partition("/zoneinfo/") if target.exists() else ("",) * 3
    return name if found else ""


def _timezone_file(etc: Path) -> str:
    path = etc / "timezone"
    return path.read_text().strip() if path.is_file() else ""


def is_zone(name: str) -> bool:
    """True if the machine has rules for the IANA zone of this name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no such file, a folder, a path that leaves the base
        return False
    return True
