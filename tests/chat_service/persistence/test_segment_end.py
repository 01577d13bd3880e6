"""The end of a segment in one statement: all of it, or nothing where it isn't as was thought."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from chat_service.persistence import frames, messages, segment_end, tables, threads, turns
from chat_service.persistence.enums import TurnState
from chat_service.persistence.turns import Turn
from tests.support.system.chat import SCHEDULE, START, Chat

USAGE = {"input_tokens": 5, "output_tokens": 7, "cost_micros": 0, "model_calls": 1}
END = segment_end.SegmentEnd(
    state=TurnState.SUCCEEDED,
    parts=[{"text": "the end"}],
    message_usage=USAGE,
    usage=USAGE,
    usage_before={},
    premium_micros=0,
    error=None,
    frames=[b"last but one", b"last"],
    end_time=START,
    may_await_approval=False,
)


@pytest.fixture
def chat(emptied_chat: Chat) -> Chat:
    return emptied_chat


async def running(chat: Chat, text: str) -> Turn:
    """A turn that is made to look as if it still ran, with nothing counted."""
    events = await chat.send(text)
    found = UUID(events[0].started.turn.rpartition("/")[2])
    t = tables.turns
    async with chat.engine.begin() as connection:
        await connection.execute(
            sa.update(t).where(t.c.id == found).values(state=TurnState.RUNNING, usage={})
        )
        turn = await turns.get(connection, found)
    assert turn is not None
    return turn


async def stored(chat: Chat, turn: Turn) -> tuple[Any, ...]:
    async with chat.engine.connect() as connection:
        row = await turns.get(connection, turn.id)
        said = await messages.list_by_turn(connection, turn.id)
        shown = await frames.list_after(connection, turn.id, turn.last_sequence, limit=10)
    assert row is not None
    return row.state, row.last_sequence, row.usage, said[-1].parts, said[-1].usage, shown


async def ended(chat: Chat, turn: Turn, how: segment_end.SegmentEnd = END, **thought: int) -> bool:
    given = {"fence": turn.fence, "base": turn.last_sequence, **thought}
    async with chat.engine.connect() as connection:
        return await segment_end.end_segment(connection, turn, how, START, **given)


async def test_a_segment_ends_in_one_statement(chat: Chat) -> None:
    turn = await running(chat, "hello")
    assert await ended(chat, turn)
    base = turn.last_sequence
    last = [(base + 1, b"last but one"), (base + 2, b"last")]
    assert await stored(chat, turn) == (
        TurnState.SUCCEEDED,
        base + 2,
        USAGE,
        [{"text": "the end"}],
        USAGE,
        last,
    )


@pytest.mark.parametrize(
    ("how", "thought"),
    [
        (END, {"fence": 99}),
        (END, {"base": 1}),
        (replace(END, usage_before=USAGE), {}),
    ],
)
async def test_one_that_is_not_as_was_thought_stays_as_it_is(
    chat: Chat, how: segment_end.SegmentEnd, thought: dict[str, int]
) -> None:
    turn = await running(chat, "hello")
    before = await stored(chat, turn)
    assert not await ended(chat, turn, how, **thought)
    assert await stored(chat, turn) == before
    assert before[0] is TurnState.RUNNING


async def test_an_undecided_approval_stays_with_a_segment_that_may_wait_only(chat: Chat) -> None:
    turn = await running(chat, SCHEDULE)
    assert not await ended(chat, turn)
    waiting = replace(
        END, state=TurnState.AWAITING_APPROVAL, end_time=None, may_await_approval=True
    )
    assert await ended(chat, turn, waiting)


async def end_together(
    chat: Chat, several: list[Turn], hows: list[segment_end.SegmentEnd]
) -> list[bool | BaseException]:
    ends = segment_end.SegmentEnds(chat.engine)
    return await asyncio.gather(
        *(
            ends.end(turn, how, START, fence=turn.fence, base=turn.last_sequence)
            for turn, how in zip(several, hows, strict=True)
        ),
        return_exceptions=True,
    )


async def test_segments_that_end_together_share_a_transaction(chat: Chat) -> None:
    several = [await running(chat, "hello") for _ in range(3)]
    assert await end_together(chat, several, [END] * 3) == [True] * 3
    ids = ",".join(f"'{turn.id}'" for turn in several)
    async with chat.engine.connect() as connection:
        found = await connection.exec_driver_sql(
            f"select count(distinct xmin::text) from turns where id in ({ids})"
        )
        assert found.scalar_one() == 1
    assert [(await stored(chat, turn))[0] for turn in several] == [TurnState.SUCCEEDED] * 3


@pytest.mark.parametrize("fault", ["held", "taken over", "NUL", "half a character", "no number"])
async def test_a_segment_that_can_not_end_keeps_no_other_from_its_end(
    chat: Chat, fault: str
) -> None:
    several, hows = [await running(chat, "hello") for _ in range(3)], [END] * 3
    bad = several[1]
    async with contextlib.AsyncExitStack() as stack:
        match fault:
            case "held":
                connection = await stack.enter_async_context(chat.engine.begin())
                await threads.get(connection, chat.workspace_id, bad.thread_id, lock=True)
            case "taken over":
                several[1] = replace(bad, fence=bad.fence + 1)
            case "NUL":
                hows[1] = replace(END, parts=[{"text": "a\0b"}])
            case "half a character":
                hows[1] = replace(END, parts=[{"text": "a\ud800"}])
            case "no number":  # asyncpg refuses it before PostgreSQL sees it
                hows[1] = replace(END, premium_micros="many")  # type: ignore[arg-type]
        told = await end_together(chat, several, hows)
    assert (told[0], told[2]) == (True, True)
    assert told[1] is False or isinstance(told[1], Exception)
    assert [(await stored(chat, turn))[0] for turn in several] == [
        TurnState.SUCCEEDED,
        TurnState.RUNNING,
        TurnState.SUCCEEDED,
    ]


async def said_of(chat: Chat, turn: Turn) -> list[messages.Message]:
    async with chat.engine.connect() as connection:
        return await messages.list_by_turn(connection, turn.id)
