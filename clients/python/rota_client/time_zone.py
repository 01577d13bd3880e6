"""The IANA time zone of the machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo


def machine_zone(environ: Mapping[str, str] | None = None, etc: Path = Path("/etc")) -> str:
    """Returns the zone in TZ, else in /etc; empty when neither names a zone."""
    env = os.environ if environ is None else environ
    said = (env.get("TZ", "").removeprefix(":"), _linked(etc / "localtime"), _text(etc))
    return next((zone for zone in said if _known(zone)), "")


def _known(zone: str) -> bool:
    try:
        return bool(zone) and ZoneInfo(zone).key == zone
    except (KeyError, ValueError, OSError):
        # a directory, such as Europe, is an OSError
        return False


def _linked(path: Path) -> str:
    try:
        return str(path.readlink()).rpartition("zoneinfo/")[2]
    except OSError:
        return ""


def _text(etc: Path) -> str:
    try:
        return (etc / "timezone").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
