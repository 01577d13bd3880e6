"""Lists and single resources, as tables that fit 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rota_client import json_format
from rota_client.errors import RotaError
from rota_client.gen.rota.automation.v1 import (
    Automation,
    AutomationState,
    BackfillSlotsResponse,
    Delivery,
    ExplainSlotResponse,
    PreviewScheduleResponse,
    Revision,
    RevisionDecision,
    Run,
    Slot,
    SlotBackfill,
    StepResult,
    Trigger,
)
from rota_client.gen.rota.chat.v1 import (
    Approval,
    FeatureTest,
    ModelConfig,
    ModelConfigImageSupport,
    RequestSettings,
    TestModelConfigResponse,
    Thread,
)
from rota_client.names import resource_id, short_name
from rota_client.terminal.card import grid
from rota_client.terminal.definition import Row, definition_rows
from rota_client.terminal.formatting import (
    format_cost,
    format_moment,
    format_offset,
    format_span,
    format_value,
    format_wall_clock,
    sanitize,
)
from rota_client.terminal.places import Places, format_place

# Characters of a note in a list.
_LISTED: Final = 100


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, none: str) -> RenderableType:
    """Folds lines and never truncates; the id in the first column stays on one line for copying.
    Shows `none` instead of an empty table."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        made.add_row(*(Text(sanitize(cell)) for cell in row))
    return made if made.row_count else Text(none, style="dim")


def threads(found: Iterable[Thread]) -> RenderableType:
    rows = [
        (resource_id(t.name), t.display_name, format_moment(t.update_time or t.create_time))
        for t in found
    ]
    return table(("Thread", "Title", "Changed"), rows, none="There are no threads.")


def approvals(found: Iterable[Approval]) -> RenderableType:
    rows = [(resource_id(a.name), a.state.name, a.summary) for a in found]
    return table(("Approval", "State", "What"), rows, none="No approval waits.")


def models(found: Iterable[ModelConfig]) -> RenderableType:
    rows = [
        (
            str(m.id),
            m.display_name,
            m.model,
            _reads(m),
            f"{m.context_tokens:,}" if m.context_tokens else "",
            "yours" if m.own else _paid(m),
        )
        for m in found
    ]
    columns = ("Id", "Name", "Model", "Reads", "Holds", "Whose")
    return table(columns, rows, none="There are no models.")


def model(one: ModelConfig) -> RenderableType:
    rows = [
        ("Name", f"{one.display_name} ({one.id})"),
        ("Model", one.model),
        ("Reads", _reads(one)),
        ("Holds", f"{one.context_tokens:,} tokens" if one.context_tokens else "not known"),
        ("Whose", "yours" if one.own else _paid(one)),
    ]
    if one.own:
        rows.append(("Served at", one.base_url))
        rows.append(("Key", f"…{one.key_hint}" if one.key_hint else "no hint"))
    if one.settings is not None:
        rows.append(("Settings", _json(one.settings)))
    if one.extra_header_names:
        rows.append(("Headers", ", ".join(one.extra_header_names)))
    return grid(rows)


def model_test(found: TestModelConfigResponse, *, saved: bool) -> RenderableType:
    rows = [
        (
            one.feature,
            one.outcome.name.lower().replace("_", " "),
            f"{one.limit:,} tokens" if one.limit else _cause(one),
        )
        for one in found.features
    ]
    paths = found.changes.paths if found.changes else []
    said = [f"{name} = {_setting(found.suggested, name)}" for name in paths]
    what = "Saved" if saved else "Settings that fit, with --save"
    fits = "; ".join(said) if said else "nothing to change"
    used = found.usage
    cost = "" if used is None else f"{used.model_calls} calls, {used.output_tokens} tokens written"
    return Group(
        table(("Feature", "Found", ""), rows, none=""),
        Text(f"{what}: {fits}" if said else fits),
        Text(cost, style="dim"),
    )


_NAMED: Final = ("status", "code", "parameter")


def _cause(one: FeatureTest) -> str:
    told = one.metadata  # a map, whose entries come in no order
    named = ", ".join(f"{name} {told[name]}" for name in _NAMED if told.get(name))
    return f"{one.detail} ({named})" if one.detail and named else one.detail or named


def _setting(one: ModelConfig | None, name: str) -> str:
    if one is None:
        return ""
    match name:
        case "settings":
            return "{}" if one.settings is None else _json(one.settings)
        case "image_support":
            return _reads(one)
    return str(getattr(one, name))


def _json(settings: RequestSettings) -> str:
    return json_format.to_json(settings, indent=None)


