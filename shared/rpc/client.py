"""Channels and credentials for calls to the other service."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import grpc

from shared.rpc.tls import Tls
from shared.security.caller import ApprovalClaim, Membership, ServiceIdentity
from shared.telemetry import metrics

DEADLINE_SECONDS: Final = 15.0
# Of several addresses of a name those with a connection, in turn. One that drains answers until
# it closes its connections, so its health is not asked: it may be the only one.
_CONFIG: Final[dict[str, Any]] = {"loadBalancingConfig": [{"round_robin": {}}]}
_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_receive_message_length", 16 << 20),
    # A connection to what hangs ends soon. The services take a ping every ten seconds.
    ("grpc.keepalive_time_ms", 12_000),
    # So long core waits for the answer of a ping, and not `keepalive_timeout_ms`.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long an attempt to connect may take, too.
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Shared connections would share their back-off too.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config", json.dumps(_CONFIG)),
)
# Which of several connections a call takes first.
_RANKS: Final = {
    grpc.ChannelConnectivity.READY: 0,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE: 2,
    grpc.ChannelConnectivity.SHUTDOWN: 3,
}


def open_channel(address: str, *, tls: Tls | None = None) -> grpc.aio.Channel:
    """Returns a channel to an address, or to several, comma-separated.

    It connects with its first call. Of several addresses it calls those that it has a connection
    to, in turn.
    """
    each = [_open(one.strip(), tls) for one in address.split(",")]
    return each[0] if len(each) == 1 else PeerChannel(each)


def _open(address: str, tls: Tls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    return grpc.aio.secure_channel(address, tls.channel(), options=_OPTIONS)


class PeerChannel(grpc.aio.Channel):
    """One channel made of several, each to an address of the same service.

    gRPC balances over the addresses of one name, and not over several names.
    """

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = channels
        self._turn = count()

    def choose(self) -> int:
        """Returns the number of the next channel that is connected; without one of the next of all.

        One whose connection has failed comes last.
        """
        first = next(self._turn)
        order = [(first + number) % len(self._channels) for number in range(len(self._channels))]
        # Asking wakes the others, so that one that came back is found.
        states = {one: self._channels[one].get_state(try_to_connect=True) for one in order}
        return min(order, key=lambda one: _RANKS.get(states[one], 1))

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._balance("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._balance("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._balance("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._balance("stream_stream", args, kwargs)

    def _balance(self, kind: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        each = [getattr(channel, kind)(*args, **kwargs) for channel in self._channels]

        def call(*given: Any, **more: Any) -> Any:
            return each[self.choose()](*given, **more)

        return call

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        states = [channel.get_state(try_to_connect) for channel in self._channels]
        return min(states, key=lambda state: _RANKS.get(state, 1))

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channels[self.choose()].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channels[self.choose()].channel_ready()

    async def close(self, grace: float | None = None) -> None:
        for channel in self._channels:
            await channel.close(grace)

    async def __aenter__(self) -> "PeerChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


# A workspace and a user → the user's membership; None when there is none, or it was revoked.
MembershipReader = Callable[[str, str], Awaitable[Membership | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedCredentials:
    """Credentials of this service that act for a user at `audience`.

    They state the user's membership as `members` knows it, for a service that knows none.
    """

    identity: ServiceIdentity
    audience: str
    members: MembershipReader | None = None

    async def metadata(
        self, *, user: str = "", workspace: str = "", approval: ApprovalClaim | None = None
    ) -> list[tuple[str, str]]:
        member = await self.members(workspace, user) if self.members and user else None
        token = self.identity.token(
            audience=self.audience,
            user=user,
            workspace=workspace,
            membership=member,
            approval=approval,
        )
        return [("authorization", f"Bearer {token}"), *metrics.inject_trace()]
