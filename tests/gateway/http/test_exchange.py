"""An exchange that fails: refused while nothing was sent, and cut off afterwards."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.http import exchange
from gateway.http.exchange import Send
from gateway.http.refusal import Refusal


class Broken(Exception):
    pass


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
