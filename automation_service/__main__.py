"""`python -m automation_service [serve | migrate]`"""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from automation_service.settings import AutomationSettings
from shared.process.program import Program


def serve(settings: AutomationSettings) -> AbstractAsyncContextManager[Any]:
    """Returns the running service."""
    from automation_service import bootstrap

    return bootstrap.service(settings)


async def migrate(settings: AutomationSettings) -> None:
    """Migrates the schema of the service and the schema of the queue."""
    from automation_service.persistence.enums import SCHEMA
    from automation_service.queue import PgQueuer
    from shared.db import database

    url = settings.database_url.get_secret_value()
    # Alembic runs its own event loop.
    await asyncio.to_thread(
        database.upgrade, url, package="automation_service.persistence", schema=SCHEMA
    )
    await PgQueuer(url=url).install()


PROGRAM = Program(
    name="automation_service",
    description="Keeps automations, decides their slots and runs them.",
    settings=AutomationSettings,
    serve=serve,
    migrate=migrate,
)

if __name__ == "__main__":
    sys.exit(PROGRAM.main())
