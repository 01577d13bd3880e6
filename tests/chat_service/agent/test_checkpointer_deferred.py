"""When checkpoints are written."""

import asyncio
import json

import psycopg

from chat_service.agent.checkpointer import open_checkpoints
from chat_service.runtime.events import TextDelta, TextRetracted
from chat_service.runtime.ports import StartMode, TaskLimits
from tests.chat_service.agent_bench import Bench, text_of

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
HOURLY = "every weekday at 9 in Paris summarise the news"


def _rows(bench: Bench, table: str) -> int:
    with psycopg.connect(bench.dsn) as connection:
        found = connection.execute(
            f"select count(*) from chat.{table} where thread_id like %s", [f"{bench.turn}%"]
        ).fetchone()
    assert found is not None
    return int(found[0])


async def test_a_plain_answer_is_not_written(bench: Bench) -> None:
    await bench.all("hello", mode=StartMode.NEW)

    assert (_rows(bench, "checkpoints"), _rows(bench, "checkpoint_writes")) == (0, 0)


async def test_a_plain_answer_is_written_once_where_one_may_have_been_begun(bench: Bench) -> None:
    await bench.all("hello")

    assert (_rows(bench, "checkpoints"), _rows(bench, "checkpoint_writes")) == (1, 0)


async def test_a_plain_answer_needs_no_database(bench: Bench) -> None:
    async with open_checkpoints("postgresql://nobody@127.0.0.1:1/none") as nowhere:
        bench.checkpoints = nowhere
        assert text_of(await bench.all("hello", mode=StartMode.NEW))
        await bench.agent().delete_checkpoints(bench.turn)


async def test_an_answer_that_is_looked_at_again_is_written(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"headline": {"type": "string"}}}

    await bench.task("Summarise the news.", TaskLimits(output_schema=schema), mode=StartMode.NEW)

    assert _rows(bench, "checkpoints") >= 1


async def test_what_follows_a_tool_is_written_and_then_forgotten(bench: Bench) -> None:
    bench.keep_automation()
    called = json.dumps([{"name": "list_automations", "args": {}}])
    await bench.all(f"go <<calls={called}>>", mode=StartMode.NEW)
    assert _rows(bench, "checkpoints") >= 3

    await bench.agent().delete_checkpoints(bench.turn)

    assert [_rows(bench, table) for table in TABLES] == [0, 0, 0]


async def test_what_another_replica_wrote_is_forgotten_too(bench: Bench) -> None:
    async with open_checkpoints(bench.dsn) as own:
        here, bench.checkpoints = bench.checkpoints, own
        await bench.all("hello")
        bench.checkpoints = here

    await bench.agent().delete_checkpoints(bench.turn)

    assert [_rows(bench, table) for table in TABLES] == [0, 0, 0]


async def test_a_stream_that_goes_on_after_a_fresh_one_is_forgotten(bench: Bench) -> None:
    await bench.all("hello", mode=StartMode.NEW)
    await bench.all("hello", first_block=1)
    assert _rows(bench, "checkpoints") == 1

    await bench.agent().delete_checkpoints(bench.turn)

    assert [_rows(bench, table) for table in TABLES] == [0, 0, 0]


async def test_a_pause_is_kept_with_what_led_to_it(bench: Bench) -> None:
    await bench.paused(HOURLY, mode=StartMode.NEW)

    assert _rows(bench, "checkpoints") >= 1
    assert _rows(bench, "checkpoint_writes") >= 1


async def test_nothing_is_written_before_the_first_call_has_ended(bench: Bench) -> None:
    bench.demo.controls.hold(after=3, kind="chat")
    task = asyncio.create_task(bench.all("hello", mode=StartMode.NEW))
    await bench.demo.controls.until_held("chat")

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert _rows(bench, "checkpoints") == 0


async def test_a_stream_that_died_before_it_is_retracted_and_begun_again(bench: Bench) -> None:
    events = await bench.all("hello", first_block=1)

    assert events[0] == TextRetracted(from_block=0)
    assert {e.block for e in events if isinstance(e, TextDelta)} == {1}


async def test_one_who_has_told_of_it_already_does_not_hear_it_again(bench: Bench) -> None:
    events = await bench.all("hello", first_block=1, mode=StartMode.RETRY_OTHER_MODEL)

    assert not any(isinstance(event, TextRetracted) for event in events)
