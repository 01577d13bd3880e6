"""A model that refuses in the middle: another goes on, or the turn says how long to wait."""

from typing import Any

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from shared.rpc import status
from tests.chat_service.conftest import Serving
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model
from tests.support.system.chat import (
    SCHEDULE,
    START,
    Chat,
    approval_of,
    approve,
    kinds,
    said,
    thread_of,
)

DROPPED = "the connection to the model's provider broke"
GONE = "the model's provider knows no such model (status 404, code model_not_found)"
FAILED = "the model's provider failed (status 500, code server_error)"
NO_CREDIT = "the account at the model's provider has no credit left (status 402, code server_error)"
BOTH = (model(-1, "demo-a"), model(-2, "demo-b"))


def asked(demo: DemoServer) -> list[str]:
    return [seen.model for seen in demo.controls.log("chat")]


def reroutes(events: list[pb.TurnEvent]) -> list[tuple[int, int, str]]:
    found = [e.model_rerouted for e in events if e.HasField("model_rerouted")]
    return [(one.previous_model_config_id, one.model_config_id, one.reason) for one in found]


def standing(events: list[pb.TurnEvent]) -> str:
    """The text that was not retracted."""
    blocks: dict[int, str] = {}
    for event in events:
        match event.WhichOneof("event"):
            case "text_delta":
                delta = event.text_delta
                blocks[delta.block] = blocks.get(delta.block, "") + delta.text
            case "text_retracted":
                gone = event.text_retracted.from_block
                blocks = {n: text for n, text in blocks.items() if n < gone}
            case _:
                pass
    return "".join(text for _, text in sorted(blocks.items()))


def text_of(message: pb.Message) -> str:
    return "".join(part.text for part in message.parts)


async def cooling(chat: Chat) -> dict[int, Any]:
    t = tables.model_cooldowns
    async with chat.engine.connect() as connection:
        return {row.model_config_id: row.until for row in await connection.execute(sa.select(t))}


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("demo-limited", "the model is rate limited"),
        ("demo-mid429", "the model is rate limited"),
        ("demo-drop", DROPPED),
        ("gone", GONE),
    ],
)
async def test_another_model_goes_on_and_says_nothing_twice(
    serve: Serving, demo: DemoServer, first: str, reason: str
) -> None:
    chat = await serve(model(-1, first), model(-2, "demo-b"))
    events = await chat.send("<<tokens=12>> go on")
    assert reroutes(events) == [(-1, -2, reason)]
    assert events[-1].HasField("completed")
    assert len(standing(events).split()) == 12
    assert text_of(events[-1].completed.message) == standing(events)
    assert asked(demo)[-1] == "demo-b"
    assert (await chat.turn(events[0].started.turn)).model_config_id == -2


