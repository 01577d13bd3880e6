"""`python -m chat_service [serve | migrate]`"""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from chat_service.settings import ChatSettings
from shared.process.program import Program


def serve(settings: ChatSettings) -> AbstractAsyncContextManager[Any]:
    """Returns the running service."""
    from chat_service import bootstrap

    return bootstrap.service(settings)


async def migrate(settings: ChatSettings) -> None:
    """Migrates schema chat, including the checkpoint tables."""
    from chat_service.agent import checkpointer
    from chat_service.persistence import tables
    from shared.db import database

    url = settings.database_url.get_secret_value()
    # Alembic runs its own event loop.
    await asyncio.to_thread(
        database.upgrade, url, package="chat_service.persistence", schema=tables.SCHEMA
    )
    await checkpointer.setup(url)


PROGRAM = Program(
    name="chat_service",
    description="Talks with people, drafts automations and asks for approval.",
    settings=ChatSettings,
    serve=serve,
    migrate=migrate,
)

if __name__ == "__main__":
    sys.exit(PROGRAM.main())
