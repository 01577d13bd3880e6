"""An exchange that fails: refused while nothing was sent, and cut off afterwards."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from google.rpc import code_pb2

from gateway.http import exchange
from gateway.http.exchange import Send
from gateway.http.refusal import Refusal


class Broken(Exception):
    pass


async def test_a_body_that_never_ends_is_refused_in_time() -> None:
    parts = asyncio.Queue[MutableMapping[str, Any]]()
    parts.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    with pytest.raises(Refusal) as refused:
        await exchange.read_body(parts.get, seconds=0.01)
    assert (refused.value.http, refused.value.status.code) == (408, code_pb2.DEADLINE_EXCEEDED)


@pytest.mark.parametrize("begun", [False, True])
async def test_what_fails_is_answered_once(begun: bool) -> None:
    sent: list[MutableMapping[str, Any]] = []
    refusals: list[Refusal] = []

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    async def refused(refusal: Refusal) -> None:
        refusals.append(refusal)

    async def serve(send: Send) -> None:
        if begun:
            await send(exchange.start(200, {}))
        raise Broken

    await exchange.complete(serve, refused, send)
    assert len(sent) == begun
    assert [one.http for one in refusals] == ([] if begun else [500])
