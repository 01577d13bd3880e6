"""Addresses of programs in settings: `host:port`."""

import ipaddress
from collections.abc import Mapping


def addresses(name: str, settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """Parses one or more `host:port`, separated by commas."""
    return [address(name, {name: part.strip()}) for part in settings[name].split(",")]


def address(name: str, settings: Mapping[str, str]) -> tuple[str, str]:
    """Raises KeyError for a missing setting, ValueError for an invalid one."""
    host, _, port = settings[name].rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{name} is not host:port")
    return host, port


def is_local(host: str) -> bool:
    """True for a host that means this very machine, where nothing is encrypted."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
