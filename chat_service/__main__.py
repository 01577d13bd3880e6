"""`python -m chat_service [serve | migrate]`"""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from chat_service import bootstrap
from chat_service.agent import checkpoints
from chat_service.agent.model import BadModelsFile
from chat_service.persistence import tables
from chat_service.settings import Settings
from shared import database, telemetry
from shared.rpc.server import stop_signal
from shared.settings import describe, explain


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chat_service",
        description="Talks with people, drafts automations and asks for approval.",
        epilog=describe(Settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["serve", "migrate"], default="serve")
    command = parser.parse_args().command
    try:
        settings = Settings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    telemetry.configure(bootstrap.NAME, level=settings.log_level)
    try:
        if command == "migrate":
            migrate(settings)
        else:
            _run(settings)
    except (RuntimeError, OSError, BadModelsFile) as error:
        print(f"chat_service: {error}", file=sys.stderr)
        return 1
    return 0


def migrate(settings: Settings) -> None:
    """Brings schema chat, and the agent's checkpoint tables in it, up to date."""
    url = settings.database_url.get_secret_value()
    database.upgrade(url, package="chat_service.persistence", schema=tables.SCHEMA)
    asyncio.run(checkpoints.setup(url))


def _run(settings: Settings) -> None:
    factory = None
    if settings.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stopped = stop_signal()
    async with bootstrap.service(settings):
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
