"""What the agent knows of its turn: who, where, when and the limits of a task."""

from datetime import datetime

from chat_service.runtime.ports import Mention, RuntimeContext, TaskLimits
from chat_service.turns.segment import Segment
from shared import errors
from shared.schedule import zones


def build_context(segment: Segment, now: datetime) -> RuntimeContext:
    turn = segment.turn
    return RuntimeContext(
        workspace=turn.workspace_id,
        user=turn.requested_by,
        turn=turn.id,
        turn_name=segment.turn_name,
        now=now,
        time_zone=turn.time_zone,
        time_zone_assumed=turn.time_zone_assumed,
        locale=turn.locale,
        request_id=turn.request_id or "",
        mentions=tuple(
            Mention(name=each["name"], title=each["display_name"]) for each in turn.mentions or ()
        ),
    )


def task_limits(segment: Segment) -> TaskLimits | None:
    """The limits of an unattended task; None for a chat."""
    task = segment.turn.task
    if task is None:
        return None
    return TaskLimits(
        tools=tuple(task["tools"]),
        output_schema=task["output_schema"],
        budget_micros=task["budget_micros"] or None,
        auto_approve=task["auto_approve"],
    )


def resolve_time_zone(asked: str, of_token: str) -> tuple[str, bool]:
    """The person's time zone, and whether it is assumed."""
    if asked and asked not in zones.all_names():
        raise errors.invalid("time_zone", f"{asked!r} is no IANA time zone")
    if asked:
        return asked, False
    if of_token in zones.all_names():
        return of_token, False
    return "UTC", True
