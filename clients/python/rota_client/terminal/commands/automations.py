"""The commands that change, explain and watch automations and runs."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from rota_client import RotaClient, RotaError, json_format
from rota_client.gen.rota.automation.v1 import (
    Automation,
    ExplainSlotResponse,
    PlannedSlot,
    RunEvent,
    RunState,
    SkippedSlot,
    Trigger,
)
from rota_client.names import complete_name, resource_id, short_name, trigger_name
from rota_client.terminal import tables
from rota_client.terminal.commands.command import (
    MAX_INT32,
    CommandContext,
    Every,
    Json,
    Limit,
    PageToken,
    connect,
    print_json,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import sanitize
from rota_client.terminal.run_events import RunLines
from rota_client.terminal.screen import Screen

Name = Annotated[str, typer.Argument(metavar="AUTOMATION")]
RevisionNumber = Annotated[int, typer.Argument(metavar="N", min=1, max=MAX_INT32)]


class BadMoment(Exception):
    """A text is no time; the message is for a person."""


def explain(
    context: typer.Context,
    of: Annotated[str, typer.Argument(metavar="TRIGGER|AUTOMATION")],
    time: Annotated[
        str, typer.Argument(help="RFC 3339; without an offset it is in this machine's zone.")
    ],
    as_json: Json = False,
) -> None:
    """Explain a moment: why it fired, or why it did not."""
    moment = parse_moment_option(time, "TIME")

    async def ask(rota: RotaClient) -> ExplainSlotResponse:
        return await rota.explain_slot(await find_trigger(rota, of), moment)

    print_message(run_call(context, ask), tables.explanation, as_json)


def parse_moment(text: str) -> datetime:
    """Parses a time into UTC; one without an offset is in this machine's zone.

    Raises BadMoment, also if its year in UTC is not from 1 to 9999.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        tomorrow = datetime.now() + timedelta(days=1)  # noqa: DTZ005 - the clock of this machine
        raise BadMoment(f"{text!r} is not a time such as {tomorrow:%Y-%m-%d}T09:00") from None


def parse_moment_option(text: str, option: str) -> datetime:
    """The same for an option, which the refusal names. Raises BadParameter."""
    try:
        return parse_moment(text)
    except BadMoment as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc


def watch(context: typer.Context, run: str, as_json: Json = False) -> None:
    """Watch a run until it ends; exit with 1 unless it succeeds."""
    with connect(context.obj) as command:
        state = command.run(_follow(command, run, as_json))
    if state is not None and state != RunState.SUCCEEDED:
        raise typer.Exit(1)


