"""The time, zone and workspace of a turn, for prompts."""

from datetime import timedelta

from chat_service.runtime.ports import RuntimeContext
from shared.clock import rfc3339
from shared.schedule import zones


def prompt_values(context: RuntimeContext) -> dict[str, str]:
    here = context.now.astimezone(zones.load(context.time_zone))
    return {
        "now_utc": rfc3339(context.now.replace(microsecond=0)),
        "now_person": here.isoformat(timespec="seconds"),
        "time_zone": context.time_zone,
        "workspace": context.workspace,
    }


def yesterday_at_9(context: RuntimeContext) -> str:
    """Returns the moment as RFC 3339, on the person's clock."""
    here = context.now.astimezone(zones.load(context.time_zone)) - timedelta(days=1)
    return here.replace(hour=9, minute=0, second=0, microsecond=0).isoformat()


def prompt_header(context: RuntimeContext) -> str:
    known = prompt_values(context)
    lines = [
        f"Now (UTC): {known['now_utc']}",
        f"Now (person): {known['now_person']}",
        f"Person's time zone: {known['time_zone']}",
        f"Workspace: {known['workspace']}",
    ]
    if context.locale:
        lines.append(f"Person's locale: {context.locale}")
    return "\n".join(lines)
