"""`python -m bench.chat.stock JSON`: streams the plainest agent of LangGraph, without any server.

The graph is `bench.chat.stock_graph`, which the peers serve: `ChatOpenAI` in `create_agent`,
without tools, middleware, checkpoints or anything of this project, on the HTTP of OpenAI's client.
It is read by `astream` of messages, on uvloop, and nothing is stored. It prints and waits as
`bench.chat.inprocess` does.
"""

import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import orjson
import uvloop

from bench.chat import graph_load
from bench.chat.graph_load import GraphSpec
from bench.chat.load import Report
from bench.chat.stock_graph import build_graph


async def run(order: GraphSpec) -> Report:
    graph = build_graph(order.model)
    return await graph_load.run(order, lambda: answer(graph, order.text))


async def answer(graph: Any, text: str) -> AsyncIterator[str]:
    """Yields the texts of an answer to one message, without the empty ones."""
    asked = {"messages": [{"role": "user", "content": text}]}
    async for chunk, _ in graph.astream(asked, stream_mode="messages"):
        if chunk.content:
            yield chunk.content


def main() -> None:
    order = GraphSpec(**orjson.loads(sys.argv[1]))
    print(orjson.dumps(asdict(uvloop.run(run(order)))).decode(), flush=True)


if __name__ == "__main__":
    main()