def pause(
    context: typer.Context,
    name: Name,
    note: Annotated[str, typer.Option(help="Why, for whoever finds it paused.")] = "",
    until: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="When it goes on by itself: RFC 3339; without an offset in this machine's zone.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Pause an automation; its slots are recorded as skipped.

    A pause of a paused one replaces its note, and when it ends.
    """
    resume_time = parse_moment_option(until, "--until") if until else None
    found = run_call(
        context, lambda rota: rota.pause_automation(name, note=note, resume_time=resume_time)
    )
    print_message(found, tables.automation, as_json)


def skip(
    context: typer.Context,
    of: Annotated[str, typer.Argument(metavar="AUTOMATION|TRIGGER")],
    note: Annotated[str, typer.Option(help="Why; the ledger holds it.")] = "",
    as_json: Json = False,
) -> None:
    """Skip the next slot of an automation, or of one trigger. It is no fire."""

    async def skip_next(rota: RotaClient) -> tuple[Automation, Trigger, PlannedSlot]:
        found, chosen = await _automation_and_trigger(rota, of)
        trigger, slot = _next_slot(found, chosen)
        skipped = await rota.skip_next_slot(
            found.name, trigger=trigger.name, slot_time=slot.slot_time, note=note
        )
        return skipped, trigger, slot

    found, trigger, slot = run_call(context, skip_next)
    when = f"{sanitize(slot.local_time)} of {sanitize(trigger.trigger_id)}"
    Screen().warn(f"skipped: {when}; `rota unskip` takes it back until then")
    print_message(found, tables.automation, as_json)


def unskip(
    context: typer.Context,
    of: Annotated[str, typer.Argument(metavar="AUTOMATION|TRIGGER")],
    slot: Annotated[
        str,
        typer.Argument(
            metavar="[SLOT]",
            help="Its local time, such as 2026-11-23T09:00; the earliest that is skipped if empty.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Take a skip back, before the time of its slot."""

    async def take_back(rota: RotaClient) -> Automation:
        found, chosen = await _automation_and_trigger(rota, of)
        trigger, skipped = _skipped_slot(found, chosen, slot)
        if skipped.slot_time is None:
            raise RotaError("the slot has no time")
        return await rota.unskip_slot(found.name, trigger=trigger.name, slot_time=skipped.slot_time)

    print_message(run_call(context, take_back), tables.automation, as_json)


def resume(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Resume a paused automation."""
    print_message(
        run_call(context, lambda r: r.resume_automation(name)), tables.automation, as_json
    )


def archive(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Archive an automation permanently: it stays readable and never fires again."""
    print_message(
        run_call(context, lambda r: r.archive_automation(name)), tables.automation, as_json
    )


def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete an automation permanently, with triggers, slots, runs and revisions."""
    if not yes:
        found = run_call(context, lambda rota: rota.get_automation(name))
        what = sanitize(f"{found.display_name} ({short_name(found.name)})")
        typer.confirm(f"Delete {what} with all its runs, for good?", abort=True, err=True)
    run_call(context, lambda rota: rota.delete_automation(name))
    if as_json:
        print_json({})
    else:
        typer.echo("Deleted.")


def cancel(context: typer.Context, run: str, as_json: Json = False) -> None:
    """Cancel a run: at once if it waits, within seconds if it runs."""
    print_message(run_call(context, lambda rota: rota.cancel_run(run)), tables.run, as_json)


def revisions(
    context: typer.Context,
    name: Name,
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List the revisions of an automation, newest first."""
    print_list(
        context,
        "revisions",
        lambda rota: rota.list_revisions(name, page_token=page_token),
        tables.revisions,
        limit=limit,
        every=every,
        as_json=as_json,
    )


def revision(
    context: typer.Context, name: Name, number: RevisionNumber, as_json: Json = False
) -> None:
    """Show revision N: its definition, and who asked for it and approved it."""
    found = run_call(context, lambda rota: rota.get_revision(name, number))
    print_message(found, tables.revision, as_json)


def rollback(
    context: typer.Context, name: Name, revision: RevisionNumber, as_json: Json = False
) -> None:
    """Make the definition of revision N current again, as a new revision."""

    async def roll_back(rota: RotaClient) -> tuple[int, Automation]:
        was = await rota.get_automation(name)
        return was.revision, await rota.rollback_automation(name, revision)

    was, found = run_call(context, roll_back)
    if found.revision == was:
        Screen().warn(f"nothing changed: revision {was} is current and has the same definition")
    print_message(found, tables.automation, as_json)


COMMANDS = (
    explain,
    watch,
    pause,
    skip,
    unskip,
    resume,
    archive,
    delete,
    cancel,
    revisions,
    revision,
    rollback,
)


async def _follow(command: CommandContext, run: str, as_json: bool) -> RunState | None:
    """Returns the final state of the run; None when the stream had no more events."""
    state, lines = None, RunLines()
    try:
        name = await command.rota.find_run(run)
        async with aclosing(command.rota.watch_run(name)) as events:
            async for event in events:
                _tell(command, event, lines, as_json)
                if event.ended is not None:
                    state = event.ended.state
    except asyncio.CancelledError:
        command.screen.note("it goes on without you")
        raise
    return state


def _tell(command: CommandContext, event: RunEvent, lines: RunLines, as_json: bool) -> None:
    if as_json:
        print_json(json_format.to_dict(event), indent=None)
    elif said := lines.format(event):
        command.screen.show(said)


async def _automation_and_trigger(rota: RotaClient, given: str) -> tuple[Automation, str]:
    """Reads an automation. The id is that of the trigger that was given, or empty."""
    name, trigger_id = given, ""
    if _names_trigger(given):
        name, _, trigger_id = trigger_name(rota.workspace, given).partition("/triggers/")
    found = await rota.get_automation(name)
    if trigger_id and all(one.trigger_id != trigger_id for one in found.triggers):
        raise RotaError(f"{short_name(found.name)} has no trigger {trigger_id!r}")
    return found, trigger_id


def _names_trigger(given: str) -> bool:
    one_slash = given.count("/") == 1 and not given.startswith("automations/")
    return "/triggers/" in given or one_slash


def _chosen(found: Automation, trigger_id: str) -> list[Trigger]:
    return [one for one in found.triggers if trigger_id in ("", one.trigger_id)]


def _next_slot(found: Automation, trigger_id: str) -> tuple[Trigger, PlannedSlot]:
    """Finds the slot that was next when the automation was read; the service looks again."""
    coming = [
        (slot.fire_time, trigger, slot)
        for trigger in _chosen(found, trigger_id)
        if (slot := trigger.next_slot) is not None and slot.fire_time is not None
    ]
    if not coming:
        raise RotaError(f"{short_name(found.name)} has no slot left that would fire")
    _, trigger, slot = min(coming, key=lambda one: one[0])
    return trigger, slot


def _skipped_slot(
    found: Automation, trigger_id: str, local_time: str
) -> tuple[Trigger, SkippedSlot]:
    skipped = sorted(
        (
            (slot.local_time, trigger, slot)
            for trigger in _chosen(found, trigger_id)
            for slot in trigger.skipped_slots
            if slot.local_time.startswith(local_time)
        ),
        key=lambda one: one[0],
    )
    if not skipped:
        which = f" at {local_time}" if local_time else ""
        raise RotaError(f"{short_name(found.name)} has no skipped slot{which}")
    _, trigger, slot = skipped[0]
    return trigger, slot


async def find_trigger(rota: RotaClient, given: str) -> str:
    """Returns a trigger's name; that of an automation stands for its only trigger.

    Raises RotaError when it has none or several.
    """
    if _names_trigger(given):
        return given
    name = complete_name(rota.workspace, "automations", given)
    triggers = (await rota.get_automation(name)).triggers
    if len(triggers) == 1:
        return triggers[0].name
    which = ", ".join(f"{resource_id(name)}/{t.trigger_id}" for t in triggers) or "it has none"
    raise RotaError(f"{short_name(name)}: name one of its triggers: {which}")
