"""What a row of the table is: a call, and what is promised of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.rpc import error_details_pb2, status_pb2

from shared.errors import FieldReason
from tests.contract.stage import Stage

ROOT: Final = Path(__file__).resolve().parents[2]
DOMAIN: Final = "rota.dev"
CODES: Final = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`make` gives the request; `wants` is the reason it is refused with, empty for an answer.

    `shows` says whether an answer is right. `fields` are the violations of an invalid request.
    """

    method: str
    make: Callable[[Stage], Any]
    wants: str = ""
    fields: tuple[str, ...] = ()
    shows: Callable[[Any], bool] | None = None

    def __str__(self) -> str:
        fields = "-" + "+".join(self.fields) if self.fields else ""
        return f"{self.method}-{self.wants or 'OK'}{fields}"


def ok(method: str, make: Callable[[Stage], Any], shows: Callable[[Any], bool]) -> Row:
    return Row(method=method, make=make, shows=shows)


def refused(method: str, wants: str, make: Callable[[Stage], Any], *fields: str) -> Row:
    return Row(method=method, make=make, wants=wants, fields=fields)


def again(method: str, make: Callable[[Stage], Any], other: Callable[[Any], object]) -> Row:
    """A request_id that was used before with another body; `other` changes the request."""

    def used(stage: Stage) -> Any:
        request = make(stage)
        stage.call(method, request)
        other(request)
        return request

    return Row(method=method, make=used, wants="REQUEST_ID_REUSED")


def _codes_by_comment() -> dict[str, int]:
    """The code of each reason, as the comment on it says."""
    text = (ROOT / "proto/rota/errors/v1/errors.proto").read_text()
    comments = re.findall(r"// ([A-Z_]+)\. (?:[^\n]*\n  //)*[^\n]*\n  ([A-Z_]+) = \d+;", text)
    return {reason: CODES[code] for code, reason in comments}


CODE_OF: Final = _codes_by_comment()


def reason_of(status: status_pb2.Status) -> str:
    """The reason of a status that has the shape every error has; else a failed test."""
    info = error_details_pb2.ErrorInfo()
    infos = [detail for detail in status.details if detail.Is(info.DESCRIPTOR)]
    assert len(infos) == 1, f"one ErrorInfo: {status}"
    infos[0].Unpack(info)
    assert info.domain == DOMAIN
    assert status.code == CODE_OF[info.reason], f"{info.reason} with code {status.code}"
    assert status.message, f"{info.reason} without a message"
    paths = fields_of(status)
    assert bool(paths) == (info.reason == "INVALID_REQUEST"), status
    assert all(paths), status
    assert {reason for _, reason in violations_of(status)} <= set(FieldReason), status
    return str(info.reason)


def fields_of(status: status_pb2.Status) -> list[str]:
    return [field for field, _ in violations_of(status)]


def violations_of(status: status_pb2.Status) -> list[tuple[str, str]]:
    """The field and the reason of each violation."""
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(bad):
            return [(one.field, one.reason) for one in bad.field_violations]
    return []
