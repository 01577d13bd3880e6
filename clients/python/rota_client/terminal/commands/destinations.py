"""`rota destinations`: where results go, tested and verified."""

import sys
from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from rota_client import RotaClient
from rota_client.gen.rota.automation.v1 import (
    Destination,
    DestinationKind,
    DestinationState,
    DiscordSettings,
    EmailSettings,
    MatrixSettings,
    NtfySettings,
    PushoverSettings,
    SlackSettings,
    TeamsSettings,
    TelegramSettings,
    TestDestinationResponse,
    WebhookSettings,
)
from rota_client.names import complete_name, resource_id
from rota_client.resources.destinations import new_signing_secret
from rota_client.terminal.card import grid
from rota_client.terminal.commands.command import (
    Every,
    Filter,
    Json,
    Limit,
    PageToken,
    print_json,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import format_moment, sanitize
from rota_client.terminal.tables import lines

app = typer.Typer(help="Where results go: list, add, test, verify, enable and remove.")
added = typer.Typer(help="Add a destination. Secrets come from a prompt or from standard input.")
app.add_typer(added, name="add")

# Of the automations that deliver to one that is removed.
_LISTED: Final = 5

Name = Annotated[str, typer.Option("--name", help="The display name. Else the host.")]
Id = Annotated[str, typer.Option("--id", help="The id. Else the service makes one.")]
Mine = Annotated[
    bool, typer.Option("--mine", help="Only your own automations deliver to it. Else it is shared.")
]


@app.callback(invoke_without_command=True)
def destinations(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_destinations(context)


@app.command("list")
def list_destinations(
    context: typer.Context,
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List the destinations, newest first."""
    print_list(
        context,
        "destinations",
        lambda rota: rota.list_destinations(filter_=filter_, page_token=page_token),
        _destinations,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def show(context: typer.Context, destination: str, as_json: Json = False) -> None:
    """Show a destination: where it is, and why it is paused."""
    found = run_call(context, lambda rota: rota.get_destination(destination))
    print_message(found, _destination, as_json)


@added.command()
def email(
    context: typer.Context,
    address: str,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """An e-mail address. It takes results once it is verified."""
    made = Destination(email=EmailSettings(address=address))
    _add(context, made, name, given_id, mine, as_json)


@added.command()
def slack(
    context: typer.Context,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A channel of Slack, by the address of an incoming webhook."""
    made = Destination(slack=SlackSettings(webhook_url=_secret("Webhook address")))
    _add(context, made, name, given_id, mine, as_json)


@added.command()
def discord(
    context: typer.Context,
    thread: Annotated[str, typer.Option(help="The number of a thread of the channel.")] = "",
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A channel of Discord, by the address of its webhook."""
    settings = DiscordSettings(webhook_url=_secret("Webhook address"), thread_id=thread)
    _add(context, Destination(discord=settings), name, given_id, mine, as_json)


@added.command()
def teams(
    context: typer.Context,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A chat or channel of Microsoft Teams, by the address of a workflow."""
    made = Destination(teams=TeamsSettings(webhook_url=_secret("Workflow address")))
    _add(context, made, name, given_id, mine, as_json)


@added.command()
def telegram(
    context: typer.Context,
    chat: Annotated[str, typer.Option(help="The chat's number, or @ and a channel's name.")],
    topic: Annotated[int, typer.Option(min=0, help="A topic of a group that has topics.")] = 0,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A chat of Telegram, by a bot's token."""
    settings = TelegramSettings(
        bot_token=_secret("Bot token"), chat_id=chat, message_thread_id=topic
    )
    _add(context, Destination(telegram=settings), name, given_id, mine, as_json)


@added.command()
def matrix(
    context: typer.Context,
    homeserver: Annotated[str, typer.Option(help="Such as https://matrix.example.org.")],
    room: Annotated[str, typer.Option(help="Such as !abc:example.org.")],
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A room of Matrix, by an account's access token."""
    settings = MatrixSettings(
        homeserver=homeserver, room_id=room, access_token=_secret("Access token")
    )
    _add(context, Destination(matrix=settings), name, given_id, mine, as_json)


@added.command()
def ntfy(
    context: typer.Context,
    server: Annotated[str, typer.Option(help="Else https://ntfy.sh.")] = "",
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Ask for an access token after the topic.")
    ] = False,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A topic of ntfy."""
    settings = NtfySettings(
        server=server,
        topic=_secret("Topic"),
        access_token=_secret("Access token") if with_token else "",
    )
    _add(context, Destination(ntfy=settings), name, given_id, mine, as_json)


@added.command()
def pushover(
    context: typer.Context,
    device: Annotated[str, typer.Option(help="One device of the user. Else all.")] = "",
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """A user or group of Pushover: an application's token, then the user's key."""
    settings = PushoverSettings(
        app_token=_secret("Application token"), user_key=_secret("User key"), device=device
    )
    _add(context, Destination(pushover=settings), name, given_id, mine, as_json)


@added.command()
def webhook(
    context: typer.Context,
    uri: Annotated[str, typer.Argument(metavar="HTTPS-ADDRESS")],
    output: Annotated[
        bool, typer.Option("--output", help="Send the output as it is, beside the text.")
    ] = False,
    name: Name = "",
    given_id: Id = "",
    mine: Mine = False,
    as_json: Json = False,
) -> None:
    """An endpoint of yours. Prints the secret that signs, once."""
    secret = new_signing_secret()
    settings = WebhookSettings(uri=uri, signing_secret=secret, include_output=output)
    _add(context, Destination(webhook=settings), name, given_id, mine, as_json)
    # JSON on standard output stays the destination's.
    typer.echo(f"Signing secret: {secret}", err=as_json)
    typer.echo("Keep it now: it is not shown again.", err=as_json)


@app.command()
def rename(context: typer.Context, destination: str, name: str, as_json: Json = False) -> None:
    """Give a destination another display name."""
    changed = Destination(name=destination, display_name=name)
    found = run_call(context, lambda rota: rota.update_destination(changed, ["display_name"]))
    print_message(found, _destination, as_json)


@app.command("test")
def send_test(context: typer.Context, destination: str, as_json: Json = False) -> None:
    """Send a test now, and say what came of it."""
    found = run_call(context, lambda rota: rota.test_destination(destination))
    print_message(found, _outcome, as_json)
    if found.error:
        raise typer.Exit(1)


@app.command()
def verify(
    context: typer.Context,
    destination: str,
    code: Annotated[str, typer.Argument(help="The code that arrived. Else send one.")] = "",
    as_json: Json = False,
) -> None:
    """Send a code through a destination, or give the code that arrived."""
    if code:
        done = run_call(context, lambda rota: rota.verify_destination(destination, code))
        print_message(done, _destination, as_json)
        return
    sent = run_call(context, lambda rota: rota.test_destination(destination, verify=True))
    print_message(sent, _code_outcome, as_json)
    if sent.error:
        raise typer.Exit(1)


@app.command()
def enable(
    context: typer.Context,
    destination: str,
    send_missed: Annotated[
        bool, typer.Option("--send-missed", help="Send what it missed too, from the oldest on.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a paused destination take results again."""
    found = run_call(
        context, lambda rota: rota.enable_destination(destination, send_missed=send_missed)
    )
    print_message(found, _destination, as_json)


@app.command()
def remove(
    context: typer.Context,
    destination: str,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a destination, with its secrets. Asks when automations deliver to it."""
    if not yes and (users := run_call(context, lambda rota: _list_users(rota, destination))):
        typer.confirm(
            f"{users} to it, and their results will not arrive there any more. Remove it?",
            abort=True,
            err=True,
        )
    run_call(context, lambda rota: rota.remove_destination(destination))
    if as_json:
        print_json({})
    else:
        typer.echo("Removed.")


async def _list_users(rota: RotaClient, destination: str) -> str:
    """`The news and 2 more automations deliver`; empty when none does."""
    name = complete_name(rota.workspace, "destinations", destination)
    page = await rota.list_automations(filter_=f'destination = "{name}"').take(_LISTED + 1)
    names = [sanitize(one.display_name) for one in page.items]
    if not names:
        return ""
    more = " and more automations"
    said = ", ".join(names[:_LISTED]) + (more if len(names) > _LISTED else "")
    return f"{said} {'delivers' if len(names) == 1 else 'deliver'}"


def _add(
    context: typer.Context,
    made: Destination,
    name: str,
    given_id: str,
    mine: bool,
    as_json: bool,
) -> None:
    made.display_name = name
    made.personal = mine
    found = run_call(context, lambda rota: rota.add_destination(made, destination_id=given_id))
    print_message(found, _destination, as_json)


def _secret(what: str) -> str:
    # Never an argument: those are in the shell's history and in everybody's list of processes.
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True)).strip()
    try:
        secret = sys.stdin.readline().strip()
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is not UTF-8") from None
    if not secret:
        raise typer.BadParameter(f"standard input has no {what.lower()}")
    return secret


_STATES: Final = {
    DestinationState.ACTIVE: "takes results",
    DestinationState.PAUSED: "paused",
    DestinationState.UNVERIFIED: "takes none until it is verified",
}


def _state(one: Destination) -> str:
    said = _STATES.get(one.state, one.state.name)
    return f"{said}: {one.pause_reason}" if one.pause_reason else said


def _destination(one: Destination) -> RenderableType:
    rows = [
        ("Destination", resource_id(one.name)),
        ("Name", one.display_name),
        ("Kind", _kind(one)),
        ("Where", one.host),
        ("State", _state(one)),
        ("Whose", resource_id(one.owner) if one.owner else "shared"),
        ("Secret", f"…{one.secret_hint}" if one.secret_hint else ""),
        ("Last error", one.last_error),
    ]
    if one.verify_time:
        rows.append(
            ("Verified", f"by {resource_id(one.verified_member)}, {format_moment(one.verify_time)}")
        )
    if one.code_expire_time:
        rows.append(("Code", f"one waits until {format_moment(one.code_expire_time)}"))
    return grid([row for row in rows if row[1]])


def _outcome(found: TestDestinationResponse) -> RenderableType:
    return grid([("Test", found.error or "it was taken")])


def _code_outcome(found: TestDestinationResponse) -> RenderableType:
    if found.error:
        return grid([("Code", found.error)])
    name = resource_id(found.destination.name) if found.destination else ""
    return grid([("Code", "it was sent"), ("Then", f"rota destinations verify {name} CODE")])


def _kind(one: Destination) -> str:
    return one.kind.name.lower() if one.kind != DestinationKind.KIND_UNSPECIFIED else ""


def _destinations(found: Iterable[Destination]) -> RenderableType:
    every = list(found)
    if not every:
        return Text("There are no destinations.", style="dim")
    rows = [
        (resource_id(d.name), _kind(d), resource_id(d.owner) if d.owner else "shared")
        for d in every
    ]
    below = [(d.display_name, d.host if d.host != d.display_name else "", _state(d)) for d in every]
    return Group(*lines(("Destination", "Kind", "Whose"), rows, below))
