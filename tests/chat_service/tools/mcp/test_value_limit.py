"""Answers of MCP servers with too many values: left out before they are read, and said to be."""

import asyncio
import json
import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from chat_service.runtime.models_file import McpServer
from chat_service.tools.mcp import value_limit
from chat_service.tools.mcp.value_limit import ValueCount, exceeds_values
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, looked
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp, text, tool

MOST = 300
SAID = f"the answer has more than {MOST} values and is left out; it may have done it or not"
ANSWERS = {
    "objects": text("", structuredContent={"all": [{}] * MOST}),
    "blocks": {"result": {"content": [{"type": "text", "text": ""}] * MOST}},
}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_limit, "MAX_VALUES", MOST)


@pytest.mark.parametrize("streams", [False, True], ids=["body", "events"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_with_too_many_values_is_left_out(
    bench: Bench, name: str, streams: bool
) -> None:
    odd = OddMcp(answer=lambda _: ANSWERS[name], streams_answers=streams)
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url, approval="never"))
        (result,) = finished(await bench.all(calling("odd_act"), agent=agent_with(bench, tools)))

    assert (result.ok, result.output["reason"]) == (False, "may_have_run")
    assert result.output["message"] == f"odd: {SAID}"


async def test_a_page_with_too_many_tools_is_left_out() -> None:
    odd = OddMcp(pages=[[tool(f"t{n}") for n in range(MOST)]])
    async with served(odd) as url:
        with capture_logs() as logs:
            tools = await looked(McpServer(id="odd", url=url))

    assert not tools.capabilities()
    assert [line["event"] for line in logs] == ["mcp_answer_left_out", "mcp_server_unreachable"]


_PROCESS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    tools = [{"name": "act", "inputSchema": {"type": "object"}}]
    told = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "p", "version": "1"},
        },
        "tools/list": {"tools": tools},
        "tools/call": {"content": [], "structuredContent": {"all": [{}] * 1000}},
    }
    if "id" in asked:
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": told[asked["method"]]}
        print(json.dumps(answer), flush=True)
"""


async def test_a_line_with_too_many_values_is_left_out(bench: Bench) -> None:
    command = [sys.executable, "-c", _PROCESS]
    tools = await looked(McpServer(id="odd", command=command, approval="never"))
    async with asyncio.timeout(60):
        (result,) = finished(await bench.all(calling("odd_act"), agent=agent_with(bench, tools)))

    assert result.output["message"] == f"odd: {SAID}"


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize(
    ("value", "exceeds"),
    [
        ('[{,\\"' * MOST * 2, False),
        (["\\"] * (MOST - 1), False),
        (["\\"] * (MOST + 1), True),
        ([{}] * MOST, True),
        ({str(n): n for n in range(MOST + 1)}, True),
        ([], False),
    ],
)
def test_values_are_counted_outside_of_strings(value: Any, exceeds: bool, size: int) -> None:
    said = json.dumps(value).encode()
    count = ValueCount()
    pieces = [said[at : at + size] for at in range(0, len(said), size)]

    assert any(count.exceeds(piece) for piece in pieces) is exceeds
    assert exceeds_values(said) is exceeds
