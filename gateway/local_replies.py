"""Errors that the gateway itself answers, as the contract defines them, for each protocol."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

DOMAIN: Final = "rota.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReply:
    http: int
    code: int
    reason: str
    message: str
    retry_seconds: int = 0
    answered: int = 0  # with this HTTP status, where it is not Envoy's own


REFUSALS: Final = (
    LocalReply(
        http=401,
        code=code_pb2.UNAUTHENTICATED,
        reason="UNAUTHENTICATED",
        message="a valid bearer token is required",
    ),
    # A token that is good for somebody else.
    LocalReply(
        http=403,
        answered=401,
        code=code_pb2.UNAUTHENTICATED,
        reason="UNAUTHENTICATED",
        message="a valid bearer token is required",
    ),
    LocalReply(
        http=400,
        code=code_pb2.INVALID_ARGUMENT,
        reason="INVALID_REQUEST",
        message="the request is malformed",
    ),
    LocalReply(
        http=404,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="the gateway serves no such method",
    ),
    LocalReply(
        http=413,
        code=code_pb2.INVALID_ARGUMENT,
        reason="INVALID_REQUEST",
        message="the request is too large",
    ),
    LocalReply(
        http=429,
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason="RATE_LIMITED",
        message="too many calls in a short time, try again in a second",
        retry_seconds=1,
    ),
    LocalReply(
        http=503,
        code=code_pb2.UNAVAILABLE,
        reason="SERVICE_UNAVAILABLE",
        message="the service cannot be reached, try again",
    ),
    LocalReply(
        http=504,
        code=code_pb2.DEADLINE_EXCEEDED,
        reason="TIMED_OUT",
        message="the service did not answer in time",
    ),
)


def mappers() -> list[dict[str, Any]]:
    """Returns Envoy's local reply mappers; the first match applies."""
    return [*(mapper for refusal in REFUSALS for mapper in _mappers(refusal)), _any_other()]


def _mappers(refusal: LocalReply) -> list[dict[str, Any]]:
    status = {"status_code_filter": {"comparison": _equals(refusal.http)}}
    details = _header("grpc-status-details-bin", _details(refusal))
    web = [
        details,
        _header("content-type", "application/grpc-web+proto"),
        _header("grpc-status", str(refusal.code)),
        _header("grpc-message", refusal.message),
    ]
    other = {"status_code": refusal.answered} if refusal.answered else {}
    json = {"filter": status, "body_format_override": {"json_format": _json(refusal)}, **other}
    return [
        # Once translated it looks like gRPC, but its caller waits for JSON.
        {**json, "filter": _both(status, _has("x-envoy-original-path"))},
        {
            "filter": _both(status, _content_type("application/grpc-web")),
            "status_code": 200,
            "headers_to_add": web,
            "body_format_override": _text(""),
        },
        # Once it has passed the filter for gRPC-Web, which looks at what is answered again.
        {
            "filter": _both(status, _has("x-grpc-web")),
            "status_code": 200,
            "headers_to_add": [_header("content-type", "application/grpc"), *web[:1], *web[2:]],
            "body_format_override": _text(""),
        },
        {
            "filter": _both(status, _content_type("application/grpc")),
            # Envoy derives its own code from the HTTP status; only the text is ours.
            "headers_to_add": [details] if refusal.http in _SAME_CODE else [],
            "body_format_override": _text(refusal.message),
            **other,
        },
        json,
    ]


def _any_other() -> dict[str, Any]:
    failed = {"op": "GE", "value": {"default_value": 400, "runtime_key": "rota.none"}}
    return {
        "filter": {"status_code_filter": {"comparison": failed}},
        "body_format_override": {
            "json_format": {"code": code_pb2.UNKNOWN, "message": "%LOCAL_REPLY_BODY%"}
        },
    }


# A details header whose code is not the call's would be refused by clients.
_SAME_CODE: Final = (401, 403, 404, 429, 503, 504)


def _details(refusal: LocalReply) -> str:
    found: list[Message] = [error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN)]
    if refusal.retry_seconds:
        delay = duration_pb2.Duration(seconds=refusal.retry_seconds)
        found.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=refusal.code, message=refusal.message)
    status.details.extend(_pack(detail) for detail in found)
    return base64.b64encode(status.SerializeToString()).decode().rstrip("=")


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _json(refusal: LocalReply) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo"}
    info |= {"reason": refusal.reason, "domain": DOMAIN}
    details = [info]
    if refusal.retry_seconds:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
        details.append(retry | {"retryDelay": f"{refusal.retry_seconds}s"})
    # The transcoder says what is wrong with a body or a path.
    message = "%LOCAL_REPLY_BODY%" if refusal.http == 400 else refusal.message
    return {"code": refusal.code, "message": message, "details": details}


def _both(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _content_type(prefix: str) -> dict[str, Any]:
    return {
        "header_filter": {"header": {"name": "content-type", "string_match": {"prefix": prefix}}}
    }


def _has(header: str) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": header, "present_match": True}}}


def _equals(number: int) -> dict[str, Any]:
    return {"op": "EQ", "value": {"default_value": number, "runtime_key": "rota.none"}}


def _header(key: str, value: str) -> dict[str, Any]:
    header = {"key": key, "value": value}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _text(text: str) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": text}}
