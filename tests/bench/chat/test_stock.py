"""The plainest agent of LangGraph, on the benchmark's model server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bench.chat import peers, stock
from bench.chat.provider import open_server
from bench.chat.stock_graph import build_graph


@pytest_asyncio.fixture
async def model() -> AsyncIterator[str]:
    async with await open_server(0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def said(graph: Any, text: str) -> list[str]:
    return [word async for word in stock.answer(graph, text)]


async def test_the_stock_agent_streams_each_token(model: str) -> None:
    assert await said(build_graph(model), "<<tokens=3>> go on") == [
        " word000", " word001", " word002",
    ]  # fmt: skip


async def test_the_peers_serve_the_stock_agent(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_MODEL", model)
    served: dict[str, Any] = {}
    exec(compile(peers.graph_source(), "graph.py", "exec"), served)
    assert len(await said(served["graph"], "<<tokens=3>> go on")) == 3
