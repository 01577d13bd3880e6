"""Channels to the services: balanced over their addresses, with the retries of reads."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import grpc

from gateway.http.contract import Contract
from gateway.routes import PUBLIC

_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", "rota-http"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Paths of PEM. Without a certificate of its own a caller shows none."""

    authority: str
    certificate: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises OSError."""
        own = [Path(one).read_bytes() if one else None for one in (self.key, self.certificate)]
        return grpc.ssl_channel_credentials(Path(self.authority).read_bytes(), *own)


class Service:
    """The channels to one service, for one or more of its addresses each."""

    def __init__(self, targets: Sequence[str], config: str, tls: TlsFiles | None) -> None:
        self._targets = targets
        self._config = config
        self._tls = tls
        self._channels: list[grpc.aio.Channel] = []
        self._turn = count()

    def open(self) -> None:
        """Makes the channels, of the running loop; they dial with the first call."""
        options = [*_OPTIONS, ("grpc.service_config", self._config)]
        self._channels = [_open(target, options, self._tls) for target in self._targets]

    def channel(self) -> grpc.aio.Channel:
        """Returns the next channel that is connected; the next of all when none is."""
        first = next(self._turn)
        rotated = [
            self._channels[(first + number) % len(self._channels)]
            for number in range(len(self._channels))
        ]
        ready = grpc.ChannelConnectivity.READY
        # Asking wakes the others, so that one that came back is found.
        states = [channel.get_state(try_to_connect=True) for channel in rotated]
        return next((c for c, s in zip(rotated, states, strict=True) if s is ready), rotated[0])

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def connect(
    contract: Contract, addresses: Mapping[str, Sequence[tuple[str, str]]], tls: TlsFiles | None
) -> dict[str, Service]:
    """Returns the services by their key in PUBLIC, not yet open."""
    return {
        cluster: Service(
            _targets(addresses[cluster], tls),
            _config(contract, cluster),
            tls,
        )
        for cluster in PUBLIC
    }


def _targets(addresses: Sequence[tuple[str, str]], tls: TlsFiles | None) -> list[str]:
    """One channel for all addresses, where that can be said, tries a read at another of them."""
    each = [f"{host}:{port}" for host, port in addresses]
    if tls is None and all(_is_ipv4(host) for host, _ in addresses):
        return [f"ipv4:{','.join(each)}"]
    return each


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _config(contract: Contract, cluster: str) -> str:
    """gRPC's service config: health checks, and retries of what changes nothing."""
    reads = [
        {"service": one.call.path.split("/")[1], "method": one.call.name}
        for one in contract.bindings
        if one.call.cluster == cluster and one.method == "GET" and not one.call.streams
    ]
    retry = {
        "maxAttempts": 3,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": PUBLIC[cluster][0]},
            "methodConfig": [{"name": reads, "retryPolicy": retry}],
        }
    )


def _open(
    target: str, options: Sequence[tuple[str, Any]], tls: TlsFiles | None
) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, tls.credentials(), options=options)
