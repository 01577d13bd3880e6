"""SQL that SQLAlchemy has compiled for one engine, for all engines of the tests' process.

An engine keeps what it compiles, and most tests start a service with engines of its own.
"""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

from shared.db import database

_STATEMENTS: Final = 4_000


def share_compiled() -> None:
    """Has the engines of a schema share the first one's dialect, once it knows its server."""
    create = database.create_engine
    first: dict[str, Any] = {}
    compiled: dict[str, LRUCache[Any, Any]] = {}

    def create_engine(url: str, *, schema: str, **options: Any) -> AsyncEngine:
        made = create(url, schema=schema, **options)
        engine: Any = made.sync_engine
        dialect = first.setdefault(schema, engine.dialect)
        engine._compiled_cache = compiled.setdefault(schema, LRUCache(_STATEMENTS))
        if dialect.server_version_info is not None:
            engine.dialect = engine.pool._dialect = dialect
        return made

    database.create_engine = create_engine
