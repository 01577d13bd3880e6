"""`rota inbox`: what reached you, read or unread."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import aclosing
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from rota_client import RotaClient, json_format
from rota_client.gen.rota.automation.v1 import (
    InboxEvent,
    InboxItem,
    InboxItemState,
    MarkInboxItemsResponse,
)
from rota_client.names import resource_id, short_name
from rota_client.terminal.card import grid
from rota_client.terminal.commands.command import (
    CommandContext,
    Every,
    Filter,
    Json,
    Limit,
    PageToken,
    connect,
    print_json,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import format_moment, sanitize
from rota_client.terminal.tables import table

app = typer.Typer(help="List, read, watch and mark what reached you: results and notices.")

Unread = Annotated[bool, typer.Option("--unread", help="List only what is unread.")]


@app.callback(invoke_without_command=True)
def inbox(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_(context)


@app.command("list")
def list_(
    context: typer.Context,
    unread: Unread = False,
    filter_: Filter = "",
    limit: Limit = None,
    every: Every = False,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List items, newest first."""
    if unread and filter_:
        raise typer.BadParameter("--unread or --filter, not both: 'state = UNREAD' is a filter")
    wanted = "state = UNREAD" if unread else filter_
    print_list(
        context,
        "inbox_items",
        lambda rota: rota.list_inbox_items(filter_=wanted, page_token=page_token),
        _items,
        limit=limit,
        every=every,
        as_json=as_json,
    )


@app.command()
def read(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ITEM")],
    keep_unread: Annotated[
        bool, typer.Option("--keep-unread", help="Do not mark it as read.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print an item with its text, and mark it as read."""

    async def read_item(rota: RotaClient) -> InboxItem:
        found = await rota.get_inbox_item(name)
        if found.state == InboxItemState.UNREAD and not keep_unread:
            await rota.mark_inbox_items([found.name])
        return found

    print_message(run_call(context, read_item), _item, as_json)


@app.command()
def watch(context: typer.Context, as_json: Json = False) -> None:
    """Print each new item as it comes, until interrupted. With --json also what is marked."""
    with connect(context.obj) as command:
        command.run(_follow(command, as_json))


@app.command()
def mark(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="ITEM...")] = None,
    thread: Annotated[str, typer.Option(help="Mark all of this thread.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Mark all that there is now.")] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Mark as unread instead.")] = False,
    as_json: Json = False,
) -> None:
    """Mark items as read: those named, those of a thread, or all."""
    if sum((bool(names), bool(thread), every)) != 1:
        raise typer.BadParameter("give items, --thread or --all: one of them")

    async def mark_items(rota: RotaClient) -> MarkInboxItemsResponse:
        if not every:
            return await rota.mark_inbox_items(names or [], thread=thread, unread=unread)
        # By the clock of the service, which is not this machine's.
        newest = (await rota.list_inbox_items().take(1)).items
        if not newest:
            return MarkInboxItemsResponse()
        return await rota.mark_inbox_items(end_time=newest[0].create_time, unread=unread)

    print_message(run_call(context, mark_items), _marked, as_json)


async def _follow(command: CommandContext, as_json: bool) -> None:
    count, sequence = await command.rota.read_inbox_state()
    if not as_json:
        command.screen.note(f"{count} unread; new items follow")
    try:
        async with aclosing(command.rota.watch_inbox(after_sequence=sequence)) as events:
            async for event in events:
                _tell(command, event, as_json)
    except asyncio.CancelledError:
        command.screen.note("items go on coming without you")
        raise


def _tell(command: CommandContext, event: InboxEvent, as_json: bool) -> None:
    if as_json:
        print_json(json_format.to_dict(event), indent=None)
    elif event.item is not None and event.item.state == InboxItemState.UNREAD:
        command.screen.show(_items([event.item]))


def _items(found: Iterable[InboxItem]) -> RenderableType:
    rows = [
        (
            resource_id(one.name),
            "unread" if one.state == InboxItemState.UNREAD else "",
            f"{format_moment(one.create_time)}, {_kind(one)}\n{one.subject}\n{one.snippet}".strip(),
        )
        for one in found
    ]
    return table(("Item", "", "What"), rows, none="Nothing has come.")


def _item(one: InboxItem) -> RenderableType:
    rows = [
        ("Subject", one.subject),
        ("What", _kind(one)),
        ("Came", format_moment(one.create_time)),
        ("Automation", short_name(one.automation)),
        ("Run", short_name(one.run)),
        ("Delivery", short_name(one.delivery)),
        ("Thread", short_name(one.thread)),
        ("Approval", short_name(one.approval)),
        ("Destination", short_name(one.destination)),
    ]
    head = grid([row for row in rows if row[1]])
    return Group(head, Text(), Text(sanitize(_body(one)))) if one.body else head


def _body(one: InboxItem) -> str:
    if one.format != "json":
        return one.body
    try:
        return json.dumps(json.loads(one.body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # it was cut, or nests without end
        return one.body


def _kind(one: InboxItem) -> str:
    return (one.kind.name or "").lower().replace("_", " ")


def _marked(found: MarkInboxItemsResponse) -> RenderableType:
    return Text(f"{found.marked_count} marked; {found.unread_count} unread")
