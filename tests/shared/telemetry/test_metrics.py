"""The span of a call, however the call ends."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from opentelemetry import trace

from shared.telemetry import metrics


async def frames() -> AsyncIterator[int]:
    with metrics.start_rpc("/rota.chat.v1.ChatService/WatchTurn", ()):
        yield 1
        yield 2


@pytest.mark.parametrize("read", [1, 2, 3], ids=["left at once", "left later", "read to its end"])
async def test_a_stream_that_another_task_closes_ends_its_span_without_a_word(
    read: int, caplog: pytest.LogCaptureFixture
) -> None:
    stream = frames()

    async def take() -> None:
        for _ in range(read):
            await anext(stream, None)

    with caplog.at_level(logging.DEBUG):
        await asyncio.create_task(take())
        await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]
    assert not caplog.records


async def test_the_span_of_a_call_is_current_until_the_call_ends() -> None:
    before = trace.get_current_span()
    with metrics.start_rpc("/rota.chat.v1.ChatService/GetTurn", ()) as call:
        assert trace.get_current_span() is call.span
    assert trace.get_current_span() is before
