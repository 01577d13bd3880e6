"""What chat's own tools answer, and how a refusal becomes an answer."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from chat_service.tools.definition import ToolResult
from shared import errors

MAX_ISSUES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    automation: str
    display_name: str
    next_fires: list[str]
    change: Literal["created", "updated", "paused", "resumed"]
    status: Literal["saved"] = "saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    reason: str
    status: Literal["rejected"] = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    issues: list[str]
    status: Literal["invalid"] = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    message: str
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What was approved is of something that is no longer so; nothing was done."""

    message: str
    reason: Literal["conflict"] = "conflict"
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class MayHaveRun:
    """A tool's act was begun, and nobody knows how it ended; it is not begun again."""

    message: str
    reason: Literal["may_have_run"] = "may_have_run"
    status: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    automations: list[dict[str, Any]]
    more: bool  # there are others, which are not shown
    status: Literal["listed"] = "listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    automation: str
    display_name: str
    moment: str
    explanation: str
    outcome: str
    nearest: list[str]
    status: Literal["explained"] = "explained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a subagent answered."""

    subagent: str
    answer: str
    truncated: bool
    status: Literal["done"] = "done"


Outcome = (
    MayHaveRun | Saved | Declined | Invalid | Failed | Conflict | Listed | Explained | Reported
)


class Stopped(Exception):
    """Ends a tool early with its outcome."""

    def __init__(self, outcome: Invalid | Failed | Conflict) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


# what no tool answers for: the turn goes on with another model, or ends
NO_OUTCOME: Final = (
    errors.ApprovalNotGranted,
    errors.ModelRateLimited,
    errors.ModelUnavailable,
    errors.ServiceUnavailable,
)


async def outcome_of(act: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What an act came to; raises what is none."""
    try:
        return await act()
    except Stopped as exc:
        return exc.outcome
    except NO_OUTCOME:
        raise
    except errors.RotaError as exc:
        return refused(exc)


def refused(exc: errors.RotaError) -> Invalid | Failed | Conflict:
    if exc.violations:
        return Invalid(issues=issues_of(exc))
    if exc.reason == errors.EtagMismatch.reason:
        return Conflict(
            message="The automation has changed since the card was made, so nothing was done. "
            "The person may ask for it again."
        )
    return Failed(message=exc.message)


def result_of(outcome: Outcome) -> ToolResult:
    return ToolResult(
        output=asdict(outcome),
        ok=not isinstance(outcome, Invalid | Failed | Conflict | MayHaveRun),
        resource=outcome.automation if isinstance(outcome, Saved) else "",
    )


def issues_of(exc: errors.RotaError) -> list[str]:
    """A refusal's field violations, as a drafter or a person can read them."""
    return listed((v.field.removeprefix("automation."), v.description) for v in exc.violations) or [
        exc.message
    ]


def listed(found: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{field}: {what}" if field else what for field, what in found][:MAX_ISSUES]
