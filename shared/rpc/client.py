"""Channels and credentials for calls to the other service."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc

from shared.rpc.tls import Tls
from shared.security.caller import ApprovalClaim, Membership, ServiceIdentity
from shared.telemetry import metrics

DEADLINE_SECONDS: Final = 15.0


def open_channel(address: str, *, tls: Tls | None = None) -> grpc.aio.Channel:
    """Returns a channel that connects with its first call."""
    options: list[tuple[str, Any]] = [
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Shared connections would share their back-off too.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, tls.channel(), options=options)


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
