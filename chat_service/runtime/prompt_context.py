"""The time, zone and workspace of a turn, for prompts."""

from datetime import UTC

from chat_service.runtime.ports import RuntimeContext
from shared.schedule import zones


def prompt_values(context: RuntimeContext) -> dict[str, str]:
    here = context.now.astimezone(zones.load(context.time_zone))
    return {
        "now_utc": context.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "now_person": here.isoformat(timespec="seconds"),
        "time_zone": context.time_zone,
        "workspace": context.workspace,
    }


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
