"""A scripted server, and clients of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from rota_client import RotaClient
from rota_client.calls import RetryPolicy
from tests.clients.command import editor, rota_command
from tests.clients.peer import TOKEN, Peer, serving
from tests.clients.scripted_chat import WORKSPACE

__all__ = ["editor", "rota_command"]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as served:
        yield served


@pytest.fixture
async def rota(peer: Peer) -> AsyncIterator[RotaClient]:
    retry_policy = RetryPolicy(first_wait=0.01, longest_wait=0.05)
    async with RotaClient(peer.address, TOKEN, WORKSPACE, retry_policy=retry_policy) as client:
        yield client
