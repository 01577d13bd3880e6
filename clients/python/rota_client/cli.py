"""The `rota` command."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from rota_client import RotaClient, decisions, json_format
from rota_client.gen.rota.automation.v1 import Automation, Delivery, Run
from rota_client.terminal import tables
from rota_client.terminal.card import card
from rota_client.terminal.commands import automations as acts
from rota_client.terminal.commands import (
    deliveries,
    destinations,
    inbox,
    models,
    notices,
    webhook,
)
from rota_client.terminal.commands.backfill import backfill
from rota_client.terminal.commands.chat import Chat, run_chat
from rota_client.terminal.commands.command import (
    MAX_INT64,
    Every,
    Filter,
    GlobalOptions,
    Json,
    Limit,
    PageToken,
    connect,
    print_json,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.commands.non_interactive import (
    Decide,
    choose_decision,
    decide_approval,
    print_frame,
    send_message,
)
from rota_client.terminal.commands.schedule import build_schedule
from rota_client.terminal.places import Places, format_place, list_targets, read_places
from rota_client.terminal.transcript import print_transcript
from rota_client.time_zone import machine_zone

# Of one run.
_MAX_DELIVERIES: Final = 50
# Words that people try in place of a command, and the commands that do it.
_SPOKEN = {
    "list": ("automations",),
    "ls": ("automations",),
    "show": ("automation", "approval", "run"),
    "get": ("automation", "approval", "run"),
    "describe": ("automation",),
    "create": ("chat",),
    "mail": ("inbox",),
    "new": ("chat",),
    "add": ("chat",),
    "ask": ("chat",),
    "change": ("chat",),
    "edit": ("chat",),
    "history": ("runs", "slots"),
    "logs": ("runs", "run"),
    "log": ("runs", "run"),
    "next": ("preview",),
    "schedule": ("preview", "chat"),
    "why": ("explain",),
    "stop": ("pause", "cancel"),
    "disable": ("pause",),
    "enable": ("resume",),
    "unpause": ("resume",),
    "start": ("resume",),
    "remove": ("delete",),
    "rm": ("delete",),
    "undo": ("rollback",),
    "rerun": ("backfill",),
    "follow": ("watch",),
    "notifications": ("inbox",),
    "pending": ("approvals",),
    "results": ("inbox", "runs"),
    "unread": ("inbox",),
}


class _Commands(TyperGroup):
    """Names the commands that a word may mean; of a misspelt command the base class does."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        meant = _SPOKEN.get(args[0], ()) if args[0] not in self.commands else ()
        if meant:
            named = " or ".join(f"`rota {name}`" for name in meant)
            ctx.fail(f"No such command {args[0]!r}. Did you mean {named}?")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Chat with Rota, decide approvals, and watch runs.",
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
    context.obj = GlobalOptions(gateway=gateway, token=token, workspace=workspace)


@app.command()
def chat(
    context: typer.Context,
    thread: Annotated[str, typer.Option(help="Continue this thread.")] = "-",
    message: Annotated[str | None, typer.Option(help="Send one message and exit.")] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="With --message: approve everything.")
    ] = False,
    reject: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="With --message: reject everything."),
    ] = None,
    zone: Annotated[str, typer.Option(help="Your IANA time zone. Else the machine's.")] = "",
    model: Annotated[
        int,
        typer.Option(
            help="Id of a model, as `rota models` lists it. Else the service picks.",
            max=MAX_INT64,
        ),
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --message: print each frame as a line of JSON.")
    ] = False,
) -> None:
    """Chat until /quit, or send one --message."""
    if message is not None and not message.strip():
        raise typer.BadParameter("--message has no text")
    if message is None and (approve or reject is not None or as_json):
        raise typer.BadParameter("--approve, --reject and --json go with --message")
    if approve and reject is not None:
        raise typer.BadParameter("--approve or --reject, not both")
    with connect(context.obj) as command:
        on_frame = print_frame if as_json else command.screen.show_frame
        chat = Chat(
            command.runner,
            command.rota,
            command.screen,
            thread=thread,
            zone=_zone(zone),
            on_frame=on_frame,
            model=model,
        )
        if message is not None:
            send_message(chat, command, message, choose_decision(approve, reject), as_json=as_json)
        else:
            run_chat(chat, command.screen)


