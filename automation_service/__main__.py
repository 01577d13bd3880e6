"""`python -m automation_service [serve|migrate]`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from automation_service import bootstrap
from automation_service.settings import AutomationSettings
from automation_service.webhooks.secrets import SETTING
from shared.db import database
from shared.rpc.server import stop_signal, tune_gc
from shared.security.secretbox import InvalidKeys
from shared.settings import describe, explain
from shared.telemetry import export, logs


def main() -> int:
    arguments = _parser().parse_args()
    try:
        settings = AutomationSettings()  # from the environment
    except ValidationError as error:
        print(explain(AutomationSettings, error), file=sys.stderr)
        return 2
    logs.configure(bootstrap.NAME, level=settings.log_level)
    act = serve if arguments.command == "serve" else bootstrap.migrate
    try:
        _run(act(settings), uvloop=settings.uvloop)
    except InvalidKeys as error:
        print(f"automation_service: {SETTING}: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError) as error:
        print(f"automation_service: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if (refusal := database.translate(error)) is None:
            raise
        print(f"automation_service: {refusal.message}", file=sys.stderr)
        return 1
    return 0


async def serve(settings: AutomationSettings) -> None:
    stopped = stop_signal()
    with export.export_telemetry(
        bootstrap.NAME, os.environ, port=settings.metrics_port, listen=settings.listen
    ):
        async with bootstrap.service(settings):
            tune_gc()
            await stopped.wait()


def _run(act: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    if uvloop:
        import uvloop as loops

        loops.run(act)
    else:
        asyncio.run(act)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m automation_service",
        description=__doc__,
        epilog=describe(AutomationSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "migrate"],
        default="serve",
        help="serve (the default), or bring the database's schemas up to date",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
