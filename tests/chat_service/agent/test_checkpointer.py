"""Where a turn is kept: what may be read back, and that it survives."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import ormsgpack
import psycopg
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg_pool import AsyncConnectionPool, PoolClosed

from chat_service.agent.agent import prepare_process
from chat_service.agent.checkpointer import CheckpointStore, open_checkpoints, serde, setup
from tests.chat_service.agent_bench import Bench

_NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def _names_code(module: str, name: str, argument: str) -> bytes:
    """A blob as an attacker with the database would write it: call `name` of `module`."""
    constructor = ormsgpack.packb((module, name, argument))
    return ormsgpack.packb(ormsgpack.Ext(0, constructor))


def test_a_row_cannot_name_code_to_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    blob = _names_code("os", "system", f"touch {touched}")

    serde().loads_typed(("msgpack", blob))
    assert not touched.exists()

    # and the attack is a real one
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", blob))
    assert touched.exists()


def test_messages_come_back_as_they_were() -> None:
    said = [
        AIMessage("a", response_metadata={"rota": {"segment": ""}}),
        ToolMessage("{}", tool_call_id="c", artifact={"ok": True}),
    ]

    assert serde().loads_typed(serde().dumps_typed(said)) == said


async def test_setting_up_twice_changes_nothing(chat_database_url: str) -> None:
    await setup(chat_database_url)
    await setup(chat_database_url)

    with psycopg.connect(chat_database_url) as connection:
        tables = connection.execute(
            "select table_schema from information_schema.tables where table_name = 'checkpoints'"
        ).fetchall()
    assert tables == [("chat",)]


async def test_a_turn_leaves_nothing_when_it_is_forgotten(bench: Bench) -> None:
    other = uuid4()
    await bench.all("hello")
    forgotten, bench.turn = bench.turn, other
    await bench.all("hello")

    await bench.agent().delete_checkpoints(forgotten)

    with psycopg.connect(bench.dsn) as connection:
        kept = {
            row[0]
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
            for row in connection.execute(
                f"select thread_id from chat.{table} where thread_id = any(%s)",
                [[str(forgotten), str(other)]],
            )
        }
    assert kept == {str(other)}


async def test_connections_the_server_has_closed_are_replaced(bench: Bench) -> None:
    called = json.dumps([{"name": "list_automations", "args": {}}])
    turns = [replace(bench, turn=uuid4()) for _ in range(8)]
    await asyncio.gather(*(one.all(f"go <<calls={called}>>") for one in turns))
    with psycopg.connect(bench.dsn, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )

    bench.turn = uuid4()
    assert await bench.all("hello")


async def test_one_turn_too_many_forgets_the_oldest_only() -> None:
    """A turn that is not noted as unwritten needs the database, which is not there."""
    never_opened = AsyncConnectionPool[Any](_NOWHERE, open=False)
    checkpoints = CheckpointStore(never_opened, max_unwritten=2)
    turns = [uuid4() for _ in range(3)]
    for turn in turns:
        checkpoints.checkpointer(turn, no_checkpoint=True)

    for turn in turns[1:]:
        await checkpoints.delete(turn)
    with pytest.raises(PoolClosed):
        await checkpoints.delete(turns[0])


async def test_opening_needs_no_server(chat_database_url: str) -> None:
    async with open_checkpoints(_NOWHERE):
        pass


def test_the_process_is_made_ready_explicitly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")

    prepare_process()

    assert os.environ["LANGSMITH_TRACING"] == "false"
    assert os.environ["LANGGRAPH_STRICT_MSGPACK"] == "true"
