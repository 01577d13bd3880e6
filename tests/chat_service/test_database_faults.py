"""The database drops every connection in the middle of a turn."""

import psycopg

from devstack.demo_model import DemoServer
from devstack.postgres_roles import ServiceDatabases
from tests.support.chat import Chat, kinds, said


def drop_connections(databases: ServiceDatabases) -> int:
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        row = connection.execute(
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_turn_goes_on_when_its_connections_are_dropped(
    chat: Chat, demo: DemoServer, chat_databases: ServiceDatabases
) -> None:
    demo.controls.hold(after=3, kind="chat")
    call = chat.stream("<<tokens=9>> go on")
    frames = aiter(call)
    started = (await anext(frames)).started
    await demo.controls.until_held()
    assert drop_connections(chat_databases) > 0
    demo.controls.release()
    rest = [event async for event in frames]
    assert rest[-1].WhichOneof("event") == "completed"
    stored = await chat.watch(started.turn)
    assert [e.sequence for e in stored] == list(range(1, len(stored) + 1))
    assert stored[1:] == rest
    assert kinds(stored).count("completed") == 1
    assert said(stored) == rest[-1].completed.message.parts[-1].text


async def test_a_call_after_the_drop_is_served(
    chat: Chat, chat_databases: ServiceDatabases
) -> None:
    await chat.send("hello")
    assert drop_connections(chat_databases) > 0
    events = await chat.send("hello")
    assert events[-1].WhichOneof("event") == "completed"
