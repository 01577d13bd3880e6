"""The commands that change, explain and watch automations and runs."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer

from rota_client import RotaClient, RotaError, json_format
from rota_client.gen.rota.automation.v1 import (
    Automation,
    ExplainSlotResponse,
    RunEvent,
    RunState,
)
from rota_client.names import complete_name, resource_id, short_name
from rota_client.terminal import tables
from rota_client.terminal.command import (
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
    try:
        moment = parse_moment(time)
    except BadMoment as exc:
        raise typer.BadParameter(str(exc)) from exc

    async def ask(rota: RotaClient) -> ExplainSlotResponse:
        return await rota.explain_slot(await find_trigger(rota, of), moment)

    print_message(run_call(context, ask), tables.explanation, as_json)


def parse_moment(text: str) -> datetime:
    """Parses a time into UTC; one without an offset is in this machine's zone.

    Raises BadMoment, also for a time of no year that there is in UTC.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadMoment(f"{text!r} is no time like 2026-11-23T09:00") from None


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
    as_json: Json = False,
) -> None:
    """Pause an automation; its slots are recorded as skipped."""
    found = run_call(context, lambda rota: rota.pause_automation(name, note=note))
    print_message(found, tables.automation, as_json)


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


async def find_trigger(rota: RotaClient, given: str) -> str:
    """Returns a trigger's name; that of an automation stands for its only trigger.

    Raises RotaError when it has none or several.
    """
    if "/triggers/" in given or (given.count("/") == 1 and not given.startswith("automations/")):
        return given
    name = complete_name(rota.workspace, "automations", given)
    triggers = (await rota.get_automation(name)).triggers
    if len(triggers) == 1:
        return triggers[0].name
    which = ", ".join(f"{resource_id(name)}/{t.trigger_id}" for t in triggers) or "it has none"
    raise RotaError(f"{short_name(name)}: name one of its triggers: {which}")
