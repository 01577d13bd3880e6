"""Connections to PostgreSQL."""

import asyncpg
import pytest

from shared.db import database


async def test_whoever_is_held_up_in_a_transaction_loses_it_after_a_minute(
    chat_database_url: str,
) -> None:
    engine = database.create_engine(chat_database_url, schema="chat")
    try:
        async with engine.connect() as connection:
            shown = "select current_setting('idle_in_transaction_session_timeout')"
            assert (await connection.exec_driver_sql(shown)).scalar() == "1min"
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    ("fault", "unreachable"),
    [
        (asyncpg.CrashShutdownError(), True),
        (asyncpg.AdminShutdownError(), True),
        (asyncpg.ConnectionDoesNotExistError(), True),
        (asyncpg.TooManyConnectionsError(), True),
        (asyncpg.DeadlockDetectedError(), False),
        (asyncpg.UniqueViolationError(), False),
    ],
)
def test_a_fault_of_asyncpg_says_whether_the_database_is_reachable(
    fault: asyncpg.PostgresError, unreachable: bool
) -> None:
    assert (database.translate(fault) is not None) is unreachable
