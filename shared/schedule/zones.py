"""Time zones, always from the tzdata package, so that every machine agrees on them."""

import difflib
import re
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

VERSION: str = tzdata.IANA_VERSION
# Abbreviations that the database does not have, and places that they may mean.
PLACES: Final = {
    "ACST": ("Australia/Adelaide",),
    "ADT": ("America/Halifax",),
    "AEDT": ("Australia/Sydney",),
    "AEST": ("Australia/Sydney", "Australia/Brisbane"),
    "AKST": ("America/Anchorage",),
    "AST": ("America/Halifax",),
    "AWST": ("Australia/Perth",),
    "BRT": ("America/Sao_Paulo",),
    "BST": ("Europe/London",),
    "CDT": ("America/Chicago",),
    "CEST": ("Europe/Berlin", "Europe/Paris"),
    "CST": ("America/Chicago", "Asia/Shanghai"),
    "CT": ("America/Chicago",),
    "EDT": ("America/New_York",),
    "EEST": ("Europe/Helsinki", "Europe/Athens"),
    "ET": ("America/New_York",),
    "HKT": ("Asia/Hong_Kong",),
    "IST": ("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"),
    "JST": ("Asia/Tokyo",),
    "KST": ("Asia/Seoul",),
    "MDT": ("America/Denver",),
    "MSK": ("Europe/Moscow",),
    "MT": ("America/Denver",),
    "NZDT": ("Pacific/Auckland",),
    "NZST": ("Pacific/Auckland",),
    "PDT": ("America/Los_Angeles",),
    "PST": ("America/Los_Angeles",),
    "PT": ("America/Los_Angeles",),
    "SAST": ("Africa/Johannesburg",),
    "SGT": ("Asia/Singapore",),
    "WEST": ("Europe/Lisbon",),
    "Z": ("UTC",),
}
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])0?([0-9]{1,2})(?::?00)?", re.ASCII)


def check(name: str) -> str:
    """The name itself. Raises ValueError unless the IANA database has the zone."""
    if name not in all_names():
        advice = _advise(name) or "use an IANA name such as Europe/Paris"
        raise ValueError(f"unknown time zone {name!r}; {advice}")
    return name


@cache
def load(name: str) -> ZoneInfo:
    """Raises ValueError for a zone that is not known."""
    file = resources.files("tzdata").joinpath("zoneinfo", *check(name).split("/"))
    with file.open("rb") as source:
        return ZoneInfo.from_file(source, key=name)


@cache
def all_names() -> frozenset[str]:
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - {"Factory", "localtime"}


def _advise(name: str) -> str:
    """Which name the person may mean; empty if none is near."""
    text = "_".join(re.sub(r" */ *", "/", name).split())
    if places := PLACES.get(text.upper()):
        return f"write {' or '.join(places)}"
    if (offset := _OFFSET.fullmatch(text.upper())) and 0 < int(offset[2]) <= 12:
        turned = "-" if offset[1] == "+" else "+"
        return (
            f"write Etc/GMT{turned}{offset[2]}, whose sign is the other way round, or a place, "
            "which has summer time, such as Europe/Paris"
        )
    if found := _by_folded_name().get(text.casefold()):
        return f"write {found}"
    near = difflib.get_close_matches(text.casefold(), _by_folded_name(), n=1, cutoff=0.85)
    return f"write {_by_folded_name()[near[0]]}" if near else ""


@cache
def _by_folded_name() -> dict[str, str]:
    """Names by their lower case; a place also by its last part, if that is unambiguous."""
    found: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    for name in sorted(all_names()):
        places.setdefault(name.rpartition("/")[2].casefold(), []).append(name)
    found.update({last: names[0] for last, names in places.items() if len(names) == 1})
    found.update({name.casefold(): name for name in sorted(all_names())})
    return found
