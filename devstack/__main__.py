"""`python -m devstack`: runs everything; `token` and `env` print what a client needs."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from types import FrameType
from typing import Final

from devstack import banner, dev_token, keys, settings, state
from devstack.postgres.state import PostgresError
from devstack.programs import Run, run_module
from devstack.settings import SettingsError
from devstack.stack import WORKSPACE, Stack, StackError, StartInterrupted

# What a person can mend, said without a traceback.
_REFUSALS: Final = (
    SettingsError,
    StackError,
    PostgresError,
    state.AlreadyRunning,
    state.FolderError,
)
_ARTICLES: Final = {"viewer": "a viewer", "editor": "an editor"}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # gRPC's handlers in a forked child may end it before it becomes PostgreSQL
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        match options.command:
            case "token":
                return print_token(options, os.environ)
            case "env":
                return print_environment(os.environ)
            case _:
                return run(settings.read(os.environ))
    except _REFUSALS as exc:
        print(f"rota: {exc}", file=sys.stderr)
        return 1


def run(chosen: settings.Settings, run_program: Run = run_module) -> int:
    """Runs until Ctrl-C or SIGTERM; a second one stops at once."""
    with state.lock_folder(chosen.state_dir):
        stack = Stack(settings=chosen, say=_say, run_program=run_program)
        stop_on_signals(stack)
        try:
            stack.start()
            _print(banner.render(chosen, stack.token))
            stack.supervise()
        except StartInterrupted:
            pass
        finally:
            _say("stopping")
            stack.stop()
    return 0


def stop_on_signals(stack: Stack) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        if stack.stopping.is_set():
            stack.kill()
        stack.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def print_token(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    signing = keys.ensure(settings.state_dir(environment))
    token = dev_token.mint(
        signing,
        user=options.user,
        workspaces={options.workspace: options.role},
        zone=options.zone or dev_token.machine_zone(environment),
        life=timedelta(seconds=options.ttl),
    )
    print(token)
    if options.user == dev_token.USER and options.role != "owner":
        print(
            f"rota: whoever uses this token makes {options.user} {_ARTICLES[options.role]} of "
            f"{options.workspace}, also with older tokens: those of the page and of `rota` here; "
            "--user names somebody else",
            file=sys.stderr,
        )
    return 0


def print_environment(environment: Mapping[str, str]) -> int:
    """Prints shell lines for `eval`."""
    folder = settings.state_dir(environment)
    ready = state.read_ready(folder)
    if ready is None:
        raise StackError(f"Nothing runs in {folder}; start it with: make run")
    names = {
        "ROTA_GATEWAY": "gateway_url",
        "ROTA_CHAT_ADDRESS": "chat_address",
        "ROTA_AUTOMATION_ADDRESS": "automation_address",
        "ROTA_TOKEN": "token",
        "ROTA_WORKSPACE": "workspace",
    }
    for name, key in names.items():
        print(f"export {name}={shlex.quote(ready[key])}")
    return 0


def _say(line: str) -> None:
    _print(f"rota: {line}")


def _print(text: str) -> None:
    # A terminal that was closed must not keep us from stopping in order.
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _zone(given: str) -> str:
    if not dev_token.is_zone(given):
        raise argparse.ArgumentTypeError(f"{given!r} is no IANA time zone, such as Europe/Paris")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run everything (what no command means)")
    commands.add_parser("env", help="print shell exports for the stack that runs")
    token = commands.add_parser("token", help="print a development token")
    token.add_argument("--workspace", default=WORKSPACE)
    token.add_argument(
        "--role",
        default="owner",
        choices=("viewer", "editor", "owner"),
        help="of the user from now on, also with older tokens (default: owner)",
    )
    token.add_argument(
        "--user",
        default=dev_token.USER,
        help=f"whom it is for (default: {dev_token.USER}, who is you here)",
    )
    token.add_argument("--zone", type=_zone, help="IANA name; this machine's by default")
    token.add_argument("--ttl", type=int, default=86_400, help="seconds (default: a day)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
