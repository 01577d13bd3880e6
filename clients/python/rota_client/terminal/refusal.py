"""Why a decision was refused, in the words of its card."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from rota_client import errors, json_format
from rota_client.gen.rota.chat.v1 import Approval, Decision
from rota_client.terminal.field import format_field, format_words

_DECISION: Final = re.compile(r"(?:decision|decisions\[(\d+)\])(?:\.|$)")
_PAYLOAD: Final = re.compile(r"edit\.payload(?:\.|$)")
_LATE: Final = "never_fires"
_TOO_LATE: Final = "it would never fire by now: edit it or reject it"


class CardRefused(errors.InvalidArgument):
    """A decision is invalid. Its violations name rows of the card.

    `approvals` are the names of those whose decisions are at fault; none: the request is.
    """

    approvals: frozenset[str] = frozenset()


@contextmanager
def label_fields(
    approvals: Mapping[str, Approval], decisions: Sequence[Decision]
) -> Iterator[None]:
    """Raises CardRefused for InvalidArgument of a call with these decisions of approvals."""
    try:
        yield
    except errors.InvalidArgument as exc:
        raise _label(exc, approvals, decisions) from exc


def _label(
    refused: errors.InvalidArgument,
    approvals: Mapping[str, Approval],
    decisions: Sequence[Decision],
) -> CardRefused:
    at_fault: set[str] = set()
    violations: list[errors.Violation] = []
    late = False
    for violation in refused.violations:
        path = violation.field
        if found := _DECISION.match(path):
            decision = decisions[int(found[1] or 0)]
            at_fault.add(decision.approval)
            path = _format_path(
                path[found.end() :], decision, approvals, several=len(decisions) > 1
            )
            late = late or (violation.reason == _LATE and decision.edit is None)
        else:
            path = format_words(path)
        violations.append(replace(violation, field=path))
    made = CardRefused(
        _TOO_LATE if late else refused.message,
        reason=refused.reason,
        metadata=refused.metadata,
        violations=violations,
        retry_after=refused.retry_after,
    )
    made.approvals = frozenset(at_fault)
    return made


def _format_path(
    path: str, decision: Decision, approvals: Mapping[str, Approval], *, several: bool
) -> str:
    approval = approvals.get(decision.approval, Approval())
    edited = decision.edit.payload if decision.edit is not None else None
    payload = json_format.struct_to_dict(edited or approval.payload)
    found = _PAYLOAD.match(path)
    field = format_field(path[found.end() :], payload) if found else format_words(path)
    return f"{approval.summary}: {field}" if several and approval.summary else field
