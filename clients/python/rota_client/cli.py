"""The `rota` command."""

from typing import Annotated

import typer

from rota_client import decisions
from rota_client.terminal import automations as acts
from rota_client.terminal import models, tables, webhook
from rota_client.terminal.card import card
from rota_client.terminal.command import Given, Json, Limit, answer, connected, listed, shown
from rota_client.terminal.talk import Talk, converse
from rota_client.terminal.unattended import Decide, decide_one, decider, print_frame, say_once
from rota_client.zone import machine_zone

app = typer.Typer(
    help="Talk with Rota, decide what it asks, and see what runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    context: typer.Context,
    gateway: Annotated[
        str, typer.Option(help="host:port or URL. Else ROTA_GATEWAY, else ready.json.")
    ] = "",
    token: Annotated[str, typer.Option(help="Bearer token. Else ROTA_TOKEN.")] = "",
    workspace: Annotated[str, typer.Option(help="Else ROTA_WORKSPACE.")] = "",
) -> None:
    context.obj = Given(gateway=gateway, token=token, workspace=workspace)


@app.command()
def chat(
    context: typer.Context,
    thread: Annotated[str, typer.Option(help="Go on in this thread.")] = "-",
    message: Annotated[str, typer.Option(help="Say this one thing and end.")] = "",
    approve: Annotated[
        bool, typer.Option("--approve", help="With --message: approve whatever it asks for.")
    ] = False,
    reject: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="With --message: reject whatever it asks for."),
    ] = None,
    zone: Annotated[str, typer.Option(help="Your IANA time zone. Else the machine's.")] = "",
    model: Annotated[
        int, typer.Option(help="Id of a model, as `rota models` lists it. Else the service picks.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --message: print each frame, a line of JSON.")
    ] = False,
) -> None:
    """Talk; without --message until /quit."""
    if not message and (approve or reject is not None or as_json):
        raise typer.BadParameter("--approve, --reject and --json go with --message")
    if approve and reject is not None:
        raise typer.BadParameter("--approve or --reject, not both")
    with connected(context.obj) as desk:
        tell = print_frame if as_json else desk.screen.tell
        talk = Talk(
            desk.runner,
            desk.rota,
            desk.screen,
            thread=thread,
            zone=_zone(zone),
            tell=tell,
            model=model,
        )
        if message:
            say_once(talk, desk, message, decider(approve, reject), as_json=as_json)
        else:
            converse(talk, desk.screen)


@app.command()
def approvals(
    context: typer.Context,
    all_states: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List the approvals that wait."""
    found = answer(context, lambda r: r.list_approvals(pending_only=not all_states, limit=limit))
    listed("approvals", found, tables.approvals, as_json)


@app.command()
def approval(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show the card of an approval."""
    shown(answer(context, lambda rota: rota.get_approval(name)), card, as_json)


@app.command()
def approve(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Approve what the card shows, and see how the turn goes on."""
    _decide(context, name, decisions.approve, as_json)


@app.command()
def reject(
    context: typer.Context,
    name: str,
    reason: Annotated[str, typer.Option(help="Why, for the agent and for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Reject it, and see how the turn goes on."""
    _decide(context, name, lambda shown: decisions.reject(shown, reason), as_json)


@app.command()
def automations(context: typer.Context, limit: Limit = 50, as_json: Json = False) -> None:
    """List the automations."""
    found = answer(context, lambda rota: rota.list_automations(limit=limit))
    listed("automations", found, tables.automations, as_json)


@app.command()
def automation(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show an automation: what it does and when it fires."""
    shown(answer(context, lambda rota: rota.get_automation(name)), tables.automation, as_json)


@app.command()
def runs(
    context: typer.Context,
    automation: Annotated[str, typer.Argument(help="Without it: of all automations.")] = "-",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    found = answer(context, lambda rota: rota.list_runs(automation, limit=limit))
    listed("runs", found, tables.runs, as_json)


@app.command()
def run(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show a run: its steps and its output."""
    shown(answer(context, lambda rota: rota.get_run(name)), tables.run, as_json)


@app.command()
def slots(
    context: typer.Context, automation: str, limit: Limit = 50, as_json: Json = False
) -> None:
    """List what became of each slot of an automation."""
    found = answer(context, lambda rota: rota.list_slots(automation, limit=limit))
    listed("slots", found, tables.slots, as_json)


@app.command()
def preview(
    context: typer.Context,
    cron: Annotated[str, typer.Option(help="Five fields: minute hour day month weekday.")],
    zone: Annotated[str, typer.Option(help="IANA time zone. Else the machine's.")] = "",
    count: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: Json = False,
) -> None:
    """Say when a schedule would fire."""
    where = _zone(zone) or "UTC"
    found = answer(context, lambda rota: rota.preview_schedule(cron, where, count=count))
    shown(found, tables.preview, as_json)


app.add_typer(models.app, name="models")
app.add_typer(webhook.app, name="webhook")
for act in acts.COMMANDS:
    app.command()(act)


def _zone(given: str) -> str:
    return given or machine_zone()


def _decide(context: typer.Context, name: str, decide: Decide, as_json: bool) -> None:
    with connected(context.obj) as desk:
        talk = Talk(desk.runner, desk.rota, desk.screen, thread="-", zone="", tell=desk.screen.tell)
        decide_one(talk, desk, name, decide, as_json=as_json)
