"""The queue of a run's events: their order, the parts beside them, and what ends both."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest

from chat_service.runtime.event_queue import EventQueue
from chat_service.runtime.events import AgentEvent, TextDelta


def said(text: str) -> TextDelta:
    return TextDelta(block=0, text=text)


def read(part: str) -> Iterator[AgentEvent]:
    yield said(part)


async def test_events_come_in_their_order_and_before_the_part_that_follows_them() -> None:
    queue = EventQueue()

    async def parts() -> AsyncGenerator[str, None]:
        for number in range(3):
            queue.put(said(f"word {number}"))
            await asyncio.sleep(0)
            yield f"part {number}"
        queue.put(said("last"))

    found = [event async for event in queue.stream(parts(), read)]
    assert found == [
        said(text) for text in ("word 0", "part 0", "word 1", "part 1", "word 2", "part 2", "last")
    ]


async def test_no_part_is_asked_for_until_the_events_before_it_were_taken() -> None:
    asked = 0

    async def parts() -> AsyncGenerator[str, None]:
        nonlocal asked
        while asked < 3:
            asked += 1
            yield f"part {asked}"

    async with aclosing(EventQueue().stream(parts(), read)) as stream:
        for number in range(1, 4):
            assert await anext(stream) == said(f"part {number}")
            await asyncio.sleep(0.001)
            assert asked == number


async def test_an_error_comes_after_the_events_before_it() -> None:
    queue = EventQueue()

    async def parts() -> AsyncGenerator[str, None]:
        queue.put(said("before"))
        raise ValueError("broken")
        yield ""

    found: list[AgentEvent] = []
    with pytest.raises(ValueError, match="broken"):
        async for event in queue.stream(parts(), read):
            found.append(event)
    assert found == [said("before")]


@pytest.mark.parametrize("by", ["closing", "cancelling"])
async def test_whoever_stops_reading_stops_the_parts(by: str) -> None:
    queue, stopped = EventQueue(), asyncio.Event()

    async def parts() -> AsyncGenerator[str, None]:
        try:
            queue.put(said("first"))
            await asyncio.Event().wait()
            yield ""
        finally:
            stopped.set()

    stream = queue.stream(parts(), read)
    assert await anext(stream) == said("first")
    if by == "closing":
        await stream.aclose()
    else:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert stopped.is_set()
