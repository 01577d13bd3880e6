"""Channels to the services: balanced over their addresses, with the retries of reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
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
class Tls:
    """PEM. Without a certificate of its own a caller shows none."""

    authority: bytes
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


class Service:
    """The channels to one service, one for each address. Dials with the first call."""

    def __init__(self, addresses: Sequence[tuple[str, str]], config: str, tls: Tls | None) -> None:
        options = [*_OPTIONS, ("grpc.service_config", config)]
        self._channels = [_open(f"{host}:{port}", options, tls) for host, port in addresses]
        self._turn = count()

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
    contract: Contract, addresses: Mapping[str, Sequence[tuple[str, str]]], tls: Tls | None
) -> dict[str, Service]:
    """Returns the services by their key in PUBLIC."""
    return {
        cluster: Service(addresses[cluster], _config(contract, cluster), tls) for cluster in PUBLIC
    }


def _config(contract: Contract, cluster: str) -> str:
    """gRPC's service config: health checks, and retries of what changes nothing."""
    reads = [
        {"service": PUBLIC[cluster], "method": one.call.name}
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
            "healthCheckConfig": {"serviceName": PUBLIC[cluster]},
            "methodConfig": [{"name": reads, "retryPolicy": retry}],
        }
    )


def _open(target: str, options: Sequence[tuple[str, Any]], tls: Tls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
    return grpc.aio.secure_channel(target, credentials, options=options)
