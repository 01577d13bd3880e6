"""The card of an approval: everything a person needs to decide."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rota_client import json_format
from rota_client.gen.rota.chat.v1 import Approval, ApprovalState, Preview, PreviewSlot
from rota_client.names import resource_id, short_name
from rota_client.terminal.definition import (
    Plain,
    Row,
    call_places,
    definition_rows,
    plain_rows,
    unshown_rows,
)
from rota_client.terminal.field import format_field
from rota_client.terminal.formatting import (
    format_label,
    format_moment,
    format_offset,
    format_value,
    format_wall_clock,
    sanitize,
)

_AUTOMATION: Final = "automation_create"
_QUESTION: Final = "question"
_WHEN_SENT: Final = {
    "always": "every time",
    "changed": "only when it changes",
    "when_not_empty": "only when there is something in it",
}


def card(approval: Approval, *, now: datetime | None = None) -> RenderableType:
    """`now` is the machine's time if left out."""
    pending = approval.state == ApprovalState.PENDING
    title = "Approval wanted" if pending else f"Approval {approval.state.name.lower()}"
    return Panel(
        grid(rows(approval, now=now)),
        title=title,
        subtitle=Text(short_name(approval.name)),
        border_style="yellow" if pending else "dim",
        padding=(1, 2),
    )


def grid(found: Iterable[Row]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="dim", width=12)
    table.add_column(ratio=1, overflow="fold")
    for name, text in found:
        table.add_row(Text(name), Text(text))
    return table


def rows(approval: Approval, *, now: datetime | None = None) -> list[Row]:
    payload = json_format.struct_to_dict(approval.edited_payload or approval.payload)
    places = _places(approval)
    shown = list(_payload_rows(approval, payload, now or datetime.now(UTC), places))
    return [
        *shown,
        *unshown_rows(payload, shown, places),
        *_delivery_rows(approval),
        *_context_rows(approval),
        *_ending_rows(approval),
    ]


def _payload_rows(
    approval: Approval, payload: Plain, now: datetime, places: Mapping[str, str]
) -> Iterator[Row]:
    if approval.action_type == _AUTOMATION:
        yield from _automation_rows(approval, payload, now, places)
        return
    yield "What", sanitize(approval.summary)
    yield "Kind", sanitize(approval.action_type)
    context = json_format.struct_to_dict(approval.context)
    if approval.action_type == _QUESTION and approval.payload_schema is not None:
        yield "Fields", _fields(json_format.struct_to_dict(approval.payload_schema))
    changed = context.get("difference")
    if isinstance(changed, list) and approval.edited_payload is None:
        differences = [
            _difference(one, payload, places) for one in changed if isinstance(one, dict)
        ]
        yield "Differs", "\n".join(differences)
    if "difference" in context and isinstance(payload.get("definition"), dict):
        yield from _automation_rows(approval, payload, now, places, preview=False)
    else:
        yield "With", sanitize(json_format.dump_json(payload, ordered=True))
    match context.get("fires"):
        case {"before": {"summary": str(was)}} if was:
            yield "Was", sanitize(was)
    if approval.preview is not None and approval.preview.slots:
        yield from _preview_rows(approval, approval.preview, now)


def _fields(schema: Plain) -> str:
    """Returns what an answer may hold, a line for each field."""
    required = schema.get("required", [])
    return (
        "\n".join(
            _field_line(name, field, required=name in required)
            for name, field in schema.get("properties", {}).items()
        )
        or "none: approve to say yes, or reject"
    )


def _field_line(name: str, field: Plain, *, required: bool) -> str:
    rules = {key: said for key, said in field.items() if key not in ("description", "default")}
    said = [f"{format_label(key)} {format_value(rule)}" for key, rule in rules.items()]
    about = f": {format_value(field['description'])}" if field.get("description") else ""
    return f"{sanitize(name)} ({', '.join([*said, *(['required'] if required else [])])}){about}"


def _automation_rows(
    approval: Approval,
    payload: Plain,
    now: datetime,
    places: Mapping[str, str],
    *,
    preview: bool = True,
) -> Iterator[Row]:
    definition = payload.get("definition", {})
    name = payload.get("display_name") or definition.get("name", "")
    yield "Name", format_value(name)
    if payload.get("description"):
        yield "What", format_value(payload["description"])
    if preview and approval.preview is not None and approval.edited_payload is None:
        yield from _preview_rows(approval, approval.preview, now)
    yield from definition_rows(definition, places)
    if definition.get("name", name) != name:
        yield "Its name", format_value(definition["name"])
    yield from plain_rows(payload, without=("display_name", "description", "definition"))


def _difference(one: dict[str, Any], payload: Plain, places: Mapping[str, str]) -> str:
    path = str(one.get("path", ""))
    field = format_field(path, payload)
    if path.endswith(".config.to") and (moved := list(_moves(one))):
        return f"{field}: {'; '.join(moved)}"
    words = _WHEN_SENT if path.endswith(".config.only") else {}
    unsaid = words.get("always", "nothing")
    before, after = (
        format_value(words.get(one[side]) or call_places(one[side], places))
        if side in one
        else unsaid
        for side in ("before", "after")
    )
    return f"{field}: {before} → {after}"


