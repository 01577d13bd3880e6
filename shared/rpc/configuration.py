"""TLS, credentials and the server of a service, built from its settings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from shared import errors
from shared.rpc import tls
from shared.rpc.access import Role
from shared.rpc.client import DelegatedCredentials, MembershipReader
from shared.rpc.server.interceptor import ServerInterceptor
from shared.rpc.server.open_streams import OpenStreams
from shared.rpc.server.rpc_server import RpcServer
from shared.rpc.server.stream_limits import StreamLimits
from shared.security import caller


class RpcSettings(Protocol):
    """The settings that every service has for its RPCs."""

    @property
    def listen(self) -> str: ...
    @property
    def jwks_file(self) -> Path: ...
    @property
    def service_jwks_file(self) -> Path: ...
    @property
    def service_key_file(self) -> Path: ...
    @property
    def tls_cert_file(self) -> Path | None: ...
    @property
    def tls_key_file(self) -> Path | None: ...
    @property
    def tls_ca_file(self) -> Path | None: ...
    @property
    def tls_clients_show(self) -> bool: ...
    @property
    def grace_seconds(self) -> float: ...
    @property
    def drain_seconds(self) -> float: ...
    @property
    def streams_per_person(self) -> int: ...
    @property
    def streams_per_workspace(self) -> int: ...


def read_tls(settings: RpcSettings) -> tls.Tls | None:
    """Reads the files of TLS. None without any; RuntimeError for a missing or unusable one."""
    return tls.read(
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_ca_file,
        clients_show=settings.tls_clients_show,
    )


def read_credentials(
    settings: RpcSettings, *, service: str, audience: str, members: MembershipReader
) -> DelegatedCredentials:
    """Reads the key with which `service` signs its calls to `audience`."""
    key = settings.service_key_file.read_text()
    identity = caller.ServiceIdentity(service=service, key_pem=key, key_id=service)
    return DelegatedCredentials(identity=identity, audience=audience, members=members)


def build_server(
    settings: RpcSettings,
    *,
    service: str,
    service_names: Sequence[str],
    add: Sequence[Callable[[Any], None]],
    translate: Callable[[BaseException], errors.RotaError | None],
    streams: OpenStreams,
    admit: Callable[[str, Role], Awaitable[object]],
    limits: Mapping[str, int] | None = None,
) -> RpcServer:
    """Builds the server. Verifies tokens for `service`; see RpcServer and ServerInterceptor."""
    verifier = caller.Verifier(
        users=caller.read_key_set(settings.jwks_file),
        services=caller.read_key_set(settings.service_jwks_file),
        service=service,
    )
    return RpcServer(
        listen=settings.listen,
        interceptor=ServerInterceptor(
            verifier=verifier,
            translate=translate,
            limits=limits or {},
            admit=admit,
            streams=streams,
            stream_limits=StreamLimits(
                per_person=settings.streams_per_person,
                per_workspace=settings.streams_per_workspace,
            ),
        ),
        service_names=service_names,
        add=add,
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
        tls=read_tls(settings),
    )
