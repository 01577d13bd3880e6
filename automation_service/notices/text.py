"""What a notice says: plain text, since names and errors in it may be anybody's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox.notices import Notice
from shared.registries.actions.deliver import MAX_SUBJECT
from shared.schedule.description import describe_moment
from shared.text.snippet import cut_line


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    subject: str
    body: str


def describe(notice: Notice, *, zone: str) -> NoticeText:
    """Returns what a notice says, with times of a zone."""
    return _TEXTS[notice.kind](notice, zone)


def _approval_waiting(notice: Notice, zone: str) -> NoticeText:
    summary = notice.facts.get("summary") or "An action"
    until = (
        "" if notice.expire_time is None else f" until {describe_moment(notice.expire_time, zone)}"
    )
    return NoticeText(
        subject=cut_line(f"Waits for your approval: {summary}", MAX_SUBJECT),
        body=f"{summary}\nThis waits for your approval{until}.",
    )


def _run_failed(notice: Notice, zone: str) -> NoticeText:
    name, error = notice.facts["name"], notice.facts["error"]
    what = "timed out" if notice.facts["state"] == "TIMED_OUT" else "failed"
    slot = describe_moment(datetime.fromisoformat(notice.facts["slot_time"]), zone)
    why = f": {error}" if error else "."
    if notice.count == 1:
        return NoticeText(
            subject=cut_line(f"{name} {what}", MAX_SUBJECT),
            body=f"The run of {name} of {slot} {what}{why}",
        )
    since = describe_moment(notice.first_time, zone)
    return NoticeText(
        subject=cut_line(f"{name} failed {notice.count} times", MAX_SUBJECT),
        body=f"{notice.count} runs of {name} failed since {since}.\n"
        f"The last, of {slot}, {what}{why}",
    )


def _automation_paused(notice: Notice, zone: str) -> NoticeText:
    name, failures = notice.facts["name"], notice.facts["failures"]
    return NoticeText(
        subject=cut_line(f"{name} is paused", MAX_SUBJECT),
        body=f"{name} is paused, because {failures} of its runs in a row failed."
        " It runs again when somebody resumes it.",
    )


def _automation_resumed(notice: Notice, zone: str) -> NoticeText:
    name = notice.facts["name"]
    ended = describe_moment(datetime.fromisoformat(notice.facts["resume_time"]), zone)
    return NoticeText(
        subject=cut_line(f"{name} runs again", MAX_SUBJECT),
        body=f"{name} runs again. Its pause ended at its time, {ended}.",
    )


def _trigger_disabled(notice: Notice, zone: str) -> NoticeText:
    name, trigger, reason = (notice.facts[fact] for fact in ("name", "trigger", "reason"))
    return NoticeText(
        subject=cut_line(f"A trigger of {name} is disabled", MAX_SUBJECT),
        body=f"The trigger {trigger} of {name} is disabled and starts no run. {reason}",
    )


def _destination_paused(notice: Notice, zone: str) -> NoticeText:
    name, place, reason = (notice.facts[fact] for fact in ("name", "place", "reason"))
    segment = notice.resource_name.rpartition("/")[2]
    return NoticeText(
        subject=cut_line(f"The destination {name} is paused", MAX_SUBJECT),
        body=f"The destination {name} ({place}) is paused: {reason}\n"
        "What comes meanwhile is kept. Test it and enable it under Destinations, or by"
        f" `rota destinations enable {segment}`.",
    )


def _delivery_failed(notice: Notice, zone: str) -> NoticeText:
    name, place, error = (notice.facts[fact] for fact in ("name", "place", "error"))
    return NoticeText(
        subject=cut_line(f"A result of {name} did not arrive", MAX_SUBJECT),
        body=f"A result of {name} did not reach {place}: {error.rstrip('.')}.\n"
        "It is kept with its run, where it can be sent again. You get no further notice of this"
        " until a result has arrived there.",
    )


_TEXTS: Final[dict[NoticeKind, Callable[[Notice, str], NoticeText]]] = {
    NoticeKind.APPROVAL_WAITING: _approval_waiting,
    NoticeKind.RUN_FAILED: _run_failed,
    NoticeKind.AUTOMATION_PAUSED: _automation_paused,
    NoticeKind.DESTINATION_PAUSED: _destination_paused,
    NoticeKind.DELIVERY_FAILED: _delivery_failed,
    NoticeKind.AUTOMATION_RESUMED: _automation_resumed,
    NoticeKind.TRIGGER_DISABLED: _trigger_disabled,
}
