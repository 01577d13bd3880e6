"""When frames are written: at once, together, or with the end of their turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rota.chat.v1 import chat_pb2 as pb

from chat_service.runtime.timeouts import Timeouts
from chat_service.turns.frames.cursor import FrameCursor
from chat_service.turns.frames.log import (
    MAX_REST_SECONDS,
    MIN_REST_SECONDS,
    FrameLog,
    TurnLog,
    rest_seconds,
)
from chat_service.turns.frames.watch import TurnWatcher
from shared.clock import ManualClock
from tests.support.system.chat import START


class Written(FrameLog):
    """Keeps what is written instead of storing it."""

    def __init__(self, gap: float = 3600.0, rest: Callable[[int], float] = rest_seconds) -> None:
        super().__init__(
            db=None,  # type: ignore[arg-type]
            clock=ManualClock(START),
            timeouts=Timeouts(frame_gap=gap, frame_retry_interval=0.0),
            rest=rest,
        )
        self.texts: list[tuple[int, str]] = []
        self.writes: list[int] = []  # the number of turns in each

    async def _store(self, logs: Sequence[TurnLog]) -> bool:
        self.writes.append(len(logs))
        for one in logs:
            said = [pb.TurnEvent.FromString(frame).text_delta.text for frame in one.writing]
            self.texts += [(one.turn.int, text) for text in said]
        return await super()._store(logs)


@pytest.fixture
async def log(store: None) -> AsyncIterator[Written]:
    """With a gap that never ends by itself."""
    async with running(Written()) as log:
        yield log


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame is stored at once, nowhere."""

    async def append(_: Any, batches: Sequence[Any], *__: Any) -> set[UUID]:
        return {batch.turn for batch in batches}

    @contextlib.asynccontextmanager
    async def connection(_: Any) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr("chat_service.turns.frames.log.frames.append", append)
    monkeypatch.setattr("chat_service.turns.frames.log.fast_connection.borrow", connection)


@contextlib.asynccontextmanager
async def running(log: Written) -> AsyncIterator[Written]:
    task = asyncio.create_task(log.run())
    yield log
    task.cancel()
    await asyncio.wait([task])


def opened(log: FrameLog, number: int) -> TurnLog:
    return log.open(UUID(int=number), fence=1, first=0, stored=[])


def delta(text: str) -> pb.TurnEvent:
    return pb.TurnEvent(text_delta=pb.TextDelta(message="m", block=0, text=text))


async def written(of: TurnLog, frames: int) -> None:
    async with asyncio.timeout(60):
        while len(of.frames) < frames:
            await of.moved.wait(of.moved.count)


async def test_a_first_word_goes_at_once_and_those_right_after_it_together(log: Written) -> None:
    turn = opened(log, 1)
    await log.add(turn, delta("a"))
    await written(turn, 1)
    await log.add(turn, delta("b"))
    await log.add(turn, delta("c"))
    assert await log.drain(turn)
    assert log.texts == [(1, "a"), (1, "bc")]


async def test_a_turn_that_has_just_spoken_holds_up_no_other(log: Written) -> None:
    first, second = opened(log, 1), opened(log, 2)
    await log.add(first, delta("a"))
    await written(first, 1)
    await log.add(first, delta("b"))
    await log.add(second, delta("z"))
    await written(second, 1)
    assert log.texts == [(1, "a"), (2, "z")]
    assert await log.drain(first)
    assert log.texts == [(1, "a"), (2, "z"), (1, "b")]


async def test_a_write_that_takes_long_holds_up_no_other_turn(
    log: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opened(log, 1), opened(log, 2)
    begun, over = asyncio.Event(), asyncio.Event()

    async def append(_: Any, batches: Sequence[Any], *__: Any) -> set[UUID]:
        if any(batch.turn == first.turn for batch in batches):
            begun.set()
            await over.wait()
        return {batch.turn for batch in batches}

    monkeypatch.setattr("chat_service.turns.frames.log.frames.append", append)
    await log.add(first, delta("a"))
    await begun.wait()
    await log.add(first, delta("b"))
    await log.add(second, delta("z"))
    await written(second, 1)
    assert not first.frames
    over.set()
    assert await log.drain(first)
    assert log.texts == [(1, "a"), (2, "z"), (1, "b")]


async def test_what_is_taken_is_stored_by_whoever_took_it_or_given_back(log: Written) -> None:
    turn = opened(log, 1)
    await log.add(turn, delta("a"))
    await written(turn, 1)
    await log.add(turn, delta("b"))
    taken = await log.take(turn)
    assert taken is not None
    assert [event.text_delta.text for event in taken] == ["b"]
    assert await log.take(turn) == []
    log.give_back(turn, taken)
    assert await log.drain(turn)
    assert log.texts == [(1, "a"), (1, "b")]


async def test_nothing_is_taken_of_a_turn_that_is_lost(log: Written) -> None:
    turn = opened(log, 1)
    turn.lost.set()
    assert await log.take(turn) is None


async def test_nobody_sees_a_frame_before_it_is_stored(
    log: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    seen_before: list[list[str]] = []

    async def append(_: Any, batches: Sequence[Any], *__: Any) -> set[UUID]:
        for _ in range(20):  # a watcher has time to look
            await asyncio.sleep(0)
        seen_before.append(list(seen))
        if len(seen_before) <= 3:
            raise OSError("the database is away")
        return {batch.turn for batch in batches}

    monkeypatch.setattr("chat_service.turns.frames.log.frames.append", append)
    turn = opened(log, 1)
    watcher = TurnWatcher(log._db, log, ManualClock(START), heartbeat_seconds=3600.0)

    async def watch() -> None:
        async for frame in watcher.watch(FrameCursor(turn=turn.turn, sequence=0)):
            event = pb.TurnEvent.FromString(frame)
            seen.append(f"{event.sequence} {event.text_delta.text}")

    watching = asyncio.create_task(watch())
    await log.add(turn, delta("a"))
    await log.add(turn, delta("b"))
    assert await log.drain(turn)
    async with asyncio.timeout(60):
        while not seen:
            await asyncio.sleep(0)
    assert seen_before == [[], [], [], []]
    assert seen == ["1 ab"]
    watching.cancel()
    await asyncio.wait([watching])


async def test_after_a_write_of_many_turns_frames_gather_until_an_end_hurries_them(
    store: None,
) -> None:
    def rest(turns: int) -> float:
        return 3600.0 if turns > 2 else 0.0

    async with running(Written(gap=0.0, rest=rest)) as log:
        turns = [opened(log, number) for number in range(1, 4)]
        for turn in turns:
            await log.add(turn, delta("a"))
        for turn in turns:
            await written(turn, 1)
        for turn in turns[:2]:
            await log.add(turn, delta("b"))
            for _ in range(20):
                await asyncio.sleep(0)
        assert log.writes == [3]
        assert await log.drain(turns[0])
        assert log.writes == [3, 2]


@pytest.mark.parametrize("turns", range(4))
def test_few_turns_wait_for_no_other(turns: int) -> None:
    assert rest_seconds(turns) == MIN_REST_SECONDS


@given(turns=st.integers(0, 10_000))
def test_the_rest_grows_with_the_turns_of_a_write_up_to_a_limit(turns: int) -> None:
    assert MIN_REST_SECONDS <= rest_seconds(turns) <= rest_seconds(turns + 1) <= MAX_REST_SECONDS
    assert rest_seconds(20) == MAX_REST_SECONDS
