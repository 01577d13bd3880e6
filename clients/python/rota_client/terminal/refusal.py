"""Why a request was refused, in the words of its card and of the command's options."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from rota_client import errors, json_format
from rota_client.gen.rota.chat.v1 import Approval, Decision
from rota_client.terminal.field import format_field, format_words

_DECISION: Final = re.compile(r"(?:decision|decisions\[(\d+)\])(?:\.|$)")
_PAYLOAD: Final = re.compile(r"edit\.payload(?:\.|(?=\[)|$)")
# Paths of a payload in a description.
_PLACE: Final = re.compile(r"\bdefinition(?:\.[a-z_]+|\[\d+\])+|\bdisplay_name\b")
# What a person gave that became a field of a request.
_OPTIONS: Final[Mapping[str, str]] = {
    "config.at": "--at",
    "config.cron": "--cron",
    "config.every": "--every",
    "config.every.anchor": "--from",
    "config.excluded_dates": "--except",
    "config.timezone": "--zone",
    "count": "--count",
    "end_time": "--to",
    "message": "The message",
    "model_config.api_key": "The key",
    "model_config.base_url": "--base-url",
    "model_config.context_tokens": "--context-tokens",
    "model_config.display_name": "--name",
    "model_config.image_support": "--images",
    "model_config.model": "--model",
    "model_config_id": "--model",
    "names": "ITEM",
    "note": "--note",
    "page_size": "--limit",
    "page_token": "--page-token",
    "filter": "--filter",
    "parent": "--workspace",
    "resume_time": "--until",
    "revision": "N",
    "slots": "--slot",
    "start_time": "--from",
    "time": "TIME",
    "time_zone": "--zone",
    "webhook.event_types": "--event",
    "webhook.uri": "HTTPS-ADDRESS",
}
_LATE: Final = "NEVER_FIRES"
_TOO_LATE: Final = (
    "it would never fire any more: reject it, or edit its card in `rota chat` or on the page"
)


class CardRefused(errors.InvalidArgument):
    """A decision is invalid. Its violations name rows of the card.

    `approvals` are the names of those whose decisions are at fault; none: the request is.
    """

    approvals: frozenset[str] = frozenset()


def format_refusal(error: errors.RotaError) -> list[str]:
    """The lines that say why: each violation once, at what a person gave, and how many more."""
    labels = (
        error.violations if isinstance(error, CardRefused) else map(_label_option, error.violations)
    )
    faults = [f"{one.field}: {one.description}".removeprefix(": ") for one in labels]
    # the message of a service is its first violation, with the path of the field
    if not any(one.description in error.message for one in error.violations):
        return [error.message, *faults, *_format_more(error)]
    count = len(faults) + error.more_violations
    return faults if count == 1 else [f"{count} values are invalid", *faults, *_format_more(error)]


def _format_more(error: errors.RotaError) -> list[str]:
    return [f"and {error.more_violations} more"] if error.more_violations else []


def _label_option(violation: errors.Violation) -> errors.Violation:
    parts = re.split(r"(?=[.\[])", violation.field)
    names = ("".join(parts[:end]) for end in range(len(parts), 0, -1))
    option = next((_OPTIONS[name] for name in names if name in _OPTIONS), None)
    return replace(violation, field=option or format_words(violation.field))


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
            several = len(decisions) > 1
            labelled = _label_decision(violation, path[found.end() :], decision, approvals, several)
            late = late or (violation.reason == _LATE and decision.edit is None)
        else:
            labelled = _label_option(violation)
        violations.append(labelled)
    made = CardRefused(
        _TOO_LATE if late else refused.message,
        reason=refused.reason,
        metadata=refused.metadata,
        violations=violations,
        retry_after=refused.retry_after,
    )
    made.approvals = frozenset(at_fault)
    return made


def _label_decision(
    violation: errors.Violation,
    path: str,
    decision: Decision,
    approvals: Mapping[str, Approval],
    several: bool,
) -> errors.Violation:
    approval = approvals.get(decision.approval, Approval())
    edited = decision.edit.payload if decision.edit is not None else None
    payload = json_format.struct_to_dict(edited or approval.payload)
    found = _PAYLOAD.match(path)
    field = format_field(path[found.end() :], payload) if found else format_words(path)
    return replace(
        violation,
        field=f"{approval.summary}: {field}" if several and approval.summary else field,
        description=_PLACE.sub(
            lambda place: format_field(place[0], payload), violation.description
        ),
    )
