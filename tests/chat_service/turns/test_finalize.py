"""The end of a segment: no way out leaves it unwritten, and each is told in the log."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb
from structlog.testing import capture_logs

from chat_service.agent.agent import Agent
from chat_service.persistence import tables
from chat_service.runtime.events import TextDelta, ToolCallStarted
from chat_service.turns import segment_run
from chat_service.turns.finalize import finalize
from chat_service.turns.segment import Segment
from devstack.demo_model import DemoServer
from shared.rpc import status
from tests.chat_service.conftest import Serving
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.suite.logs import configure_logs
from tests.support.system.chat import PATIENT, SCHEDULE, Chat, kinds, thread_of

PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
PREMIUM = model(-1, "demo-a", premium=True, **PRICE)

AT_ONCE = replace(PATIENT, finish_retry_interval=0.0)


async def settled(chat: Chat) -> list[int]:
    t = tables.credit_reservations
    async with chat.engine.connect() as connection:
        rows = list(await connection.execute(sa.select(t)))
    assert all(row.settle_time is not None for row in rows)
    return [row.used_micros for row in rows]


async def test_an_end_that_can_not_be_written_is_written_again(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await serve(PREMIUM, timeouts=AT_ONCE)
    failures = [ConnectionError("away"), ConnectionError("still away")]

    async def flaky(*args: Any) -> Any:
        ended = await finalize(*args) if not failures else False
        if failures:
            raise failures.pop()
        return ended

    monkeypatch.setattr(segment_run, "finalize", flaky)
    events = await chat.send("hello")
    assert kinds(events)[-2:] == ["usage", "completed"]
    assert await settled(chat) == [events[-2].usage.cost_micros]


async def test_what_the_database_refuses_to_hold_is_cleaned_and_the_turn_ends(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await serve(PREMIUM, timeouts=AT_ONCE)

    async def unstorable(self: Any, **asked: Any) -> Any:
        yield TextDelta(block=0, text="Hello.")
        yield ToolCallStarted(block=0, tool_call_id="c\0", tool="te\0le")

    monkeypatch.setattr(Agent, "stream", unstorable)
    events = await chat.send("hello")
    assert status.from_status(events[-1].failed.status).reason == "INTERNAL"
    found = await chat.turn(events[0].started.turn)
    assert found.state == pb.Turn.FAILED
    assert len(await settled(chat)) == 1
    stored = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread_of(events)), metadata=chat.metadata
    )
    text, called = stored.messages[0].parts
    assert (text.text, called.tool_call.tool) == ("Hello.", "te\ufffdle")


async def test_a_turn_ends_even_when_nothing_it_said_can_be_stored(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await serve(PREMIUM, timeouts=AT_ONCE)

    async def picky(*args: Any) -> Any:
        segment = next(arg for arg in args if isinstance(arg, Segment))
        if segment.message.parts():
            raise ValueError("not this")
        return await finalize(*args)

    monkeypatch.setattr(segment_run, "finalize", picky)
    events = await chat.send("hello")
    assert status.from_status(events[-1].failed.status).reason == "INTERNAL"
    assert (await chat.turn(events[0].started.turn)).state == pb.Turn.FAILED


async def test_a_fault_of_our_own_ends_the_turn_and_settles_it(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await serve(PREMIUM)

    async def broken(self: Any, **asked: Any) -> Any:
        raise RuntimeError("a fault of our own")
        yield

    monkeypatch.setattr(Agent, "stream", broken)
    events = await chat.send("hello")
    error = status.from_status(events[-1].failed.status)
    assert error.reason == "INTERNAL"
    assert "fault" not in error.message
    found = await chat.turn(events[0].started.turn)
    assert found.state == pb.Turn.FAILED
    assert len(await settled(chat)) == 1
    thread = await chat.stub.GetThread(
        pb.GetThreadRequest(name=thread_of(events)), metadata=chat.metadata
    )
    assert thread.open_turn == ""


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        ("hello", "completed", ""),
        (SCHEDULE, "suspended", ""),
        ("<<status=400>> hello", "failed", "MODEL_UNAVAILABLE"),
    ],
)
async def test_how_a_segment_ended_is_in_the_log(
    chat: Chat, text: str, outcome: str, reason: str
) -> None:
    configure_logs()
    with capture_logs() as logs:
        events = await chat.send(text)
    (ended,) = [line for line in logs if line["event"] == "turn_ended"]
    told = {key: ended[key] for key in ("turn", "flow", "workspace", "config", "rerouted")}
    assert told == {
        "turn": events[0].started.turn,
        "flow": "new_chat",
        "workspace": "w",
        "config": -1,
        "rerouted": False,
    }
    assert (ended["outcome"], ended["reason"]) == (outcome, reason)


async def test_a_reroute_is_in_the_log_of_the_end(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(model(-1, "demo-limited"), model(-2, "demo-b"))
    configure_logs()
    with capture_logs() as logs:
        await chat.send("hello")
    (ended,) = [line for line in logs if line["event"] == "turn_ended"]
    assert (ended["outcome"], ended["rerouted"], ended["config"]) == ("completed", True, -2)


async def test_what_a_cancelled_turn_said_and_used_is_kept(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(PREMIUM)
    first = await chat.send("hello")
    demo.controls.hold(after=4, kind="chat")
    call = chat.stream("<<tokens=50>> go on", name=thread_of(first))
    frames = aiter(call)
    events = [await anext(frames)]
    while "text_delta" not in kinds(events):
        events.append(await anext(frames))
    request = pb.CancelTurnRequest(name=events[0].started.turn)
    await chat.stub.CancelTurn(request, metadata=chat.metadata)
    events += [e async for e in frames]
    assert events[-1].HasField("cancelled")
    found = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread_of(events)), metadata=chat.metadata
    )
    said = "".join(e.text_delta.text for e in events if e.HasField("text_delta"))
    assert found.messages[0].parts[0].text == said
    assert len(await settled(chat)) == 2


@pytest.mark.parametrize("told", [2**63, 2**70, 0.5, "many", -1])
async def test_counts_that_can_not_be_so_end_the_turn_all_the_same(
    serve: Serving, told: Any
) -> None:
    usage = {"prompt_tokens": told, "completion_tokens": told, "total_tokens": told}

    def answer(body: dict[str, Any]) -> Reply:
        first = body["messages"][-1]["role"] == "user" and "tools" in body
        said = calls(call("list_automations", "{}", index=0, id="c")) if first else says("Done.")
        return [said, {**ends("tool_calls" if first else "stop"), "usage": usage}, DONE]

    async with scripted_model(answer=answer) as provider:
        chat = await serve({**PREMIUM, "base_url": provider.base_url}, credit=10**18)
        events = await chat.send("hello")
        assert events[-1].HasField("completed")
        used = events[-2].usage
        assert used.model_calls == 3  # two of the turn, one for its title
        assert 0 <= used.input_tokens < 2**53
        assert used.cost_micros >= 0
        assert (await chat.turn(events[0].started.turn)).usage == used
        assert await settled(chat) == [used.cost_micros]
