"""Health checks: gRPC health of a service, and real calls through the gateway."""

import grpc
import httpx2
from grpc_health.v1 import health_pb2

_TIMEOUT = 2.0
# one read of each service: both routes must work
_READS = ("v1/workspaces/{0}/threads?page_size=1", "v1/workspaces/{0}/automations?page_size=1")


def is_serving(address: str, service: str) -> bool:
    """True if the service reports SERVING."""
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def is_reachable(gateway_url: str, token: str, workspace: str) -> bool:
    """True if calls reach both services through the gateway, whatever they answer."""
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx2.Client(base_url=gateway_url, headers=headers, timeout=_TIMEOUT) as client:
            if client.get("healthz").status_code != 200:
                return False
            answers = [client.get(path.format(workspace)) for path in _READS]
    except httpx2.TransportError:
        return False
    return all(answer.status_code not in (401, 404, 502, 503, 504) for answer in answers)