async def test_a_limited_model_cools_down_and_one_that_failed_does_not(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(3, status=500, kind="chat")
    await chat.send("hello")
    assert await cooling(chat) == {}
    demo.controls.fail(3, status=429, kind="chat")
    await chat.send("hello")
    assert [(k, (v - START).total_seconds()) for k, v in (await cooling(chat)).items()] == [
        (-1, 600)
    ]


async def test_a_model_whose_account_is_refused_is_not_asked_first_by_every_turn(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(1, status=402, kind="chat")
    first = await chat.send("hello", model_config_id=-1)
    told = status.from_status(first[-1].failed.status)
    assert told.message == NO_CREDIT
    assert (told.metadata["status"], told.metadata["account"]) == ("402", "refused")
    assert await cooling(chat) == {}

    demo.controls.fail(1, status=402, kind="chat")
    rerouted = await chat.send("hello")
    assert reroutes(rerouted) == [(-1, -2, NO_CREDIT)]
    (frame,) = [e.model_rerouted for e in rerouted if e.HasField("model_rerouted")]
    assert dict(frame.metadata) == {"status": "402", "code": "server_error", "account": "refused"}
    assert list(await cooling(chat)) == [-1]
    assert reroutes(await chat.send("hello")) == []
    assert asked(demo) == ["demo-a", "demo-a", "demo-b", "demo-b"]


async def test_a_long_wait_that_the_provider_asks_for_is_kept(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(1, retry_after=1800, kind="chat")
    assert reroutes(await chat.send("hello"))
    assert (await cooling(chat))[-1].timestamp() - START.timestamp() == 1800


async def test_each_eligible_model_is_tried_once_then_the_turn_says_how_long_to_wait(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH, model(-3, "demo-c"), model(-4, "demo-d", auto_eligible=False))
    demo.controls.fail(99, kind="chat", retry_after=40)
    events = await chat.send("hello")
    assert [(was, to) for was, to, _ in reroutes(events)] == [(-1, -2), (-2, -3)]
    error = status.from_status(events[-1].failed.status)
    assert error.reason == "MODEL_RATE_LIMITED"
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() == 40
    assert set(asked(demo)) == {"demo-a", "demo-b", "demo-c"}


@pytest.mark.parametrize(("code", "reason"), [(429, "RATE_LIMITED"), (500, "UNAVAILABLE")])
async def test_an_explicit_choice_is_never_replaced(
    serve: Serving, demo: DemoServer, code: int, reason: str
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(3, status=code, kind="chat")
    events = await chat.send("hello", model_config_id=-1)
    assert reroutes(events) == []
    error = status.from_status(events[-1].failed.status)
    assert error.reason == f"MODEL_{reason}"
    assert (error.retry_after is not None) == (code == 429)
    assert await cooling(chat) == {}
    assert set(asked(demo)) == {"demo-a"}


async def test_what_was_typed_is_kept_when_the_turn_fails(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(model(-1, "demo-drop"))
    events = await chat.send("<<tokens=12>> go on")
    assert events[-1].HasField("failed")
    found = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=thread_of(events)), metadata=chat.metadata
    )
    assert [text_of(message) for message in found.messages] == [
        standing(events),
        "<<tokens=12>> go on",
    ]
    assert standing(events)


async def test_tools_that_were_called_are_not_called_again(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    first = await chat.send(SCHEDULE)
    approval = approval_of(first)
    demo.controls.fail(3, kind="chat")
    after = await chat.resume(approval.turn, approve(approval))
    assert reroutes(after) == [(-1, -2, "the model is rate limited")]
    assert kinds(after).count("tool_call_finished") == 1
    assert after[-1].HasField("completed")
    assert len(demo.controls.log("drafter")) == 1
    tools = [p.tool_call for p in after[-1].completed.message.parts if p.HasField("tool_call")]
    assert [tool.tool for tool in tools] == ["create_automation"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(429, "the model is rate limited"), (500, FAILED)],
)
async def test_another_model_drafts_when_one_refuses_to(
    serve: Serving, demo: DemoServer, code: int, reason: str
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(3, status=code, kind="drafter")

    events = await chat.send(SCHEDULE)

    assert reroutes(events) == [(-1, -2, reason)]
    assert kinds(events).count("tool_call_started") == 1
    assert kinds(events).count("approval_requested") == 1
    assert [seen.model for seen in demo.controls.log("drafter")] == ["demo-a"] * 3 + ["demo-b"]
    assert list(await cooling(chat)) == ([-1] if code == 429 else [])
    approval = approval_of(events)
    after = await chat.resume(approval.turn, approve(approval))
    assert after[-1].HasField("completed")


async def test_another_model_revises_when_one_refuses_to(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(*BOTH)
    approval = approval_of(await chat.send(SCHEDULE))
    await chat.resume(approval.turn, approve(approval))
    demo.controls.fail(3, kind="drafter")

    events = await chat.send("change summarise the news to 10:30")

    assert reroutes(events) == [(-1, -2, "the model is rate limited")]
    assert approval_of(events).action_type == "automation_update"


async def test_a_draft_that_no_model_gives_says_how_long_to_wait(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(99, kind="drafter", retry_after=40)

    events = await chat.send(SCHEDULE)

    error = status.from_status(events[-1].failed.status)
    assert error.reason == "MODEL_RATE_LIMITED"
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() == 40


async def test_a_call_that_a_later_segment_answered_is_told_once_in_the_next_turn(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    approval = approval_of(await chat.send(SCHEDULE))
    after = await chat.resume(approval.turn, approve(approval))
    await chat.send("thanks", name=thread_of(after))
    assert demo.controls.log("chat")[-1].roles == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


async def test_text_before_a_tool_stands_when_the_call_after_it_is_refused(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(*BOTH)
    events = await chat.send('<<calls=[{"name": "now", "args": {}}]>> which?')
    assert "tool_call_finished" in kinds(events)
    demo.controls.reset()
    thread = thread_of(events)
    demo.controls.hold(after=1, kind="chat")
    call = chat.stream('<<calls=[{"name": "now", "args": {}}]>> which?', name=thread)
    frames = aiter(call)
    await anext(frames)
    await demo.controls.until_held()
    demo.controls.fail(3, kind="chat")
    demo.controls.release()
    again = [e async for e in frames]
    assert [(was, to) for was, to, _ in reroutes(again)] == [(-1, -2)]
    assert not [e for e in again if e.HasField("text_retracted")]
    assert kinds(again).count("tool_call_finished") == 1
    assert again[-1].HasField("completed")


async def test_a_model_that_left_the_file_is_replaced_when_auto(
    serve: Serving, demo: DemoServer
) -> None:
    both = serve.write(*BOTH)
    async with serve.start(models_file=both) as first:
        demo.controls.hold(after=3, kind="chat")
        call = first.stream("<<tokens=9>> go on")
        turn = (await anext(aiter(call))).started.turn
        await demo.controls.until_held()
    demo.controls.release()
    second = await serve(model(-2, "demo-b"))
    events = await second.watch(turn)
    assert reroutes(events) == [(-1, -2, "the model is no longer configured")]
    assert text_of(events[-1].completed.message) == standing(events)
    assert len(standing(events).split()) == 9


async def test_a_turn_taken_over_after_a_reroute_stays_with_the_new_model(
    serve: Serving, demo: DemoServer
) -> None:
    models = serve.write(model(-1, "demo-limited"), model(-2, "demo-b"))
    async with serve.start(models_file=models) as first:
        demo.controls.hold(after=3, kind="chat")
        call = first.stream("<<tokens=9>> go on")
        turn = (await anext(aiter(call))).started.turn
        await demo.controls.until_held()
    demo.controls.release()
    before = len(asked(demo))
    second = await serve(models_file=models)
    events = await second.watch(turn)
    assert asked(demo)[before:] == ["demo-b"]
    assert len(reroutes(events)) == 1
    assert len(standing(events).split()) == 9


async def test_usage_is_told_of_each_model(serve: Serving, demo: DemoServer) -> None:
    prices = {"input_price": 1_000_000, "output_price": 2_000_000}
    chat = await serve(model(-1, "demo-a", **prices), model(-2, "demo-b", **prices))
    approval = approval_of(await chat.send(SCHEDULE))
    demo.controls.fail(3, kind="chat")
    await chat.resume(approval.turn, approve(approval))
    usage = (await chat.turn(approval.turn)).usage
    assert sorted(one.model for one in usage.by_model) == ["demo-a", "demo-b"]
    for one in usage.by_model:
        assert one.cost_micros == one.input_tokens + 2 * one.output_tokens
    assert usage.cost_micros == sum(one.cost_micros for one in usage.by_model)


async def test_a_task_that_names_no_model_goes_on_with_another(
    serve: Serving, demo: DemoServer, keys: Keys
) -> None:
    chat = await serve(*BOTH)
    headers = keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace="w"
    )
    demo.controls.fail(3, kind="task")
    request = agent_pb2.RunTaskRequest(
        workspace="workspaces/w",
        on_behalf_of="users/ada",
        prompt="say hello",
        request_id="run:step:1",
    )
    events = [e async for e in chat.agent.RunTask(request, metadata=headers)]
    assert events[-1].result.text
    assert not events[-1].result.HasField("error")
    assert [seen.model for seen in demo.controls.log("task")][-1] == "demo-b"


async def test_a_retry_says_so_and_is_not_a_reroute(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(*BOTH)
    demo.controls.fail(1, kind="chat")
    events = await chat.send("hello")
    assert "retrying" in kinds(events)
    assert reroutes(events) == []
    assert said(events) == standing(events)
