"""Reading ahead of who listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from chat_service.llm.stream.chunks import MAX_AHEAD, coalesce, merge_chunks, plain_text


async def _numbers(count: int, ended: list[bool] | None = None) -> AsyncGenerator[list[int], None]:
    try:
        for number in range(count):
            yield [number]
    finally:
        if ended is not None:
            ended.append(True)


async def test_what_is_there_comes_in_one_handful() -> None:
    assert [some async for some in coalesce(_numbers(5))] == [[0, 1, 2, 3, 4]]


async def test_what_comes_alone_is_not_kept_waiting() -> None:
    more: asyncio.Queue[int] = asyncio.Queue()

    async def slow() -> AsyncGenerator[list[int], None]:
        while True:
            yield [await more.get()]

    async with aclosing(coalesce(slow())) as found:
        more.put_nowait(1)
        assert await anext(found) == [1]
        more.put_nowait(2)
        assert await anext(found) == [2]


async def test_nothing_is_lost_of_a_stream_longer_than_what_is_read_ahead() -> None:
    count = 3 * MAX_AHEAD + 1

    found = [one async for some in coalesce(_numbers(count)) for one in some]

    assert found == list(range(count))


async def test_a_fault_comes_after_what_came_before_it() -> None:
    async def breaks() -> AsyncGenerator[list[int], None]:
        yield [1]
        raise ConnectionError

    found = []
    with pytest.raises(ConnectionError):
        async for some in coalesce(breaks()):
            found += some
    assert found == [1]


async def test_who_stops_listening_ends_the_stream() -> None:
    ended: list[bool] = []

    async with aclosing(coalesce(_numbers(5 * MAX_AHEAD, ended))) as found:
        await anext(found)

    assert ended == [True]


def _said(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **more}]}


def test_pieces_of_one_text_become_one() -> None:
    chunks = [_said({"content": text}) for text in ("a", "b", "c")]

    assert list(merge_chunks(chunks)) == [_said({"content": "abc"})]


@pytest.mark.parametrize(
    "other",
    [
        _said({"reasoning_content": "b"}),
        _said({"content": "b", "role": "assistant"}),
        _said({"content": "b", "tool_calls": [{"index": 0}]}),
        _said({"content": None}),
        _said({"content": "b"}, finish_reason="stop"),
        _said({"content": "b"}, logprobs={"content": []}),
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": None},
        {"choices": ["?"]},
        {"choices": [{"delta": None}]},
        {},
    ],
)
def test_what_is_more_than_text_stands_for_itself(other: dict[str, Any]) -> None:
    first, last = _said({"content": "a"}), _said({"content": "c"})

    assert list(merge_chunks([first, other, last])) == [first, other, last]
    assert list(merge_chunks(["a", "b", other, "c", "d"])) == ["ab", other, "cd"]


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (_said({"content": "a"}), "a"),
        (_said({"content": ""}), ""),
        (_said({"content": "a", "role": "assistant", "tool_calls": [], "refusal": None}), "a"),
        (_said({"content": "a"}, finish_reason=None, logprobs=None, stop_reason=None), "a"),
        ({**_said({"content": "a"}), "id": "x", "model": "m", "usage": None}, "a"),
        ({**_said({"content": "a"}), "error": {"message": "no"}}, None),
        ({**_said({"content": "a"}), "x_groq": {}}, None),
        (_said({"content": "a"}, error={"message": "no"}), None),
        (_said({"content": "a"}, message={"content": "b"}), None),
        (_said({"content": "a"}, usage={"prompt_tokens": 1}), None),
        (_said({"content": "a", "reasoning": "b"}), None),
        (_said({"content": "a", "role": "user"}), None),
        ({"choices": [{"index": 1, "delta": {"content": "a"}}]}, None),
        ({"choices": _said({"content": "a"})["choices"] * 2}, None),
        (_said({"content": ["a"]}), None),
        ({"choices": {}}, None),
        ({"choices": [None]}, None),
    ],
)
def test_a_chunk_is_its_text_only_where_nothing_else_is_in_it(
    chunk: dict[str, Any], text: str | None
) -> None:
    assert plain_text(chunk) == text
