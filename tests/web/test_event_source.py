"""The browser's own EventSource on the gateway's streams, which no header can be given to."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
import httpx2
import pytest_asyncio
from google.protobuf.message import Message
from playwright.async_api import Browser, Page
from rota.chat.v1 import chat_pb2 as cp

from tests.gateway.replicas import Replica, front, serving
from tests.support.calls import event_stream
from tests.web.browser import opened
from tests.web.cable import Cable, cable
from tests.web.site import Site

# What a page does that follows a stream: a ticket, and what the EventSource says.
_FOLLOW = """async ([token, path]) => {
  const answer = await fetch("/v1/streamTickets", {
    method: "POST",
    headers: {authorization: `Bearer ${token}`, "content-type": "application/json"},
    body: JSON.stringify({path}),
  });
  const {url} = await answer.json();
  const source = new EventSource(url);
  window.told = {messages: [], statuses: [], opened: 0, state: () => source.readyState};
  source.onopen = () => { told.opened += 1; };
  source.onmessage = (event) => told.messages.push([event.lastEventId, event.data]);
  source.addEventListener("status", (event) => told.statuses.push(JSON.parse(event.data)));
}"""
_CLOSED = "() => told.state() === EventSource.CLOSED"


@pytest_asyncio.fixture(loop_scope="session")
async def wire(stack: Site) -> AsyncIterator[Cable]:
    port = urlsplit(stack.url).port
    assert port
    async with cable(port, b":watch") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def window(wire: Cable, browser: Browser) -> AsyncIterator[Page]:
    page = await opened(browser)
    await page.goto(f"http://127.0.0.1:{wire.port}/")
    yield page
    await page.context.close()


async def turn(stack: Site, workspace: str) -> tuple[str, list[Any]]:
    """A turn that has ended, and its frames as another client reads them."""
    headers = {"authorization": f"Bearer {stack.token(workspace)}"}
    said = {"message": {"parts": [{"text": "hello there"}]}, "request_id": str(uuid4())}
    async with httpx2.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        path = f"/v1/workspaces/{workspace}/threads/-:sendMessage"
        answer = await client.post(path, json=said)
    frames = event_stream.messages(answer.text.splitlines())
    return frames[0]["started"]["turn"], frames


async def test_a_stream_that_breaks_goes_on_without_loss_and_ends_for_good(
    stack: Site, wire: Cable, window: Page
) -> None:
    workspace = f"w{uuid4().hex[:12]}"
    name, frames = await turn(stack, workspace)
    wire.breaks = [1500]
    await window.evaluate(_FOLLOW, [stack.token(workspace), f"/v1/{name}:watch"])
    await window.wait_for_function(_CLOSED)
    told = await window.evaluate("() => told")
    assert [json.loads(data) for _, data in told["messages"]] == frames
    assert [int(seen) for seen, _ in told["messages"]] == [one["sequence"] for one in frames]
    assert told["statuses"] == []
    # The break, the stream to its end, and the last try, which is told that nothing comes.
    assert wire.seen == 3


async def test_a_failure_that_passes_is_read_and_one_that_stays_ends_the_tries(
    browser: Browser, tmp_path: Path
) -> None:
    replica = Replica()

    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        asked = cp.WatchTurnRequest.FromString(replica.requests["ChatService/WatchTurn"])
        if asked.after_sequence:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such turn")
        yield cp.TurnEvent(sequence=1, text_delta=cp.TextDelta(text="a"))
        yield cp.TurnEvent(sequence=1, heartbeat=cp.Heartbeat())
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    replica.frames = frames
    with serving(replica), front(tmp_path, [replica.address]) as gateway:
        page = await opened(browser)
        await page.goto(gateway.url)
        token = gateway.auth()["authorization"].removeprefix("Bearer ")
        path = "/v1/workspaces/w/threads/t/turns/u:watch"
        await page.evaluate(_FOLLOW, [token, path])
        await page.wait_for_function(_CLOSED)
        told = await page.evaluate("() => told")
        await page.context.close()
    assert [seen for seen, _ in told["messages"]] == ["1"]
    assert [status["code"] for status in told["statuses"]] == [14]
    assert told["statuses"][0]["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
    assert replica.calls["ChatService/WatchTurn"] == 2
