"""The IANA time zone of the machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo


def machine_zone(environ: Mapping[str, str] | None = None, etc: Path = Path("/etc")) -> str:
    """Returns the zone in TZ, else in /etc; empty when neither names a zone."""
    env = os.environ if environ is None else environ
    said = (env.get("TZ", "").removeprefix(":"), _read_link(etc / "localtime"), _read_file(etc))
    return next((zone for zone in said if _is_zone(zone)), "")


def _is_zone(zone: str) -> bool:
    try:
        return bool(zone) and ZoneInfo(zone).key == zone
    except (KeyError, ValueError, OSError):
        # a directory, such as Europe, is an OSError
        return False


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink()).rpartition("zoneinfo/")[2]
    except OSError:
        return ""


def _read_file(etc: Path) -> str:
    try:
        return (etc / "timezone").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
