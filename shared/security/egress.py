"""Which network addresses may be reached for somebody: those of the open internet."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[Address]]]

# they carry an IPv4 address that is reached in the end
_TRANSLATED: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("::/96"),
)
# what older Pythons call global: this network, carriers' own, protocols' own, a cloud's own
_REFUSED: Final = (
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("fec0::/10"),
)


def is_public(address: Address) -> bool:
    """False for anything but a plain unicast address of the open internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id or any(address in network for network in _TRANSLATED):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(
            address in network for network in _REFUSED if network.version == address.version
        )
    )


def names_inner(host: str) -> bool:
    """Whether a host, unresolved, says that it is not on the open internet."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return not is_public(ipaddress.ip_address(name))
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


async def resolve(host: str, port: int) -> list[Address]:
    """Every address of a host. Raises OSError when it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))
