"""`python -m shared.rpc.health`: ends with 0 when the service that runs here is well.

Reads ROTA_LISTEN, ROTA_PROCESSES and the ROTA_TLS_ settings of that service; a health check for
containers. All processes of the service must be well.
"""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.rpc import tls
from shared.settings import next_address

TIMEOUT_SECONDS: Final = 4.0


def is_healthy(address: str, own: tls.Tls | None) -> bool:
    with _channel(address, own) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(address: str, own: tls.Tls | None) -> grpc.Channel:
    if own is None:
        return grpc.insecure_channel(address)
    # Dialled on this machine, and known by the name on its certificate.
    options = [("grpc.ssl_target_name_override", tls.subject_name(own.certificate))]
    return grpc.secure_channel(address, own.channel(), options)


def local_address(listen: str) -> str:
    """Returns the address on this machine of a server that listens there."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]") else listen


def _own(environment: Mapping[str, str]) -> tls.Tls | None:
    names = ("ROTA_TLS_CERT_FILE", "ROTA_TLS_KEY_FILE", "ROTA_TLS_CA_FILE")
    files = [Path(environment[name]) if environment.get(name) else None for name in names]
    return tls.read(*files)


def main() -> int:
    try:
        if not os.environ.get("ROTA_LISTEN"):
            raise ValueError("ROTA_LISTEN is not set")
        listen = local_address(os.environ["ROTA_LISTEN"])
        processes = int(os.environ.get("ROTA_PROCESSES") or 1)
        if processes < 1:
            raise ValueError("ROTA_PROCESSES must be at least 1")
        addresses = [next_address(listen, number) for number in range(processes)]
        own = _own(os.environ)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    with ThreadPoolExecutor(processes) as pool:
        healthy = pool.map(partial(is_healthy, own=own), addresses)
        ill = [each for each, well in zip(addresses, healthy, strict=True) if not well]
    for address in ill:
        print(f"no healthy server answers at {address}", file=sys.stderr)
    return 1 if ill else 0


if __name__ == "__main__":
    sys.exit(main())
