"""`python -m chat_service [serve | migrate]`"""

import argparse
import asyncio
import os
import sys

from pydantic import ValidationError

from chat_service import bootstrap
from chat_service.agent import checkpointer
from chat_service.model_selection.llm_bundle import SECRET_KEYS
from chat_service.persistence import tables
from chat_service.runtime.models_file import BadModelsFile
from chat_service.settings import ChatSettings
from shared.db import database
from shared.rpc.server import stop_signal, tune_gc
from shared.security.secretbox import InvalidKeys
from shared.settings import describe, explain
from shared.telemetry import export, logs


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chat_service",
        description="Talks with people, drafts automations and asks for approval.",
        epilog=describe(ChatSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    command = parser.parse_args().command
    try:
        settings = ChatSettings()
    except ValidationError as error:
        print(explain(ChatSettings, error), file=sys.stderr)
        return 2
    logs.configure(bootstrap.NAME, level=settings.log_level)
    try:
        if command == "migrate":
            migrate(settings)
        else:
            _run(settings)
    except InvalidKeys as error:
        print(f"chat_service: {SECRET_KEYS}: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError, BadModelsFile) as error:
        print(f"chat_service: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if (refusal := database.translate(error)) is None:
            raise
        print(f"chat_service: {refusal.message}", file=sys.stderr)
        return 1
    return 0


def migrate(settings: ChatSettings) -> None:
    """Migrates schema chat, including the checkpoint tables."""
    url = settings.database_url.get_secret_value()
    database.upgrade(url, package="chat_service.persistence", schema=tables.SCHEMA)
    asyncio.run(checkpointer.setup(url))


def _run(settings: ChatSettings) -> None:
    factory = None
    if settings.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(settings))


async def _serve(settings: ChatSettings) -> None:
    stopped = stop_signal()
    with export.export_telemetry(
        bootstrap.NAME, os.environ, port=settings.metrics_port, listen=settings.listen
    ):
        async with bootstrap.service(settings):
            tune_gc()
            await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
