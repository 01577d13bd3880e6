"""What the gateway itself refuses, in the words of the contract on each of its wires."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

DOMAIN: Final = "rota.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    http: int
    code: int
    reason: str
    message: str


REFUSALS: Final = (
    Refusal(
        http=401,
        code=code_pb2.UNAUTHENTICATED,
        reason="UNAUTHENTICATED",
        message="a valid bearer token is required",
    ),
    Refusal(
        http=400,
        code=code_pb2.INVALID_ARGUMENT,
        reason="INVALID_REQUEST",
        message="the request is malformed",
    ),
    Refusal(
        http=404,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="the gateway serves no such method",
    ),
    Refusal(
        http=413,
        code=code_pb2.INVALID_ARGUMENT,
        reason="INVALID_REQUEST",
        message="the request is too large",
    ),
    Refusal(
        http=503,
        code=code_pb2.UNAVAILABLE,
        reason="SERVICE_UNAVAILABLE",
        message="the service cannot be reached, try again",
    ),
    Refusal(
        http=504,
        code=code_pb2.DEADLINE_EXCEEDED,
        reason="TIMED_OUT",
        message="the service did not answer in time",
    ),
)


def mappers() -> list[dict[str, Any]]:
    """Envoy's local reply mappers; the first that matches is taken."""
    return [*(mapper for refusal in REFUSALS for mapper in _mappers(refusal)), _any_other()]


def _mappers(refusal: Refusal) -> list[dict[str, Any]]:
    status = {"status_code_filter": {"comparison": _equals(refusal.http)}}
    details = _header("grpc-status-details-bin", _details(refusal))
    web = [
        details,
        _header("content-type", "application/grpc-web+proto"),
        _header("grpc-status", str(refusal.code)),
        _header("grpc-message", refusal.message),
    ]
    json = {"filter": status, "body_format_override": {"json_format": _json(refusal)}}
    return [
        # Once translated it looks like gRPC, but its caller waits for JSON.
        {**json, "filter": _both(status, _has("x-envoy-original-path"))},
        {
            "filter": _both(status, _content_type("application/grpc-web")),
            "status_code": 200,
            "headers_to_add": web,
            "body_format_override": _text(""),
        },
        {
            "filter": _both(status, _content_type("application/grpc")),
            # Envoy derives its own code from the HTTP status; only the text is ours.
            "headers_to_add": [details] if refusal.http in _SAME_CODE else [],
            "body_format_override": _text(refusal.message),
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
_SAME_CODE: Final = (401, 404, 503)


def _details(refusal: Refusal) -> str:
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN))
    status = status_pb2.Status(code=refusal.code, message=refusal.message, details=[info])
    return base64.b64encode(status.SerializeToString()).decode().rstrip("=")


def _json(refusal: Refusal) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo"}
    info |= {"reason": refusal.reason, "domain": DOMAIN}
    # The transcoder says what is wrong with a body or a path.
    message = "%LOCAL_REPLY_BODY%" if refusal.http == 400 else refusal.message
    return {"code": refusal.code, "message": message, "details": [info]}


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
