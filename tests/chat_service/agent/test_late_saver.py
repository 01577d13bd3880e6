"""When checkpoints are written."""

import asyncio

import psycopg

from chat_service.agent.events import TextDelta, TextRetracted
from tests.chat_service.agent.conftest import Bench

HOURLY = "every weekday at 9 in Paris summarise the news"


def _rows(bench: Bench, table: str) -> int:
    with psycopg.connect(bench.dsn) as connection:
        found = connection.execute(f"select count(*) from chat.{table}").fetchone()
    assert found is not None
    return int(found[0])


async def test_a_plain_answer_is_written_once(bench: Bench) -> None:
    await bench.all("hello", fresh=True)

    assert (_rows(bench, "checkpoints"), _rows(bench, "checkpoint_writes")) == (1, 0)


async def test_a_pause_is_kept_with_what_led_to_it(bench: Bench) -> None:
    await bench.paused(HOURLY, fresh=True)

    assert _rows(bench, "checkpoints") >= 1
    assert _rows(bench, "checkpoint_writes") >= 1


async def test_nothing_is_written_before_the_first_call_has_ended(bench: Bench) -> None:
    bench.demo.controls.hold(after=3, kind="chat")
    task = asyncio.create_task(bench.all("hello", fresh=True))
    await bench.demo.controls.until_held("chat")

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert _rows(bench, "checkpoints") == 0


async def test_a_stream_that_died_before_it_is_retracted_and_begun_again(bench: Bench) -> None:
    events = await bench.all("hello", first_block=1)

    assert events[0] == TextRetracted(from_block=0)
    assert {e.block for e in events if isinstance(e, TextDelta)} == {1}


async def test_one_who_has_told_of_it_already_does_not_hear_it_again(bench: Bench) -> None:
    events = await bench.all("hello", first_block=1, replay=False)

    assert not any(isinstance(event, TextRetracted) for event in events)
