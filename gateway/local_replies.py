"""Errors that the gateway itself answers, as the contract defines them, for each protocol."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway import connect_error

DOMAIN: Final = "rota.dev"
# Bytes of a request as the routes limit them.
REQUEST_BYTES: Final = 1 << 20
MESSAGE_BYTES: Final = 8 << 20
# What the routes refuse of gRPC by a status that Envoy has no use for.
MALFORMED_TIMEOUT: Final = 460
UNSERVED_ENCODING: Final = 461
WITHOUT_TRAILERS: Final = 462
UNSERVED_CONTENT_TYPE: Final = 415


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReply:
    """What is answered in place of Envoy's own answer with an HTTP status.

    Where `or_above` is true, it is for that status and all above it. `path` narrows it to paths
    that contain this, in any case; `details` to what Envoy gives as its own reason, which contains
    this.
    """

    http: int
    code: int
    reason: str
    message: str
    retry_seconds: int = 0
    answered: int = 0  # with this HTTP status, where it is not Envoy's own
    or_above: bool = False
    path: str = ""
    details: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


_UNREACHED: Final = "the service cannot be reached, try again"
_MALFORMED: Final = "the request is malformed"
_LATE: Final = "the service did not answer in time"

# The first that matches applies.
REFUSALS: Final = (
    LocalReply(
        http=401,
        details="Jwt_is_expired",
        code=code_pb2.UNAUTHENTICATED,
        reason="UNAUTHENTICATED",
        message="the token has expired",
    ),
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
        http=404,
        answered=501,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="the gateway serves no such method",
    ),
    # The caller did not send its request in time.
    LocalReply(
        http=408,
        code=code_pb2.DEADLINE_EXCEEDED,
        reason="TIMED_OUT",
        message="the request did not come in time",
    ),
    LocalReply(
        http=413,
        path="sendmessage",
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason="REQUEST_TOO_LARGE",
        message=f"the request has too many bytes; the limit is {MESSAGE_BYTES}",
        metadata={"limit_bytes": str(MESSAGE_BYTES)},
    ),
    LocalReply(
        http=413,
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason="REQUEST_TOO_LARGE",
        message=f"the request has too many bytes; the limit is {REQUEST_BYTES}",
        metadata={"limit_bytes": str(REQUEST_BYTES)},
    ),
    LocalReply(
        http=UNSERVED_CONTENT_TYPE,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="this content-type of gRPC is not served; send application/grpc+proto, "
        "application/grpc-web+proto or application/grpc-web-text+proto",
    ),
    LocalReply(
        http=429,
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason="RATE_LIMITED",
        message="too many calls in a short time, try again in a second",
        retry_seconds=1,
    ),
    LocalReply(
        http=431,
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason="REQUEST_TOO_LARGE",
        message="the headers of the request are too large",
    ),
    LocalReply(
        http=MALFORMED_TIMEOUT,
        answered=400,
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="grpc-timeout must be up to eight digits and one of H, M, S, m, u and n",
    ),
    LocalReply(
        http=UNSERVED_ENCODING,
        answered=415,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="this grpc-encoding is not served; it is identity, deflate or gzip",
    ),
    LocalReply(
        http=WITHOUT_TRAILERS,
        answered=400,
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="gRPC needs HTTP/2 and the header te: trailers; HTTP/1.1 carries gRPC-Web, "
        "Connect and JSON",
    ),
    # A transfer encoding that nobody knows.
    LocalReply(
        http=501,
        code=code_pb2.UNIMPLEMENTED,
        reason="NOT_SERVED",
        message="the gateway reads no such transfer-encoding",
    ),
    LocalReply(
        http=503,
        code=code_pb2.UNAVAILABLE,
        reason="SERVICE_UNAVAILABLE",
        message=_UNREACHED,
        retry_seconds=1,
    ),
    LocalReply(http=504, code=code_pb2.DEADLINE_EXCEEDED, reason="TIMED_OUT", message=_LATE),
    LocalReply(
        http=400,
        details="path_normalization_failed",
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="the path has an escaped slash or backslash, an escaped zero byte, or a #",
    ),
    LocalReply(
        http=400,
        details="unexpected_underscore",
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="the name of a header has an underscore",
    ),
    LocalReply(
        http=400,
        details="invalid_characters",
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="a header has characters that HTTP has not",
    ),
    LocalReply(
        http=400,
        details="codec_error",
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message="the request is not HTTP: its method is unknown, or its address or a header has"
        " characters that HTTP has not",
    ),
    # Anything else that Envoy may say.
    LocalReply(
        http=500,
        or_above=True,
        code=code_pb2.UNAVAILABLE,
        reason="SERVICE_UNAVAILABLE",
        message=_UNREACHED,
        retry_seconds=1,
    ),
    LocalReply(
        http=400,
        or_above=True,
        code=code_pb2.INVALID_ARGUMENT,
        reason="REQUEST_MALFORMED",
        message=_MALFORMED,
    ),
)


def mappers(ticket_paths: str) -> list[dict[str, Any]]:
    """Returns Envoy's local reply mappers; the first match applies.

    `ticket_paths` is the pattern of the paths that tickets open.
    """
    ours = (mapper for refusal in REFUSALS for mapper in _mappers(refusal))
    return [_unreached_event_source(ticket_paths), *ours]


def _unreached_event_source(ticket_paths: str) -> dict[str, Any]:
    """A browser's EventSource, which alone shows a ticket, gives up at any status but 200."""
    pattern = rf"({ticket_paths})\?(.*&)?ticket=.*"
    path = {"name": ":path", "string_match": {"safe_regex": {"regex": pattern}}}
    unreached = {"default_value": 503, "runtime_key": "rota.none"}
    return {
        "filter": _all(
            {"status_code_filter": {"comparison": {"op": "EQ", "value": unreached}}},
            {"header_filter": {"header": path}},
        ),
        "status_code": 200,
        "headers_to_add": [_header("content-type", "text/event-stream")],
        "body_format_override": _text("retry: 1000\n\n"),
    }


