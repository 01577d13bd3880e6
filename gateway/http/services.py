"""Channels to the services: balanced over their addresses, with the retries of reads."""

import asyncio
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import grpc

from gateway.http.bindings.contract import Contract
from gateway.routes import PUBLIC

_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    # A replica that hangs is given up while its calls have time for another one. The services take
    # a ping every ten seconds.
    ("grpc.keepalive_time_ms", 12_000),
    # So long core waits for the answer of a ping, and not `keepalive_timeout_ms`.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", "rota-http"),
)

# Seconds before a read is made again.
_WAITS: Final = (0.05, 0.1)


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
    """The channels to one service, for one or more of its addresses each.

    `reads` are the calls that it makes again where they meet UNAVAILABLE, twice, by other channels.
    """

    def __init__(
        self, targets: Sequence[str], config: str, tls: TlsFiles | None, reads: Set[str]
    ) -> None:
        self._targets = targets
        self._config = config
        self._tls = tls
        self._reads = reads
        self._channels: list[grpc.aio.Channel] = []
        self._turn = count()

    def open(self) -> None:
        """Makes the channels, of the running loop; they dial with the first call."""
        options = [*_OPTIONS, ("grpc.service_config", self._config)]
        self._channels = [_open(target, options, self._tls) for target in self._targets]

    def call(
        self,
        path: str,
        request: Any,
        *,
        timeout: float,
        metadata: Sequence[tuple[str, str]] = (),
        serialize: Callable[[Any], bytes] | None = None,
        parse: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """Begins a call that is no stream; it can be awaited and cancelled."""

        def begin(channel: grpc.aio.Channel, seconds: float) -> Any:
            method: Any = channel.unary_unary(path, serialize, parse)
            return method(request, timeout=seconds, metadata=metadata)

        if path not in self._reads:
            return begin(self.channel(), timeout)
        return asyncio.ensure_future(self._read(begin, timeout))

    async def _read(self, begin: Callable[[grpc.aio.Channel, float], Any], timeout: float) -> Any:
        loop = asyncio.get_running_loop()
        deadline, tried = loop.time() + timeout, set[grpc.aio.Channel]()
        for wait in _WAITS:
            channel = self.channel(tried)
            try:
                return await begin(channel, deadline - loop.time())
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            tried.add(channel)
            await asyncio.sleep(wait)
        return await begin(self.channel(tried), deadline - loop.time())

    def channel(self, tried: Set[grpc.aio.Channel] = frozenset()) -> grpc.aio.Channel:
        """Returns the next channel that is connected; the next of all when none is.

        One that was tried is taken only where there is no other.
        """
        first = next(self._turn)
        rotated = [
            self._channels[(first + number) % len(self._channels)]
            for number in range(len(self._channels))
        ]
        ready = grpc.ChannelConnectivity.READY
        # Asking wakes the others, so that one that came back is found.
        states = {channel: channel.get_state(try_to_connect=True) for channel in rotated}
        return min(rotated, key=lambda one: (states[one] is not ready, one in tried))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def connect(
    contract: Contract, addresses: Mapping[str, Sequence[tuple[str, str]]], tls: TlsFiles | None
) -> dict[str, Service]:
    """Returns the services by their key in PUBLIC, not yet open."""
    return {cluster: _connect(contract, cluster, addresses[cluster], tls) for cluster in PUBLIC}


def _connect(
    contract: Contract, cluster: str, addresses: Sequence[tuple[str, str]], tls: TlsFiles | None
) -> Service:
    targets, reads = _targets(addresses, tls), _reads(contract, cluster)
    # A channel repeats a read at its own addresses only.
    by_channel, by_service = (reads, frozenset[str]()) if len(targets) == 1 else (set[str](), reads)
    return Service(targets, _config(cluster, by_channel), tls, by_service)


def _targets(addresses: Sequence[tuple[str, str]], tls: TlsFiles | None) -> list[str]:
    """One channel for all addresses, where that can be said; one for each elsewhere."""
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


def _reads(contract: Contract, cluster: str) -> frozenset[str]:
    """Returns the paths of what changes nothing, without streams."""
    return frozenset(
        one.call.path
        for one in contract.bindings
        if one.call.cluster == cluster and one.method == "GET" and not one.call.streams
    )


def _config(cluster: str, reads: Set[str]) -> str:
    """gRPC's service config: health checks, and retries of what changes nothing."""
    names = [
        dict(zip(("service", "method"), path[1:].split("/"), strict=True)) for path in sorted(reads)
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
            "methodConfig": [{"name": names, "retryPolicy": retry}] if names else [],
        }
    )


def _open(
    target: str, options: Sequence[tuple[str, Any]], tls: TlsFiles | None
) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, tls.credentials(), options=options)
