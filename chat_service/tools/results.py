"""The outcomes of chat's own tools, and errors as outcomes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from chat_service.tools.definition import ToolResult
from chat_service.tools.plain_words import to_plain_words
from shared import errors

MAX_ISSUES: Final = 20
EDITED: Final = "edited_by_person"
_LEFT_OUT: Final = "left_out"
# members of a result whose words are not the person's, or quote a definition
_NOT_SENT: Final = "not_sent"
_OURS: Final = ("issues", "message", "explanation", EDITED, _LEFT_OUT, _NOT_SENT)

AutomationChange = Literal[
    "created",
    "updated",
    "paused",
    "resumed",
    "skipped",
    "unskipped",
    "backfilled",
    "deleted",
    "rolled_back",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationSaved:
    automation: str  # empty when it is deleted
    display_name: str
    next_fires: list[str]
    change: AutomationChange
    left_out: list[str] = field(default_factory=list)  # what of it was not done, and why
    edited_by_person: list[Mapping[str, Any]] = field(default_factory=list)
    not_sent: list[str] = field(default_factory=list)  # to what was asked for and is not there
    status: Literal["saved"] = "saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRejected:
    """No approval was given; nothing was done."""

    reason: str
    status: Literal["rejected"] = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsInvalid:
    issues: list[str]
    status: Literal["invalid"] = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToChange:
    """The automation is as it was asked for already; nobody is asked, and nothing is done."""

    display_name: str
    message: str = "It is like that already, so there is nothing to change."
    status: Literal["unchanged"] = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    message: str
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class EtagConflict:
    """The automation has changed since the approval; nothing was done."""

    message: str
    reason: Literal["conflict"] = "conflict"
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknownResult:
    """A call started and its outcome is unknown; it does not run again."""

    message: str
    reason: Literal["may_have_run"] = "may_have_run"
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationList:
    automations: list[dict[str, Any]]
    more: bool  # others exist
    status: Literal["listed"] = "listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationList:
    destinations: list[dict[str, Any]]
    more: bool  # others exist
    status: Literal["listed"] = "listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    automation: str
    display_name: str
    moment: str
    explanation: str
    outcome: str
    nearest: list[str]
    status: Literal["explained"] = "explained"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxList:
    """Times are on the person's clock. `other_runs` are those that no item is about."""

    start: str
    end: str
    unread_in_all: int
    items: list[dict[str, Any]]
    more_items: bool
    other_runs: list[dict[str, Any]]
    more_runs: bool
    status: Literal["inbox"] = "inbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReport:
    """Where a result comes from. What is not known, or not of a run, is empty."""

    result: str
    explanation: str
    automation: str = ""
    display_name: str = ""
    schedule: str = ""
    slot: str = ""
    run_state: str = ""
    made_by: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    status: Literal["traced"] = "traced"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentReport:
    """A subagent's answer."""

    subagent: str
    answer: str
    truncated: bool
    status: Literal["done"] = "done"


ToolOutcome = (
    OutcomeUnknownResult
    | AutomationSaved
    | ActionRejected
    | ArgumentsInvalid
    | NothingToChange
    | ToolFailed
    | EtagConflict
    | AutomationList
    | DestinationList
    | SlotReport
    | InboxList
    | ResultReport
    | SubagentReport
)


class ToolStopped(Exception):
    """Ends a tool early with its outcome."""

    def __init__(
        self, outcome: ArgumentsInvalid | NothingToChange | ToolFailed | EtagConflict
    ) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


def refuse_argument(argument: str, issue: str) -> ToolStopped:
    """Returns what ends a tool whose argument can't be used, for the reason `issue`."""
    return ToolStopped(ArgumentsInvalid(issues=[f"{argument}: {issue}"]))


# Errors that are no outcome of a tool: refusals of a task, errors of a drafter's or subagent's
# model, and a peer or database that stays unreachable. They end the turn or change its model.
TURN_ERRORS: Final = (
    errors.ApprovalNotGranted,
    errors.BudgetExceeded,
    errors.CapabilityGone,
    errors.ModelRateLimited,
    errors.ModelUnavailable,
    errors.ServiceUnavailable,
)


async def capture_outcome(act: Callable[[], Awaitable[ToolOutcome]]) -> ToolOutcome:
    """Runs `act` and returns its outcome or its error as one. Raises TURN_ERRORS."""
    try:
        return await act()
    except ToolStopped as exc:
        return exc.outcome
    except TURN_ERRORS:
        raise
    except errors.RotaError as exc:
        return to_outcome(exc)


def to_outcome(exc: errors.RotaError) -> ArgumentsInvalid | ToolFailed | EtagConflict:
    if exc.violations:
        return ArgumentsInvalid(issues=issues_of(exc))
    if exc.reason == errors.EtagMismatch.reason:
        return EtagConflict(
            message="The automation has changed since the card was made, so nothing was done: "
            "ask for it again to see it as it is now."
        )
    return ToolFailed(message=exc.message)


def with_edits(result: ToolResult, edits: Sequence[Mapping[str, Any]]) -> ToolResult:
    """Returns a result that tells the model what the person changed before they approved."""
    if not edits:
        return result
    return replace(result, output={**result.output, EDITED: list(edits)})


def to_result(outcome: ToolOutcome) -> ToolResult:
    output = asdict(outcome)
    for key in (EDITED, _LEFT_OUT, _NOT_SENT):
        if not output.get(key, True):
            del output[key]
    output |= {key: to_plain_words(output[key]) for key in _OURS if key in output}
    return ToolResult(
        output=output,
        ok=not isinstance(
            outcome, ArgumentsInvalid | ToolFailed | EtagConflict | OutcomeUnknownResult
        ),
        resource=outcome.automation if isinstance(outcome, AutomationSaved) else "",
    )


def issues_of(exc: errors.RotaError) -> list[str]:
    """Returns the field violations of an error, for the drafter and for people."""
    issues = format_issues(
        (v.field.removeprefix("automation."), v.description) for v in exc.violations
    )
    more = len(exc.violations) - len(issues) + exc.more_violations
    return [*issues, f"and {more} more"] if issues and more else issues or [exc.message]


def format_issues(found: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{field}: {what}" if field else what for field, what in found][:MAX_ISSUES]