def _mappers(refusal: LocalReply) -> list[dict[str, Any]]:
    applies = _applies(refusal)
    # Envoy has a code of its own for gRPC, which it takes from the HTTP status.
    grpc = [
        _header("grpc-status", str(refusal.code)),
        _header("grpc-status-details-bin", _details(refusal)),
    ]
    web = [
        *grpc,
        _header("content-type", "application/grpc-web+proto"),
        _header("grpc-message", refusal.message),
    ]
    other = {"status_code": refusal.answered} if refusal.answered else {}
    plain = {"body_format_override": {"json_format": _json(refusal)}, **other}
    connect = connect_error.to_json(_status(refusal))
    found: list[dict[str, Any]] = [
        {
            "filter": _all(*applies, _content_type("application/grpc-web")),
            "status_code": 200,
            "headers_to_add": web,
            "body_format_override": _text(""),
        },
        # Also what has passed the filter for gRPC-Web, which looks at what is answered again.
        {
            "filter": _all(*applies, _content_type("application/grpc")),
            "status_code": 200,
            "headers_to_add": [*grpc, _header("content-type", "application/grpc"), web[-1]],
            "body_format_override": _text(""),
        },
        {
            "filter": _all(*applies, _content_type("application/connect+")),
            "status_code": 200,
            "headers_to_add": [_header("content-type", "%REQ(content-type)%")],
            "body_format_override": _text(_last_envelope({"error": connect})),
        },
        {
            "filter": _all(*applies, _path_prefix("/rota.")),
            "body_format_override": {"json_format": connect},
            **other,
        },
        {**plain, "filter": _all(*applies)},
    ]
    return [_with_realm(mapper) for mapper in found] if refusal.http == 401 else found


def _with_realm(mapper: dict[str, Any]) -> dict[str, Any]:
    """Envoy's own header tells the whole address, with a ticket that may be in it."""
    realm = {"key": "www-authenticate", "value": 'Bearer realm="rota"'}
    told = {"header": realm, "append_action": "OVERWRITE_IF_EXISTS"}
    return {**mapper, "headers_to_add": [*mapper.get("headers_to_add", []), told]}


def _last_envelope(told: dict[str, Any]) -> str:
    """The end of a Connect stream: a byte of flags, four of length, and JSON."""
    text = json.dumps(told)
    # Blanks make the length one whose bytes are ASCII, as text must be.
    text += " " * (-len(text) % 256)
    return "\x02" + len(text).to_bytes(4).decode("ascii") + text


def _applies(refusal: LocalReply) -> list[dict[str, Any]]:
    compared = {"default_value": refusal.http, "runtime_key": "rota.none"}
    comparison = {"op": "GE" if refusal.or_above else "EQ", "value": compared}
    found: list[dict[str, Any]] = [{"status_code_filter": {"comparison": comparison}}]
    if refusal.path:
        match = {"contains": refusal.path, "ignore_case": True}
        found.append({"header_filter": {"header": {"name": ":path", "string_match": match}}})
    if refusal.details:
        found.append({"extension_filter": _expression(refusal.details)})
    return found


def _expression(details: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    return {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": kind,
            "expression": f"response.code_details.contains('{details}')",
        },
    }


def _details(refusal: LocalReply) -> str:
    return base64.b64encode(_status(refusal).SerializeToString()).decode().rstrip("=")


def _status(refusal: LocalReply) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(
        reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata
    )
    found: list[Message] = [info]
    if refusal.retry_seconds:
        delay = duration_pb2.Duration(seconds=refusal.retry_seconds)
        found.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=refusal.code, message=refusal.message)
    status.details.extend(_pack(detail) for detail in found)
    return status


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _json(refusal: LocalReply) -> dict[str, Any]:
    info: dict[str, Any] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo"}
    info |= {"reason": refusal.reason, "domain": DOMAIN}
    if refusal.metadata:
        info["metadata"] = dict(refusal.metadata)
    details = [info]
    if refusal.retry_seconds:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
        details.append(retry | {"retry_delay": f"{refusal.retry_seconds}s"})
    return {"code": refusal.code, "message": refusal.message, "details": details}


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return filters[0] if len(filters) == 1 else {"and_filter": {"filters": list(filters)}}


def _content_type(prefix: str) -> dict[str, Any]:
    return {
        "header_filter": {"header": {"name": "content-type", "string_match": {"prefix": prefix}}}
    }


def _path_prefix(prefix: str) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": prefix}}}}


def _header(key: str, value: str) -> dict[str, Any]:
    header = {"key": key, "value": value}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _text(text: str) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": text}}
