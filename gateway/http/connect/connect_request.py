"""What the headers of a Connect request ask for."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.rpc import code_pb2

from gateway.http.bindings.contract import Call
from gateway.http.refusal import MALFORMED, Refusal, Violation, refuse, refuse_fields

_TYPE: Final = re.compile(
    r'application/(?P<stream>connect\+)?(?P<codec>proto|json)\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?',
    re.IGNORECASE,
)
_MILLISECONDS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_UNARY: Final = "application/proto, application/json"
_STREAM: Final = "application/connect+proto, application/connect+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """`seconds` is how long the caller waits, maybe infinity."""

    content_type: str
    is_json: bool
    seconds: float

    @property
    def stream_seconds(self) -> float | None:
        """How long the caller waits for the end of a stream, as gRPC takes it."""
        return None if math.isinf(self.seconds) else self.seconds


def read(call: Call, headers: Mapping[bytes, bytes]) -> ConnectRequest:
    """Raises Refusal for what Connect, or this call, does not have."""
    found = _TYPE.fullmatch(_header(headers, b"content-type"))
    if found is None or bool(found["stream"]) is not call.streams:
        raise _unsupported_type(call)
    version = _header(headers, b"connect-protocol-version")
    if version not in ("", "1"):
        raise _invalid("Connect-Protocol-Version", "must be 1")
    encoding = b"connect-content-encoding" if call.streams else b"content-encoding"
    if _header(headers, encoding) not in ("", "identity"):
        raise refuse(code_pb2.UNIMPLEMENTED, "NOT_SERVED", "the message must not be compressed")
    return ConnectRequest(
        content_type=f"application/{'connect+' if call.streams else ''}{found['codec'].lower()}",
        is_json=found["codec"].lower() == "json",
        seconds=_seconds(_header(headers, b"connect-timeout-ms")),
    )


def _seconds(text: str) -> float:
    if not text:
        return math.inf
    if not _MILLISECONDS.fullmatch(text):
        raise _invalid("Connect-Timeout-Ms", "must be milliseconds, of ten digits at most")
    # gRPC takes 0 for no limit.
    return max(int(text), 1) / 1000


def _header(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()


def _unsupported_type(call: Call) -> Refusal:
    wanted = _STREAM if call.streams else _UNARY
    kind = "a stream" if call.streams else "no stream"
    return refuse(
        code_pb2.INVALID_ARGUMENT,
        MALFORMED,
        f"{call.name} is {kind}; its content types are {wanted}",
        http=415,
        headers={"accept-post": wanted},
    )


def _invalid(header: str, description: str) -> Refusal:
    found = Violation(field=header, description=description, reason="INVALID")
    return refuse_fields([found])
