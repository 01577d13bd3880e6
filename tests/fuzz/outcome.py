"""What a call came to: its code and reason, and what is wrong with that."""

from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from shared import errors
from shared.rpc.messages.request_check import check_request
from tests.contract.rows import fields_of, reason_of

OK: Final = 0
# The service's own fault, whatever the caller sent.
FAULTS: Final = {2: "UNKNOWN", 13: "INTERNAL", 15: "DATA_LOSS"}
# What the guard in front of the handlers says.
_GUARDS: Final = frozenset({"UNAUTHENTICATED", "NOT_SERVED"})
# What both the guard and a handler say.
_BOTH: Final = frozenset({"INVALID_REQUEST", "RESOURCE_NOT_FOUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`said` are the bytes to send; `request` is what they were made from.

    `plain`: the bytes are those of the request. `token` is what stands after `Bearer `, and
    `workspace` the name of the workspace that it is good for.
    """

    method: str
    request: Message
    said: bytes
    plain: bool
    token: str
    workspace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`fault` says what is wrong; empty: nothing. `answers` are the messages that came."""

    code: int = OK
    reason: str = ""
    fault: str = ""
    answers: list[Message] = field(default_factory=list)


def of_status(status: status_pb2.Status) -> Outcome:
    if status.code in FAULTS:
        return Outcome(code=status.code, fault=f"{FAULTS[status.code]}: {status.message[:300]}")
    try:
        return Outcome(code=status.code, reason=reason_of(status))
    except (AssertionError, KeyError) as error:
        if reason := _of_the_whole(status):
            return Outcome(code=status.code, reason=reason)
        said = " ".join(str(error).split()) or status.message
        return Outcome(code=status.code, fault=f"shape: code {status.code}: {said[:300]}")


def reaches(call: Call, outcome: Outcome) -> bool:
    """Whether a handler saw the request: the guard had nothing against it."""
    if outcome.reason in _BOTH:
        return call.workspace.encode() in call.said and _passes(call)
    return outcome.reason not in _GUARDS and (not outcome.fault or _passes(call))


def _passes(call: Call) -> bool:
    parsed: Any = call.request
    try:
        if not call.plain:
            parsed = type(call.request).FromString(call.said)
        check_request(parsed)
    except (DecodeError, errors.RotaError):
        return False
    return True


def _of_the_whole(status: status_pb2.Status) -> str:
    """The reason of a refusal by the HTTP door of a body or query as a whole: it has no path."""
    info = error_details_pb2.ErrorInfo()
    known = any(detail.Unpack(info) for detail in status.details)
    of_request = info.reason in ("INVALID_REQUEST", "REQUEST_MALFORMED")
    return info.reason if known and of_request and "" in fields_of(status) else ""
