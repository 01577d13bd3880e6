"""`rota webhook`: the webhook of the workspace, and its deliveries."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import RenderableType

from rota_client.gen.rota.automation.v1 import Webhook, WebhookDelivery
from rota_client.names import resource_id, short_name
from rota_client.terminal.card import grid
from rota_client.terminal.commands.command import (
    Every,
    Json,
    Limit,
    PageToken,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import format_moment
from rota_client.terminal.tables import table

app = typer.Typer(help="Show and set the workspace's webhook, and list its deliveries. For owners.")


@app.callback(invoke_without_command=True)
def webhook(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(context)


@app.command()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the webhook: its URL and its events."""
    print_message(run_call(context, lambda rota: rota.get_webhook()), _webhook, as_json)


@app.command("set")
def set_(
    context: typer.Context,
    uri: Annotated[str, typer.Argument(metavar="HTTPS-ADDRESS")],
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="run.failed, run.succeeded, automation.paused, automation.resumed, "
            "approval.requested; else all of them."
        ),
    ] = None,
    output: Annotated[
        bool, typer.Option("--output", help="Include what runs gave in run.succeeded.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set the URL and enable the webhook. The first time, print its secret, once."""
    found = run_call(
        context,
        lambda rota: rota.set_webhook(uri, event_types=event or [], include_output=output),
    )
    print_message(found, _webhook, as_json)


@app.command()
def on(context: typer.Context, as_json: Json = False) -> None:
    """Enable the webhook."""
    print_message(run_call(context, lambda rota: rota.turn_webhook(on=True)), _webhook, as_json)


@app.command()
def off(context: typer.Context, as_json: Json = False) -> None:
    """Disable the webhook and drop waiting deliveries."""
    print_message(run_call(context, lambda rota: rota.turn_webhook(on=False)), _webhook, as_json)


@app.command()
def rotate(
    context: typer.Context,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Stop the old secret at once: it leaked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create a new secret and print it, once; the old one also signs for one day."""
    found = run_call(context, lambda rota: rota.rotate_webhook_secret(revoke_previous=revoke))
    print_message(found, _webhook, as_json)


@app.command("test")
def send_test(context: typer.Context, as_json: Json = False) -> None:
    """Send a test delivery; `rota webhook deliveries` lists its result."""
    print_message(run_call(context, lambda rota: rota.test_webhook()), _delivery, as_json)


@app.command()
def deliveries(
    context: typer.Context,
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List deliveries with their results, newest first."""
    print_list(
        context,
        "webhook_deliveries",
        lambda rota: rota.list_webhook_deliveries(page_token=page_token),
        _deliveries,
        limit=limit,
        every=every,
        as_json=as_json,
    )


def _webhook(one: Webhook) -> RenderableType:
    rows = [
        ("Address", one.uri or "none: nothing is sent"),
        ("Tells of", ", ".join(one.event_types) or "everything"),
    ]
    if one.include_output:
        rows.append(("Includes", "what runs gave"))
    if one.disabled:
        rows.append(("Off", one.disabled_reason or "turned off"))
    if one.secret:
        rows.append(("Secret", one.secret))
        rows.append(("", "Keep it now: it is not shown again."))
    if one.previous_secret_expire_time:
        rows.append(
            ("Old secret", f"signs too until {format_moment(one.previous_secret_expire_time)}")
        )
    return grid(rows)


def _delivery(one: WebhookDelivery) -> RenderableType:
    rows = [
        ("Message", resource_id(one.name)),
        ("Type", one.event_type),
        ("State", one.state.name),
        ("Tries", str(one.attempts)),
        ("Error", one.error),
    ]
    return grid([row for row in rows if row[1]])


def _deliveries(found: Iterable[WebhookDelivery]) -> RenderableType:
    rows = [
        (
            resource_id(d.name),
            d.event_type,
            f"{d.state.name} {d.error}".strip(),
            short_name(d.subject),
        )
        for d in found
    ]
    return table(("Message", "Type", "State", "About"), rows, none="Nothing was sent.")
