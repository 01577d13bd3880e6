"""The plainest agent of LangGraph: `create_agent` on the stock chat model.

No tools, middleware or checkpointer, and no retries or timeout of chunks. The peers serve it, each
from a copy of this file in an environment of its own, so it imports nothing of the project.
"""

from typing import Any

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI


def build_graph(model: str) -> Any:
    """Returns the graph on the model server at `model`, an address with /v1."""
    chat = ChatOpenAI(
        model="bench",
        base_url=model,
        api_key="bench",
        max_retries=0,
        streaming=True,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
    )
    return create_agent(chat, [])
