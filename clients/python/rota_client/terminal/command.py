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

from rota_client import NoConnection, RotaClient, RotaError, discover, errors, json_format
from rota_client.calls import RetryPolicy
from rota_client.terminal.interrupt import SecondInterrupt
from rota_client.terminal.screen import Screen

T = TypeVar("T")
M = TypeVar("M", bound=betterproto2.Message)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the contract names fields.")]
Limit = Annotated[int, typer.Option(min=1, help="List at most this many.")]
INTERRUPTED: Final = 130
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


def print_messages(
    name: str,
    found: Sequence[M],
    render: Callable[[Sequence[M]], RenderableType],
    as_json: bool,
) -> None:
    if as_json:
        print_json({name: [json_format.to_dict(one) for one in found]})
    else:
        Screen().show(render(found))


def print_json(value: dict[str, Any], *, indent: int | None = 2) -> None:
    sys.stdout.write(json_format.dump_json(value, indent=indent) + "\n")
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