def _reads(one: ModelConfig) -> str:
    match one.image_support:
        case ModelConfigImageSupport.IMAGES:
            return "text, images"
        case ModelConfigImageSupport.TEXT_ONLY:
            return "text"
    return "text, perhaps images"


def _paid(one: ModelConfig) -> str:
    return "the service's, premium" if one.premium else "the service's"


def automations(found: Iterable[Automation]) -> RenderableType:
    every = list(found)
    rows = [
        (resource_id(a.name), a.display_name, _clip(_state(a)), format_moment(_next_fire(a)))
        for a in every
    ]
    columns = ("Automation", "Name", "State", "Next")
    listed = table(columns, rows, none="There are no automations.")
    notes = [
        Text(f"{resource_id(a.name)}: {sanitize(a.notes[0])}", style="dim")
        for a in every
        if a.notes
    ]
    return Group(listed, *notes) if notes else listed


def automation(one: Automation, goes_to: Sequence[str] = ()) -> RenderableType:
    """`goes_to` has the words for where its results go."""
    return grid(_automation_rows(one, goes_to))


def runs(found: Iterable[Run]) -> RenderableType:
    """One table per automation, in the order of their newest runs."""
    newest_first = list(found)
    order = list(dict.fromkeys(_parent(run.name) for run in newest_first))
    grouped = groupby(
        sorted(newest_first, key=lambda r: order.index(_parent(r.name))), lambda r: _parent(r.name)
    )
    parts: list[RenderableType] = []
    for parent, its in grouped:
        listed = list(its)
        title = next((r.automation_display_name for r in listed if r.automation_display_name), "")
        called = f": {sanitize(title)}" if title else ""
        parts.append(Text(f"{short_name(parent)}{called}", style="bold"))
        parts.extend(_run_lines(listed))
    return Group(*parts) if parts else Text("There are no runs.", style="dim")


def _run_lines(found: Sequence[Run]) -> Iterator[Text]:
    """A line of each run that an id is copied from, then one of what it cost and gave."""
    rows = [
        (resource_id(r.name), _run_state(r), format_moment(r.slot_time), _took(r)) for r in found
    ]
    below = [(_arrival(one), _cost(one), one.output_snippet) for one in found]
    return lines(("Run", "State", "Slot", "Took"), rows, below)


def lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], below: Iterable[Sequence[str]]
) -> Iterator[Text]:
    """A line of each row that an id is copied from, then one of what else there is to say."""
    every = [columns, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*every, strict=True)]
    head, *listed = (
        "  ".join(sanitize(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in every
    )
    yield Text(head.rstrip(), style="dim")
    for line, more in zip(listed, below, strict=True):
        yield Text(line.rstrip())
        if said := " · ".join(filter(None, more)):
            yield Text(f"  {sanitize(said)}")


def _arrival(one: Run) -> str:
    """What of its results has not arrived; empty for none."""
    counts = ((one.failed_delivery_count, "failed"), (one.retrying_delivery_count, "tried again"))
    return ", ".join(
        f"{count} {'delivery' if count == 1 else 'deliveries'} {word}"
        for count, word in counts
        if count
    )


def _took(one: Run) -> str:
    if one.start_time is None or one.end_time is None:
        return ""
    return format_span(one.end_time - one.start_time)


def _cost(one: Run) -> str:
    return format_cost(one.usage.cost_micros) if one.usage is not None else ""


def run(one: Run, sent: Sequence[Delivery] = (), places: Places | None = None) -> RenderableType:
    """`sent` is what the run delivered, newest first, and `places` the words for where to."""
    return grid(_run_rows(one, sent, places or {}))


def slots(found: Iterable[Slot]) -> RenderableType:
    rows = [
        (
            format_wall_clock(s.local_time),
            s.outcome.name,
            " ".join(
                part for part in (s.reason or resource_id(s.run), _backfilled(s.backfill)) if part
            ),
        )
        for s in found
    ]
    return table(("Slot", "Outcome", "Run or reason"), rows, none="No slot has come yet.")


def backfills(found: BackfillSlotsResponse) -> RenderableType:
    """The slots that are run or would be, and how many others are not."""
    rows = [
        (slot_time(s), s.outcome.name, resource_id(s.backfill.run) if s.backfill else "")
        for s in found.slots
    ]
    left_out = [
        Text(f"{one.count} not run: {one.cause.name}", style="dim") for one in found.left_out
    ]
    listed = table(("Slot", "Outcome", "Run"), rows, none="No slot can be run.")
    return Group(listed, *left_out)


def slot_time(one: Slot) -> str:
    """The time of a slot on the wall clock of its schedule."""
    return format_wall_clock(one.local_time)


def _backfilled(one: SlotBackfill | None) -> str:
    if one is None:
        return ""
    state = one.run_state.name if one.run_state else "no longer kept"
    return f"Backfill {resource_id(one.run)}: {state}" if one.run else f"Backfill: {state}"


def preview(found: PreviewScheduleResponse) -> RenderableType:
    rows = [
        (
            format_wall_clock(s.local_time),
            format_offset(s.utc_offset),
            " ".join(part for part in (s.dst_note, "(skipped)" if s.skipped else "") if part),
        )
        for s in found.slots
    ]
    notes = [Text(sanitize(note), style="dim") for note in found.notes]
    listed = table(("Fires", "Offset", "Clock changes"), rows, none="It never fires.")
    return Group(Text(sanitize(found.summary), style="bold"), listed, *notes)


def explanation(found: ExplainSlotResponse) -> RenderableType:
    """The explanation, then the ledger's row, or the slots near a moment that is no slot."""
    parts: list[RenderableType] = [Text(sanitize(found.explanation), style="bold")]
    if found.slot is not None:
        parts.append(grid(_slot_rows(found.slot)))
    if found.nearest_slots:
        rows = [
            (format_wall_clock(s.local_time), format_offset(s.utc_offset))
            for s in found.nearest_slots
        ]
        parts.append(table(("Nearest", "Offset"), rows, none=""))
    return Group(*parts)


def revisions(found: Iterable[Revision]) -> RenderableType:
    rows = [
        (
            str(r.revision),
            format_moment(r.create_time),
            resource_id(r.author),
            _approved_by(r.decision),
        )
        for r in found
    ]
    return table(("Revision", "Made", "By", "Approved by"), rows, none="There are no revisions.")


def revision(one: Revision) -> RenderableType:
    return grid(_revision_rows(one))


def _approved_by(decision: RevisionDecision | None) -> str:
    if decision is None:
        return ""
    return resource_id(decision.approver) + (", edited" if decision.edited else "")


def _revision_rows(one: Revision) -> Iterator[Row]:
    yield "Revision", f"{one.revision} of {short_name(one.name.partition('/revisions/')[0])}"
    yield "Made", format_moment(one.create_time)
    yield "By", sanitize(resource_id(one.author)) or "a person who was deleted"
    if one.decision is None:
        yield "Approval", "none: it was saved directly"
    else:
        yield from _decision_rows(one.decision)
    if one.definition is not None:
        yield from definition_rows(json_format.to_dict(one.definition))


def _decision_rows(one: RevisionDecision) -> Iterator[Row]:
    yield "Approval", sanitize(short_name(one.approval))
    yield "Asked by", sanitize(resource_id(one.requester))
    edited = ", edited before it was approved" if one.edited else ""
    yield "Approved by", sanitize(resource_id(one.approver)) + edited
    yield "Decided", format_moment(one.decide_time)
    yield "Digest", sanitize(one.payload_digest)


def _slot_rows(one: Slot) -> Iterator[Row]:
    yield "Slot", format_wall_clock(one.local_time)
    yield "Outcome", one.outcome.name
    if one.fire_time is not None and one.fire_time != one.slot_time:
        yield "Ran at", format_moment(one.fire_time)
    if one.run:
        yield "Run", resource_id(one.run)
    if one.backfill is not None:
        yield "Afterwards", _backfilled(one.backfill)
    if one.decide_time is not None:
        yield "Decided", format_moment(one.decide_time)


def _automation_rows(one: Automation, goes_to: Sequence[str]) -> Iterator[Row]:
    yield "Automation", short_name(one.name)
    yield "Name", sanitize(one.display_name)
    if one.description:
        yield "What", sanitize(one.description)
    yield "State", f"{sanitize(_state(one))} (revision {one.revision})"
    if one.state != AutomationState.ARCHIVED:
        for trigger in one.triggers:
            paused = one.state == AutomationState.PAUSED and one.resume_time is None
            yield "Next", _trigger_line(trigger, paused=paused)
        again = f"; `rota unskip {short_name(one.name)}` takes the earliest back"
        for trigger in one.triggers:
            for slot in trigger.skipped_slots:
                why = f": {sanitize(slot.note)}" if slot.note else ""
                by = f"by {sanitize(resource_id(slot.user))}{why}"
                when = f"{format_wall_clock(slot.local_time)} {_zone(trigger)}".rstrip()
                yield "Skipped", f"{sanitize(trigger.trigger_id)}: {when} {by}{again}"
                again = ""
    if one.last_run_state:
        yield "Last run", one.last_run_state.name
    if goes_to:
        yield "Goes to", "\n".join(sanitize(place) for place in goes_to)
    if one.notes:
        yield "Note", "\n".join(sanitize(note) for note in one.notes)
    if one.definition is not None:
        yield from definition_rows(json_format.to_dict(one.definition))


def _state(one: Automation) -> str:
    """`PAUSED until 2026-11-30 09:00 CET: away`"""
    until = f" until {format_moment(one.resume_time)}" if one.resume_time else ""
    note = f": {one.pause_note}" if one.pause_note else ""
    return f"{one.state.name}{until}{note}"


def _clip(text: str) -> str:
    return text if len(text) <= _LISTED else f"{text[: _LISTED - 1]}…"


def _zone(trigger: Trigger) -> str:
    """The zone that the schedule names; empty for none."""
    zone = json_format.struct_to_dict(trigger.config).get("timezone", "")
    return sanitize(zone) if isinstance(zone, str) else ""


def _next(trigger: Trigger) -> str:
    """When it fires next, in the zone of its schedule where this machine knows that."""
    if trigger.next_fire_time is None:
        return "never: what is left is skipped" if trigger.skipped_slots else "never"
    try:
        here = trigger.next_fire_time.astimezone(ZoneInfo(_zone(trigger)))
    except (ValueError, OSError, OverflowError):
        return format_moment(trigger.next_fire_time)
    return f"{here:%a %Y-%m-%d %H:%M} {_zone(trigger)}"


def _trigger_line(trigger: Trigger, *, paused: bool) -> str:
    when = _next(trigger)
    if paused:
        when = f"paused; would be {when}" if trigger.next_fire_time is not None else "paused"
    since = format_moment(trigger.disable_time)
    off = f"off since {since}: " if since else ""
    why = f" ({off}{sanitize(trigger.disabled_reason)})" if trigger.disabled_reason else ""
    return f"{sanitize(trigger.trigger_id)}: {when}{why}"


def _run_rows(one: Run, sent: Sequence[Delivery], places: Places) -> Iterator[Row]:
    yield "Run", resource_id(one.name)
    yield "Of", short_name(_parent(one.name))
    yield "State", _run_state(one)
    for name, time in (
        ("Slot", one.slot_time),
        ("Began", one.start_time),
        ("Ended", one.end_time),
    ):
        if time is not None:
            yield name, format_moment(time)
    for name, text in (("Took", _took(one)), ("Cost", _cost(one))):
        if text:
            yield name, text
    for step in one.step_results:
        yield "Step", "\n".join(_step_lines(step))
    for delivery in reversed(sent):
        to = sanitize(format_place(delivery.destination, places))
        why = f": {sanitize(delivery.error)}" if delivery.error else ""
        yield "Delivered", f"{to}: {delivery.state.name}{why} ({resource_id(delivery.name)})"
    if one.error is not None:
        yield "Error", _error_line(RotaError.of(one.error))
    if one.output is not None:
        yield "Output", _output(json_format.to_dict(one)["output"])


def _run_state(one: Run) -> str:
    return f"{one.state.name} (backfill)" if one.backfill else one.state.name


def _step_lines(step: StepResult) -> Iterator[str]:
    tries = f" after {step.attempts} tries" if step.attempts > 1 else ""
    yield f"{sanitize(step.step_id)} ({sanitize(step.action)}): {step.status.name}{tries}"
    if step.error is not None:
        yield f"  {_error_line(RotaError.of(step.error))}"
    for note in step.notes:
        yield f"  {sanitize(note)}"


def _error_line(error: RotaError) -> str:
    return sanitize(f"{error.message} ({error.reason})" if error.reason else error.message)


def _output(said: object) -> str:
    """Text as it is; what an agent step gave as its text, anything else as JSON."""
    match said:
        case {"text": str(text), **rest} if not rest:
            return sanitize(text)
        case _:
            return format_value(said)


def _next_fire(one: Automation) -> datetime | None:
    stopped = one.state == AutomationState.PAUSED and one.resume_time is None
    if stopped or one.state == AutomationState.ARCHIVED:
        return None
    return min((t.next_fire_time for t in one.triggers if t.next_fire_time), default=None)


def _parent(name: str) -> str:
    return name.partition("/runs/")[0]
