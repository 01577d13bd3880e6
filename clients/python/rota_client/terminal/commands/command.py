"""Shared by all commands: the connection, error messages, and output."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

import betterproto2
import typer
from rich.console import RenderableType

from rota_client import (
    NoConnection,
    Page,
    Pager,
    RotaClient,
    RotaError,
    discover,
    errors,
    json_format,
)
from rota_client.calls import RetryPolicy
from rota_client.terminal.interrupt import SecondInterrupt
from rota_client.terminal.screen import Screen

T = TypeVar("T")
M = TypeVar("M", bound=betterproto2.Message)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the contract names fields.")]
Limit = Annotated[int | None, typer.Option(min=1, help="List at most this many. Else 50.")]
Every = Annotated[bool, typer.Option("--all", help="List all of them.")]
Filter = Annotated[
    str,
    typer.Option("--filter", metavar="FILTER", help="List only these: 'state = FAILED'."),
]
PageToken = Annotated[
    str, typer.Option(metavar="TOKEN", help="Continue after a list that printed this token.")
]
INTERRUPTED: Final = 130
# The wire cuts larger numbers to their last bits.
MAX_INT32: Final = 2**31 - 1
MAX_INT64: Final = 2**63 - 1
_LIMIT: Final = 50
_RETRY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """The options before the command."""

    gateway: str
    token: str
    workspace: str


@dataclass(slots=True, kw_only=True)
class CommandContext:
    """A client, its event loop, and the screen."""

    runner: asyncio.Runner
    rota: RotaClient
    screen: Screen = field(default_factory=Screen)

    def run(self, awaitable: Awaitable[T]) -> T:
        return self.runner.run(_run(awaitable))


@contextmanager
def connect(given: GlobalOptions) -> Iterator[CommandContext]:
    """Connects. Prints an expected error without a traceback and exits with 1."""
    screen = Screen()
    try:
        with asyncio.Runner() as runner:
            rota = _client(given, screen)
            runner.run(rota.__aenter__())
            try:
                runner.run(rota.connect())
                yield CommandContext(runner=runner, rota=rota, screen=screen)
            finally:
                runner.run(rota.__aexit__())
    except NoConnection as exc:
        screen.error(RotaError(str(exc)))
        raise typer.Exit(1) from exc
    except errors.Unimplemented as exc:
        screen.error(RotaError("the server's version can't do this", reason=exc.reason))
        raise typer.Exit(1) from exc
    except RotaError as exc:
        screen.error(exc)
        raise typer.Exit(1) from exc
    except UnicodeEncodeError as exc:
        # an argument or environment variable of other bytes
        screen.error(RotaError("not sent: a name or text is not UTF-8"))
        raise typer.Exit(1) from exc
    except SecondInterrupt as exc:
        raise typer.Exit(INTERRUPTED) from exc


def run_call(context: typer.Context, call: Callable[[RotaClient], Awaitable[T]]) -> T:
    with connect(context.obj) as command:
        return command.run(call(command.rota))


def print_message(message: M, render: Callable[[M], RenderableType], as_json: bool) -> None:
    if as_json:
        print_json(json_format.to_dict(message))
    else:
        Screen().show(render(message))


def print_list(
    context: typer.Context,
    name: str,
    call: Callable[[RotaClient], Pager[M]],
    render: Callable[[Sequence[M]], RenderableType],
    *,
    limit: int | None = None,
    every: bool = False,
    as_json: bool,
    prepare: Callable[[RotaClient, Sequence[M]], Awaitable[None]] | None = None,
) -> None:
    """Prints the first `limit` items, or every item, and says when there are more.

    `prepare` reads what else `render` needs for them.

    JSON has `next_page_token` then, as a page of the contract has.
    """
    if every and limit is not None:
        raise typer.BadParameter("--all or --limit, not both")
    with connect(context.obj) as command:
        pager = call(command.rota)
        if every and as_json:
            command.run(_print_every(name, pager))
            return
        page = command.run(_read_every(pager) if every else pager.take(limit or _LIMIT))
        if not as_json:
            if prepare is not None:
                command.run(prepare(command.rota, page.items))
            command.screen.show(render(page.items))
            if page.next_page_token:
                command.screen.warn("there are more: --all lists all of them, --limit N lists N")
            return
    token = {"next_page_token": page.next_page_token} if page.next_page_token else {}
    print_json({name: [json_format.to_dict(one) for one in page.items], **token})


def print_json(value: dict[str, Any], *, indent: int | None = 2) -> None:
    sys.stdout.write(json_format.dump_json(value, indent=indent) + "\n")
    sys.stdout.flush()


async def _read_every(pager: Pager[M]) -> Page[M]:
    return Page(items=[one async for one in pager], next_page_token="")


async def _print_every(name: str, pager: Pager[M]) -> None:
    """Prints each item as it comes, a line each."""
    sys.stdout.write(f'{{"{name}": [')
    before = "\n"
    async for one in pager:
        sys.stdout.write(before + json_format.to_json(one, indent=None))
        before = ",\n"
    sys.stdout.write("\n]}\n")
    sys.stdout.flush()


def _client(given: GlobalOptions, screen: Screen) -> RotaClient:
    found = discover(gateway=given.gateway, token=given.token, workspace=given.workspace)
    retry_policy = RetryPolicy(give_up_after=_RETRY_SECONDS, on_retry=_RetryWarning(screen))
    try:
        return RotaClient(found.address, found.token, found.workspace, retry_policy=retry_policy)
    except ValueError as exc:
        raise NoConnection(str(exc)) from exc


class _RetryWarning:
    """Prints each error once, not at every retry."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last = ""

    def __call__(self, failure: RotaError) -> None:
        if failure.message != self._last:
            self._screen.warn(f"{failure.message}; trying again")
        self._last = failure.message


async def _run(awaitable: Awaitable[T]) -> T:
    return await awaitable
