"""A stream that comes in any pieces, and one that lingers after its last word."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.errors import classify_error
from chat_service.llm.stream.chunks import Chunk
from chat_service.llm.stream.event_stream import MAX_LINES, BrokenStream, LineSplitter, read_chunks
from tests.chat_service.agent_bench import Bench, text_of
from tests.support.model_providers.scripted_model import DONE, End, ends, says, scripted_model


async def read(*pieces: bytes) -> list[Chunk]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    came = read_chunks(body(), httpx2.Request("POST", "http://model/"))
    return [chunk async for chunks in came for chunk in chunks]


def said(chunks: list[Chunk]) -> str:
    return "".join(
        chunk if isinstance(chunk, str) else chunk["choices"][0]["delta"].get("content", "")
        for chunk in chunks
    )


@given(
    texts=st.lists(st.text(min_size=1), min_size=1, max_size=4),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    ascii=st.booleans(),
    lines=st.booleans(),
    data=st.data(),
)
async def test_the_pieces_and_lines_of_a_body_do_not_matter(
    texts: list[str], end: bytes, mark: bytes, ascii: bool, lines: bool, data: st.DataObject
) -> None:
    wire = mark + b": a comment" + end
    for chunk in (*map(says, texts), ends()):
        text = json.dumps(chunk, ensure_ascii=ascii, indent=1 if lines else None)
        for line in text.split("\n"):
            wire += b"data: " + line.encode() + end
        wire += end + b"data: ping" + end * 2
    wire += f"data: {DONE}".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))

    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    assert said(await read(*pieces)) == "".join(texts)


@given(
    kinds=st.lists(
        st.sampled_from(["text", "empty", "reason", "call", "ping", "event"]), max_size=12
    ),
    data=st.data(),
)
async def test_chunks_of_text_among_others_keep_their_order(
    kinds: list[str], data: st.DataObject
) -> None:
    wire, words = b"", []
    for number, kind in enumerate(kinds):
        chunk = says(f"{number} " if kind == "text" else "")
        delta = chunk["choices"][0]["delta"]
        match kind:
            case "text":
                words.append(f"{number} ")
            case "reason":
                delta["reasoning_content"] = "hm"
            case "call":
                delta |= {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
            case "ping":
                wire += b": ping\n\n"
            case "event":
                wire += b"event: message\n"
        wire += f"data: {json.dumps(chunk)}\n\n".encode()
    wire += f"data: {json.dumps(ends())}\n\ndata: {DONE}\n\n".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    came = await read(*pieces)

    assert said(came) == "".join(words)
    others = [chunk for chunk in came if isinstance(chunk, dict)]
    deltas = [chunk["choices"][0]["delta"] for chunk in others if chunk["choices"]]
    assert sum("reasoning_content" in delta for delta in deltas) == kinds.count("reason")
    assert sum("tool_calls" in delta for delta in deltas) == kinds.count("call")


@given(text=st.text(min_size=1), data=st.data())
async def test_a_character_may_come_in_two_chunks(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    cut = 2 * data.draw(st.integers(0, len(units) // 2))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:cut], units[cut:])]
    wire = [f"data: {json.dumps(piece)}\n\n".encode() for piece in (*map(says, halves), ends())]

    assert said(await read(*wire)) == text


async def test_words_in_place_of_an_answer_are_an_error_if_they_name_a_failure() -> None:
    with pytest.raises(openai.APIError, match="Too Many Requests") as caught:
        await read(b"Too Many Requests\n")
    assert classify_error(caught.value).rate_limited
    with pytest.raises(openai.APIConnectionError, match="ended early"):
        await read(b"<html>\nWelcome!")


@pytest.mark.parametrize(
    "broken", ['{"choices": [', '{"choices": [}', '["a", "b"]', '{"choices": [{"index": 0']
)
async def test_broken_json_is_no_ping(broken: str) -> None:
    after = f"data: {json.dumps(ends())}\n\n".encode()

    with pytest.raises(BrokenStream):
        await read(f"data: {broken}\n\n".encode(), after)
    with pytest.raises(BrokenStream):
        await read(f"data: {broken}\n".encode())


async def test_an_answer_whose_usage_never_comes_is_whole() -> None:
    alive = [b": ping\n\n", {"choices": []}]
    lingers = [says("Hello."), {**ends(), "usage": None}, *alive, End.OPEN]
    async with (
        scripted_model(lingers) as model,
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{model.base_url}/chat/completions", json={}) as response,
    ):
        read = read_chunks(response.aiter_bytes(), response.request, usage_seconds=0.05)
        came = [chunk async for chunks in read for chunk in chunks]
        assert [chunk["choices"] for chunk in came if isinstance(chunk, dict)] == [
            says("Hello.")["choices"],
            ends()["choices"],
            [],
        ]


async def test_an_answer_may_go_on_after_a_finish_reason_and_the_last_one_counts(
    bench: Bench,
) -> None:
    def word(text: str) -> dict[str, object]:
        # some providers tell a reason with every chunk
        choice = {**says(text)["choices"][0], "finish_reason": "stop"}
        return {**ends(), "usage": None, "choices": [choice]}

    async with scripted_model([word("Hel"), word("lo."), ends("lunch")]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    note = "[The answer ends here: the model's provider gives the reason “lunch”.]"
    assert text_of(events) == f"Hello.\n\n{note}"


def lines_of(*pieces: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.split(piece)] + splitter.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_blank_lines_that_follow_each_other_cost_no_line_each(end: bytes) -> None:
    blank = end * 100_000
    assert len(lines_of(b"data: 1" + blank + b"data: 2" + blank, blank)) < 10


@pytest.mark.parametrize(
    "line", [b"data:\n", b":\n", b"x\n", b"data: {}\n", f"data: {json.dumps(says('a'))}\n".encode()]
)
async def test_many_lines_at_once_leave_the_loop_to_others(line: bytes) -> None:
    others = 0

    async def others_work() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(others_work())
    await read(line * 20_000 + f"data: {json.dumps(ends())}\n\n".encode())
    working.cancel()
    assert others >= 50


def test_an_answer_of_more_lines_than_any_has_is_broken() -> None:
    with pytest.raises(BrokenStream):
        lines_of(*[b"x\n" * (MAX_LINES // 2 + 1)] * 2)


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_details": [{"a": "b"}] * 30_000},
        {"x": [[]] * 30_000},
        {"tool_calls": [{"index": 0, "function": {"name": "t"}, "x": [0] * 30_000}]},
        {"content": [{"type": "text", "text": ""}] * 15_000},
    ],
)
async def test_an_event_of_more_values_than_a_completion_has_is_broken(
    delta: dict[str, Any],
) -> None:
    chunk = {"choices": [{"index": 0, "delta": delta}]}
    with pytest.raises(BrokenStream):
        await read(f"data: {json.dumps(chunk)}\n\n".encode())


async def test_a_long_text_is_no_event_of_many_values() -> None:
    text = '{"a": [1, 2, 3]}, ' * 50_000
    wire = f"data: {json.dumps(says(text))}\n\ndata: {json.dumps(ends())}\n\n"
    assert said(await read(wire.encode())) == text
