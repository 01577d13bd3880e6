"""`rota deliveries`: what runs sent, and what became of it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from rota_client import RotaClient
from rota_client.gen.rota.automation.v1 import Delivery, DeliveryAttempt
from rota_client.names import resource_id, short_name
from rota_client.terminal.card import grid
from rota_client.terminal.commands.command import (
    Every,
    Filter,
    Json,
    Limit,
    PageToken,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import format_moment, sanitize
from rota_client.terminal.places import Places, format_place, read_places
from rota_client.terminal.tables import lines, table

app = typer.Typer(help="List what runs sent, show a delivery, and send one again.")


@app.callback(invoke_without_command=True)
def deliveries(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_(context)


@app.command("list")
def list_(
    context: typer.Context,
    of: Annotated[
        str, typer.Argument(metavar="[AUTOMATION[/RUN]]", help="Default: all automations.")
    ] = "-",
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List deliveries, newest first."""
    places: dict[str, str] = {}

    async def read_words(rota: RotaClient, found: Sequence[Delivery]) -> None:
        places.update(await read_places(rota, [one.destination for one in found]))

    print_list(
        context,
        "deliveries",
        lambda rota: rota.list_deliveries(of, filter_=filter_, page_token=page_token),
        partial(_deliveries, places=places),
        limit=limit,
        every=every,
        as_json=as_json,
        prepare=read_words,
    )


@app.command()
def show(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show a delivery: its attempts and its text."""
    print_message(run_call(context, lambda rota: rota.get_delivery(name)), _delivery, as_json)


@app.command()
def retry(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Send a failed delivery again."""
    print_message(run_call(context, lambda rota: rota.retry_delivery(name)), _delivery, as_json)


def _deliveries(found: Iterable[Delivery], places: Places) -> RenderableType:
    every = list(found)
    if not every:
        return Text("Nothing was delivered.", style="dim")
    rows = [(resource_id(d.name), d.state.name, format_moment(d.create_time)) for d in every]
    below = [
        (f"to {format_place(d.destination, places)}", f"run {_run(d.name)}", d.subject, d.error)
        for d in every
    ]
    return Group(*lines(("Delivery", "State", "Made"), rows, below))


def _run(name: str) -> str:
    return resource_id(name.partition("/deliveries/")[0])


def _delivery(one: Delivery) -> RenderableType:
    facts = [
        ("Delivery", resource_id(one.name)),
        ("Of", f"run {_run(one.name)}"),
        ("To", short_name(one.destination)),
        ("State", one.state.name),
        ("Error", one.error),
        ("Next", format_moment(one.next_attempt_time)),
        ("Subject", one.subject),
    ]
    parts: list[RenderableType] = [grid([row for row in facts if row[1]])]
    if one.attempts:
        parts.append(
            table(("Attempt", "Began", "Took", "Answer"), map(_attempt, one.attempts), none="")
        )
    if one.body:
        parts += [Text(), Text(sanitize(one.body))]
    return Group(*parts)


def _attempt(one: DeliveryAttempt) -> tuple[str, str, str, str]:
    took = "" if one.duration is None else f"{one.duration.total_seconds():.1f} s"
    answer = " ".join(
        filter(None, (str(one.status_code or ""), one.error or ("sent" if took else "")))
    )
    return str(one.attempt), format_moment(one.start_time), took, answer