@app.command()
def threads(
    context: typer.Context,
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List the threads, newest first."""
    print_list(
        context,
        "threads",
        lambda rota: rota.list_threads(page_token=page_token),
        tables.threads,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def approvals(
    context: typer.Context,
    decided: Annotated[
        bool, typer.Option("--decided", help="Include those that are decided.")
    ] = False,
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List pending approvals."""
    print_list(
        context,
        "approvals",
        lambda rota: rota.list_approvals(pending_only=not decided, page_token=page_token),
        tables.approvals,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def approval(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show the card of an approval."""
    print_message(run_call(context, lambda rota: rota.get_approval(name)), card, as_json)


@app.command()
def approve(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Approve an approval and watch its turn."""
    _decide(context, name, decisions.approve, as_json)


@app.command()
def reject(
    context: typer.Context,
    name: str,
    reason: Annotated[str, typer.Option(help="Why, for the agent and for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Reject an approval and watch its turn."""
    _decide(context, name, lambda shown: decisions.reject(shown, reason), as_json)


@app.command()
def automations(
    context: typer.Context,
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List the automations."""
    print_list(
        context,
        "automations",
        lambda rota: rota.list_automations(filter_=filter_, page_token=page_token),
        tables.automations,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def automation(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show an automation: what it does, when it fires and where its results go."""
    if as_json:
        found = run_call(context, lambda rota: _get_automation(rota, name))
        print_message(found, tables.automation, as_json)
        return
    shown, goes_to = run_call(context, lambda rota: _read_automation(rota, name))
    print_message(shown, partial(tables.automation, goes_to=goes_to), as_json)


async def _get_automation(rota: RotaClient, given: str) -> Automation:
    return await rota.get_automation(await rota.find_automation(given))


async def _read_automation(rota: RotaClient, name: str) -> tuple[Automation, Sequence[str]]:
    """Reads an automation, and the words for where its results go."""
    found = await _get_automation(rota, name)
    if found.definition is None:
        return found, []
    names = list_targets(json_format.to_dict(found.definition))
    places = await read_places(rota, names)
    return found, [format_place(one, places) for one in names]


@app.command()
def runs(
    context: typer.Context,
    automation: Annotated[str, typer.Argument(help="Default: all automations.")] = "-",
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    automation = run_call(context, lambda rota: rota.find_automation(automation))
    print_list(
        context,
        "runs",
        lambda rota: rota.list_runs(automation, filter_=filter_, page_token=page_token),
        tables.runs,
        limit=limit,
        every=every,
        as_json=as_json,
    )


async def _read_run(rota: RotaClient, name: str) -> tuple[Run, Sequence[Delivery], Places]:
    """Reads a run, what it delivered, and the words for where to."""
    found = await rota.get_run(name)
    if all(step.action != "deliver" for step in found.step_results):
        return found, [], {}
    sent = (await rota.list_deliveries(found.name).take(_MAX_DELIVERIES)).items
    return found, sent, await read_places(rota, [one.destination for one in sent])


@app.command()
def run(
    context: typer.Context,
    name: str,
    transcript: Annotated[
        bool,
        typer.Option(
            "--transcript",
            help="What its agents were asked, thought, did and said; of a run that goes on, as it"
            " happens. With --json a line for each turn, message and frame.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a run: its steps and its output, or the transcript of its agents."""
    if not transcript:
        if as_json:
            print_message(run_call(context, lambda rota: rota.get_run(name)), tables.run, as_json)
        else:
            shown, sent, places = run_call(context, lambda rota: _read_run(rota, name))
            print_message(shown, partial(tables.run, sent=sent, places=places), as_json)
        return
    with connect(context.obj) as command:
        found = command.run(command.rota.get_run(name))
        print_line = partial(print_json, indent=None) if as_json else None
        command.run(print_transcript(command.rota, found, command.screen, print_line))


@app.command()
def slots(
    context: typer.Context,
    automation: str,
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List the slots of an automation, with their outcomes."""
    automation = run_call(context, lambda rota: rota.find_automation(automation))
    print_list(
        context,
        "slots",
        lambda rota: rota.list_slots(automation, filter_=filter_, page_token=page_token),
        tables.slots,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def preview(
    context: typer.Context,
    cron: Annotated[str, typer.Option(help="Five fields: minute hour day month weekday.")] = "",
    at: Annotated[str, typer.Option(help="One local time, such as 2027-03-01T09:00.")] = "",
    every: Annotated[
        str, typer.Option(help="Such as '90 minutes' or '2 weeks', with --from.")
    ] = "",
    start: Annotated[str, typer.Option("--from", help="The first local time of --every.")] = "",
    without: Annotated[
        list[str] | None,
        typer.Option("--except", help="A date on which nothing fires; repeatable."),
    ] = None,
    zone: Annotated[str, typer.Option(help="IANA time zone. Else the machine's.")] = "",
    count: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: Json = False,
) -> None:
    """Preview when a schedule fires: one of --cron, --at and --every."""
    where = _zone(zone) or "UTC"
    schedule = build_schedule(cron=cron, at=at, every=every, start=start, without=without or [])
    found = run_call(context, lambda rota: rota.preview_schedule(schedule, where, count=count))
    print_message(found, tables.preview, as_json)


app.add_typer(deliveries.app, name="deliveries")
app.add_typer(destinations.app, name="destinations")
app.add_typer(inbox.app, name="inbox")
app.add_typer(models.app, name="models")
app.add_typer(notices.app, name="notices")
app.add_typer(webhook.app, name="webhook")
for act in (*acts.COMMANDS, backfill):
    app.command()(act)


def _zone(given: str) -> str:
    return given or machine_zone()


def _decide(context: typer.Context, name: str, decide: Decide, as_json: bool) -> None:
    with connect(context.obj) as command:
        chat = Chat(
            command.runner,
            command.rota,
            command.screen,
            thread="-",
            zone="",
            on_frame=command.screen.show_frame,
        )
        decide_approval(chat, command, name, decide, as_json=as_json)
