"""Time zones, always from the tzdata package, so that every machine agrees on them."""

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

VERSION: str = tzdata.IANA_VERSION


def check(name: str) -> str:
    """The name itself. Raises ValueError unless the IANA database has the zone."""
    if name not in all_names():
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Paris")
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
