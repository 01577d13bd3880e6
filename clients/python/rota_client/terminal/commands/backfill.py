"""The command that runs slots afterwards."""

from datetime import datetime
from typing import Annotated

import typer

from rota_client import RotaClient, RotaError
from rota_client.gen.rota.automation.v1 import (
    BackfillSlotsRequestOverlap,
    BackfillSlotsResponse,
)
from rota_client.names import slot_name
from rota_client.terminal import tables
from rota_client.terminal.commands.automations import Name, find_trigger, parse_moment_option
from rota_client.terminal.commands.command import Json, print_message, run_call
from rota_client.terminal.formatting import sanitize


def backfill(
    context: typer.Context,
    name: Name,
    slot: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME|SLOT", help="A slot, by its time or its name. Repeatable."),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Only slots from this time on.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Only slots before this time.")
    ] = "",
    trigger: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Only slots of this trigger. Required if there are several."
        ),
    ] = "",
    beside: Annotated[
        bool,
        typer.Option("--beside", help="All at once, not one after another (concurrency always)."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be run, and run nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Run slots that have no run: missed, rejected or skipped ones, each with its own time."""
    if not slot and not (start and end):
        raise typer.BadParameter("name slots with --slot, or give --from and --to")
    if slot and (start or end):
        raise typer.BadParameter("--slot goes without --from and --to")
    within = None
    if not slot:
        within = (parse_moment_option(start, "--from"), parse_moment_option(end, "--to"))
    moments = {
        given: parse_moment_option(given, "--slot") for given in slot or [] if "/" not in given
    }
    overlap = BackfillSlotsRequestOverlap.ALWAYS if beside else BackfillSlotsRequestOverlap.QUEUE

    async def look(rota: RotaClient) -> BackfillSlotsResponse:
        if within is None:
            names = [await _find_slot(rota, name, trigger, one, moments) for one in slot or []]
            return await rota.backfill_slots(name, names, overlap=overlap, validate_only=True)
        first, last = within
        return await rota.backfill_slots(
            name, start=first, end=last, trigger=trigger, overlap=overlap, validate_only=True
        )

    found = run_call(context, look)
    if dry_run or not found.slots:
        print_message(found, tables.backfills, as_json)
        return
    if not yes:
        typer.echo(", ".join(sanitize(tables.slot_time(one)) for one in found.slots), err=True)
        many = "this slot" if len(found.slots) == 1 else f"these {len(found.slots)} slots"
        typer.confirm(f"Run {many} now?", abort=True, err=True)
    # What was shown is what runs: a range may have other slots by now.
    chosen = [one.name for one in found.slots]
    made = run_call(context, lambda rota: rota.backfill_slots(name, chosen, overlap=overlap))
    made.left_out = found.left_out
    print_message(made, tables.backfills, as_json)


async def _find_slot(
    rota: RotaClient, name: str, trigger: str, given: str, moments: dict[str, datetime]
) -> str:
    """Returns the whole name of a slot that is given by its time or its name."""
    if given not in moments:
        return slot_name(rota.workspace, given)
    of = f"{name}/{trigger}" if trigger else await find_trigger(rota, name)
    found = await rota.explain_slot(of, moments[given])
    if found.slot is None:
        raise RotaError(f"{given}: {found.explanation}")
    return found.slot.name
