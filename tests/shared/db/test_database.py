"""Connections to PostgreSQL."""

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
