"""Schedules that meant either of two kinds of days still do, now that a field of * leaves them.

`0 9 */2 * MON` fired on odd days and on Mondays. A field that starts with * now leaves the days
to the other, so what is stored becomes `0 9 1-31/2 * MON`, which means either under both rules.
"""

import json
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_READ: Final = {
    "automations": sa.text(
        "select id, definition::text from automation.automations"
        " where definition->>'triggers' like '%*/%'"
    ),
    "automation_revisions": sa.text(
        "select automation_id, revision, definition::text from automation.automation_revisions"
        " where definition->>'triggers' like '%*/%'"
    ),
}
_WRITE: Final = {
    "automations": sa.text(
        "update automation.automations set definition = cast(:definition as jsonb),"
        " version = version + 1 where id = :id"
    ),
    "automation_revisions": sa.text(
        "update automation.automation_revisions set definition = cast(:definition as jsonb)"
        " where automation_id = :automation_id and revision = :revision"
    ),
}
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def upgrade() -> None:
    connection = op.get_bind()
    for table, read in _READ.items():
        for row in connection.execute(read).mappings().all():
            definition = json.loads(row["definition"])
            if _rewrite(definition):
                connection.execute(_WRITE[table], {**row, "definition": json.dumps(definition)})


def downgrade() -> None:
    """Nothing: what was rewritten means the same before."""


def _rewrite(definition: dict[str, Any]) -> bool:
    """Whether a schedule of the definition was rewritten."""
    changed = False
    for trigger in definition["triggers"]:
        config = trigger.get("config") or {}
        expression = config.get("cron") if isinstance(config, dict) else None
        if isinstance(expression, str) and (kept := keep_either(expression)) != expression:
            config["cron"], changed = kept, True
    return changed


def keep_either(expression: str) -> str:
    """The expression that names what this one named before."""
    fields = expression.split()
    if len(fields) != 5 or "#" in fields[4]:
        return expression
    day, weekday = ("*" if "*" in field.split(",") else field for field in (fields[2], fields[4]))
    if not (day.startswith("*") or weekday.startswith("*")) or "*" in (day, weekday):
        return expression
    # all values were read as *, if there was a * in the other field
    if "*" in day and {value % 7 for value in _values(weekday, 0, 6)} == set(range(7)):
        return expression
    if "*" in weekday and _values(day, 1, 31) == set(range(1, 32)):
        return expression
    fields[2] = day.replace("*", "1-31", 1) if day.startswith("*") else day
    fields[4] = weekday.replace("*", "0-7", 1) if weekday.startswith("*") else weekday
    return " ".join(fields)


def _values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first == "L":
            continue
        start = low if first == "*" else _number(first)
        end = high if first == "*" or (step and not last) else _number(last or first)
        found |= set(range(start, (end if end >= start else 7) + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return _WEEKDAYS.index(text) if text in _WEEKDAYS else int(text)
