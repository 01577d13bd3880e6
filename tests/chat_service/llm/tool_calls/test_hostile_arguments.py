"""Arguments of calls that would keep the service busy: each is read in a time of its size."""

from collections.abc import Iterator
from typing import Any

import pytest

from chat_service.llm.chat_model import CallProgress, ResponseChunk
from chat_service.llm.tool_calls.assembler import MAX_NAME, ToolCallAssembler, ToolCallChunk
from tests.chat_service.agent_bench import Bench
from tests.support.model_providers.scripted_model import DONE, call, calls, ends, scripted_model

SIZE = 300_000
ARGUMENTS = {
    "slashes": "/" * SIZE,
    "fences": "[A_]" * (SIZE // 4),
    "open brackets": "[" * SIZE,
    "open objects": '{"a":' * (SIZE // 5),
    "a value that is none": '{"a":' + "x" * SIZE,
    "quotes": '"' * SIZE,
    "backslashes": '{"a":"' + "\\" * SIZE,
    "commas": "{}" + "," * SIZE,
    "comments": "/*" * (SIZE // 2),
    "fence marks": "`" * SIZE,
    "tags": "</tool_call>" * (SIZE // 12),
    "blanks": " " * SIZE,
    "doubled": '{"a": 1}' * (SIZE // 8),
    "a whole text": '{"a": "' + "b" * SIZE + '"}',
    "numbers": "[" + "1" * SIZE,
}


def pieces(text: str, count: int) -> Iterator[str]:
    size = -(-len(text) // count)
    return (text[at : at + size] for at in range(0, len(text), size))


def replies(text: str, count: int, *, named: bool) -> list[Any]:
    """One call in so many chunks; `named` ones say the tool's name each time, and no id."""
    first, *more = pieces(text, count)
    begins = call("act", first) if named else call("act", first, id="c", index=0)
    rest = [call("act" if named else "", one, **({} if named else {"index": 0})) for one in more]
    return [*(calls(one) for one in [begins, *rest]), ends("tool_calls"), DONE]


@pytest.mark.parametrize("kind", ARGUMENTS)
async def test_hostile_arguments_are_read_to_their_end(bench: Bench, kind: str) -> None:
    """A reader whose time grows with the square of their size would take hours."""
    text, heard = ARGUMENTS[kind], list[ToolCallChunk]()

    def hear(chunk: ResponseChunk) -> None:
        if isinstance(chunk, ToolCallChunk):
            heard.append(chunk)

    whole = replies(text, 1, named=False)
    async with scripted_model(
        whole, replies(text, 100, named=False), replies(text, 100, named=True)
    ) as model:
        bench.ask_at(model.base_url)
        for _ in range(3):
            await bench.model().answer([], progress=CallProgress(), on_chunk=hear)
            assert "".join(chunk.args for chunk in heard) == text
            heard.clear()


def test_a_name_without_an_end_is_refused() -> None:
    assembler = ToolCallAssembler(set())
    with pytest.raises(ValueError, match="no tool"):
        for number in range(MAX_NAME):
            assembler.take({"tool_calls": [{"index": 0, "function": {"name": f"{number}_"}}]})