def _moves(change: Plain) -> Iterator[str]:
    """Where a step delivers to from now on, and where no longer."""
    for side, said in (("added", "also to"), ("removed", "no longer to")):
        found = change.get(side)
        for one in found if isinstance(found, list) else ():
            if isinstance(one, dict):
                yield f"{said} {_delivery_line(one)}"


def _preview_rows(approval: Approval, preview: Preview, now: datetime) -> Iterator[Row]:
    if preview.summary:
        yield "When", sanitize(preview.summary)
    if preview.time_zone_assumed:
        zones = ", ".join(sorted({slot.time_zone for slot in preview.slots}))
        yield (
            "Zone",
            sanitize(f"assumed, nobody named one: {zones}".rstrip(": ")),
        )
    # what is decided shows the times that were next then
    late = now if approval.state == ApprovalState.PENDING else None
    slots = [line for slot in preview.slots for line in _slot_lines(slot, late)]
    yield _slots_row(approval, slots)
    if preview.notes:
        yield "Note", "\n".join(sanitize(note) for note in preview.notes)


def _slots_row(approval: Approval, slots: Sequence[str]) -> Row:
    """The slots of a preview, named after what its change makes of them."""
    if approval.action_type == "automation_pause":
        return "Won't run", "\n".join(slots) or "none of its times comes before then"
    if approval.action_type == "automation_skip":
        return "After that", "\n".join(slots) or "as its schedule says"
    if approval.action_type == "automation_unskip":
        return "Runs then", "\n".join(slots) or "none of its times is left"
    if approval.action_type == "automation_delete":
        return "Won't run", "\n".join(slots) or "none of its times comes anyway"
    return "Next", "\n".join(slots) or "never"


def _slot_lines(slot: PreviewSlot, now: datetime | None) -> Iterator[str]:
    zone = f"{slot.time_zone} ({format_offset(slot.utc_offset)})"
    passed = now is not None and slot.fire_time is not None and slot.fire_time <= now
    said = ", which has passed" if passed else ""
    yield f"{format_wall_clock(slot.local_time)}  {sanitize(zone)}{said}"
    if slot.dst_note:
        yield f"  {sanitize(slot.dst_note)}"


def _places(approval: Approval) -> dict[str, str]:
    """Returns what the destinations of the plan are called, by name, as the rows above say."""
    match json_format.struct_to_dict(approval.context).get("consequences"):
        case {"deliveries": list(found)}:
            here = approval.turn.partition("/turns/")[0]
            return dict(_place(one, here) for one in found if isinstance(one, dict))
    return {}


def _place(one: Plain, here: str) -> tuple[str, str]:
    name = str(one.get("destination", ""))
    called = str(one.get("display_name") or name)
    is_titled = one.get("kind") == "thread" and name != here
    return name, f"the conversation “{called}”" if is_titled else called


def _delivery_rows(approval: Approval) -> Iterator[Row]:
    """Where the result goes: a line for each destination, which two steps may share."""
    match json_format.struct_to_dict(approval.context).get("consequences"):
        case {"deliveries": list(found)}:
            lines = [_delivery_line(one) for one in found if isinstance(one, dict)]
            yield (
                "Goes to",
                "\n".join(dict.fromkeys(lines)) or "nowhere: it is read in the run only",
            )


def _delivery_line(one: Plain) -> str:
    name = format_value(one.get("display_name") or one.get("destination", ""))
    about = [format_value(one[key]) for key in ("kind", "host") if one.get(key)]
    return f"{name} ({', '.join(about)})" if about else name


def _context_rows(approval: Approval) -> Iterator[Row]:
    context = json_format.struct_to_dict(approval.context)
    consequences = context.pop("consequences", {})
    if isinstance(consequences, dict):
        consequences.pop("deliveries", None)  # among the rows above
    if (
        context.get("warnings")
        and isinstance(consequences, dict)
        and not consequences.get("warnings")
    ):
        consequences.pop("warnings", None)
    for told in ("difference", "fires"):  # among the rows above
        context.pop(told, None)
    for key, said in sorted(context.items()):
        yield format_label(key).capitalize(), format_value(said)
    if isinstance(consequences, dict):
        lines = [f"{format_label(k)}: {format_value(v)}" for k, v in sorted(consequences.items())]
    else:
        lines = [format_value(consequences)]
    if approval.requested_by:
        lines.append(f"It runs on behalf of {sanitize(resource_id(approval.requested_by))}.")
    if lines:
        yield "What follows", "\n".join(lines)


def _ending_rows(approval: Approval) -> Iterator[Row]:
    if approval.state == ApprovalState.PENDING:
        yield "Expires", format_moment(approval.expire_time)
        return
    yield (
        "Decided",
        f"{format_moment(approval.decide_time)} {sanitize(approval.decided_by)}",
    )
    if approval.edited_payload is not None:
        yield "", "edited before it was approved"
    if approval.reason:
        yield "Reason", sanitize(approval.reason)
    if approval.resource:
        yield "Made", short_name(sanitize(approval.resource))
