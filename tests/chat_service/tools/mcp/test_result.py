"""Results of MCP tools keep their text, whatever block it is in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import CallToolResult

from chat_service.tools.mcp.result import read_error, read_output, read_text

NOTE = {"uri": "note://1", "mimeType": "text/plain", "text": "the note"}
BLOCKS: list[tuple[dict[str, Any], str]] = [
    ({"type": "text", "text": "plain"}, "plain"),
    ({"type": "resource", "resource": NOTE}, "[resource: note://1]\nthe note"),
    (
        {"type": "resource", "resource": {"uri": "b://1", "mimeType": "a/b", "blob": "AAAA"}},
        "[resource: b://1, a/b, 3 bytes]",
    ),
    (
        {"type": "resource", "resource": {"uri": "b://1", "blob": "?"}},
        "[resource: b://1, not readable]",
    ),
    (
        {
            "type": "resource_link",
            "name": "n",
            "uri": "https://x.example/a",
            "description": "About a.",
        },
        "[n: https://x.example/a]\nAbout a.",
    ),
    (
        {"type": "resource_link", "name": "n", "title": "A page", "uri": "https://x.example/a"},
        "[A page: https://x.example/a]",
    ),
    ({"type": "image", "data": "AAAA", "mimeType": "image/png"}, "[image: image/png, 3 bytes]"),
    ({"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}, "[audio: audio/wav, 3 bytes]"),
]


def result(*blocks: dict[str, Any], **more: Any) -> CallToolResult:
    return CallToolResult.model_validate({"content": list(blocks), **more})


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


@pytest.mark.parametrize(("block", "said"), BLOCKS)
def test_each_kind_of_block_is_read(block: dict[str, Any], said: str) -> None:
    assert read_output(result(block)) == {"text": said}
    assert read_error(result(block, isError=True)) == said


def test_blocks_are_read_in_their_order() -> None:
    blocks, said = zip(*BLOCKS, strict=True)
    assert read_text(result(*blocks)) == "\n".join(said)


@pytest.mark.parametrize(
    ("structured", "said", "output"),
    [
        ({"n": 1}, '{"n": 1}', {"n": 1}),
        ({"n": 1}, '{ "n" : 1.0 }', {"n": 1}),
        ({"result": [1, 2]}, "[1, 2]", {"result": [1, 2]}),
        ({"n": 1}, "", {"n": 1}),
        ({"n": 1}, "one is there", {"n": 1, "text": "one is there"}),
        ({}, "nothing was found", {"text": "nothing was found"}),
        ({}, "", {}),
        ({"text": "a"}, "b", {"structured": {"text": "a"}, "text": "b"}),
        ({"n": 1}, "[" * 100_000, {"n": 1, "text": "[" * 100_000}),
    ],
)
def test_text_beside_structured_content_is_kept_unless_it_says_the_same(
    structured: dict[str, Any], said: str, output: dict[str, Any]
) -> None:
    blocks = [text(said)] if said else []
    assert read_output(result(*blocks, structuredContent=structured)) == output


def test_a_failure_without_a_text_says_its_structured_content() -> None:
    failed = result(structuredContent={"code": 7, "why": "zu früh"}, isError=True)
    assert read_error(failed) == '{"code": 7, "why": "zu früh"}'
    assert read_error(result(isError=True)) == ""


@given(
    st.lists(st.text(max_size=40), max_size=5),
    st.none() | st.dictionaries(st.text(), st.integers()),
)
def test_no_text_is_lost(said: list[str], structured: dict[str, int] | None) -> None:
    whole = result(*map(text, said), structuredContent=structured)
    output = read_output(whole)
    assert output.get("text") == read_text(whole) or output == structured
