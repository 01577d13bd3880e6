"""What ends a turn ends its calls of models."""

import asyncio

from tests.chat_service.agent_bench import Bench

DRAFTED = "every weekday at 9 in Paris summarise the news"


async def test_closing_the_stream_stops_the_model(bench: Bench) -> None:
    bench.demo.controls.hold(after=2, kind="chat")
    stream = bench.stream("hello").start()
    await anext(stream)
    held = await bench.demo.controls.until_held("chat")

    await stream.aclose()

    assert await bench.demo.controls.until_over(held) == "abandoned"


async def test_a_cancelled_draft_stops_the_drafter(bench: Bench) -> None:
    bench.demo.controls.hold(after=1, kind="drafter")
    task = asyncio.create_task(bench.all(DRAFTED))
    held = await bench.demo.controls.until_held("drafter")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await bench.demo.controls.until_over(held) == "abandoned"
