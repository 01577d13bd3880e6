"""What every command shares: a connection, what goes wrong, and how answers are printed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

import betterproto2
import typer
from rich.console import RenderableType

from rota_client import NoConnection, RotaClient, RotaError, discover, errors, plain
from rota_client.calls import Patience
from rota_client.terminal.interrupt import Left
from rota_client.terminal.screen import Screen

T = TypeVar("T")
M = TypeVar("M", bound=betterproto2.Message)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the contract names fields.")]
Limit = Annotated[int, typer.Option(min=1, help="List at most this many.")]
INTERRUPTED: Final = 130
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the options before the command say."""

    gateway: str
    token: str
    workspace: str


@dataclass(slots=True, kw_only=True)
class Desk:
    """A client, the loop it lives on, and the screen."""

    runner: asyncio.Runner
    rota: RotaClient
    screen: Screen = field(default_factory=Screen)

    def run(self, awaitable: Awaitable[T]) -> T:
        return self.runner.run(_awaited(awaitable))


@contextmanager
def connected(given: Given) -> Iterator[Desk]:
    """A Desk. What a person should read instead of a traceback is printed, and ends with 1."""
    screen = Screen()
    try:
        with asyncio.Runner() as runner:
            rota = _client(given, screen)
            runner.run(rota.__aenter__())
            try:
                runner.run(rota.connect())
                yield Desk(runner=runner, rota=rota, screen=screen)
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
    except Left as exc:
        raise typer.Exit(INTERRUPTED) from exc


def answer(context: typer.Context, call: Callable[[RotaClient], Awaitable[T]]) -> T:
    with connected(context.obj) as desk:
        return desk.run(call(desk.rota))


def shown(message: M, render: Callable[[M], RenderableType], as_json: bool) -> None:
    if as_json:
        print_json(plain.to_plain(message))
    else:
        Screen().show(render(message))


def listed(
    name: str,
    found: Sequence[M],
    render: Callable[[Sequence[M]], RenderableType],
    as_json: bool,
) -> None:
    if as_json:
        print_json({name: [plain.to_plain(one) for one in found]})
    else:
        Screen().show(render(found))


def print_json(value: dict[str, Any], *, indent: int | None = 2) -> None:
    sys.stdout.write(plain.dump(value, indent=indent) + "\n")
    sys.stdout.flush()


def _client(given: Given, screen: Screen) -> RotaClient:
    found = discover(gateway=given.gateway, token=given.token, workspace=given.workspace)
    patience = Patience(give_up_after=_PATIENCE_SECONDS, noticed=_Noticed(screen))
    try:
        return RotaClient(found.address, found.token, found.workspace, patience=patience)
    except ValueError as exc:
        raise NoConnection(str(exc)) from exc


class _Noticed:
    """Says each failure once, not at every try."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last = ""

    def __call__(self, failure: RotaError) -> None:
        if failure.message != self._last:
            self._screen.warn(f"{failure.message}; trying again")
        self._last = failure.message


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable
