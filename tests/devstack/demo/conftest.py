"""A demo model, and a client of it."""

from collections.abc import AsyncIterator

import openai
import pytest

from devstack.demo_model import DemoServer


@pytest.fixture
async def client(demo: DemoServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=demo.base_url, api_key="any", max_retries=0) as made:
        yield made
