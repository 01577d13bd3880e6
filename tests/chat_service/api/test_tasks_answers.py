"""What a task's model answered, as the caller of RunTask hears it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import yaml
from rota.agent.v1 import agent_pb2 as pb
from rota.errors.v1 import errors_pb2

from devstack.demo_model import DemoServer
from shared.rpc import status
from shared.rpc.messages import struct
from tests.chat_service.api.test_tasks import asking, headers, run
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.system.chat import WORKSPACE, Chat

__all__ = ["headers"]

PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
NUMBER = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
TOO_LARGE: Reply = [says('{"id": 1234567890123456789}'), ends(), DONE]

Headers = list[tuple[str, str]]
Scripted = Callable[..., AbstractAsyncContextManager[tuple[Chat, ScriptedModel]]]


@pytest.fixture
def scripted(serve: Serving) -> Scripted:
    @contextlib.asynccontextmanager
    async def start(*replies: Reply, **more: Any) -> AsyncIterator[tuple[Chat, ScriptedModel]]:
        async with scripted_model(*replies) as provider:
            yield await serve(model(-1, "s", base_url=provider.base_url, **more)), provider

    return start


def reason(events: list[pb.TaskEvent]) -> str:
    return status.from_status(events[-1].result.error).reason


async def test_what_it_does_is_told_as_progress(chat: Chat, headers: Headers) -> None:
    events = await run(chat, headers, asking("what time is it?", tools=["now"]))

    assert [e.WhichOneof("event") for e in events] == ["started", "progress", "result"]
    assert [e.sequence for e in events] == [1, 2, 3]
    assert events[1].progress.title == "Calling now"
    assert events[-1].result.usage.model_calls == 2


async def test_what_led_up_to_an_answer_is_no_answer(scripted: Scripted, headers: Headers) -> None:
    looks = [says("Let me look."), calls(call("now", "{}", index=0, id="c")), ends(), DONE]
    async with scripted(looks, *[[ends(), DONE]] * 3) as (chat, _):
        events = await run(chat, headers, asking(tools=["now"]))

    result = events[-1].result
    assert (reason(events), result.text) == ("MODEL_UNAVAILABLE", "")
    assert result.usage.model_calls == 4


@pytest.mark.parametrize("why", ["length", "content_filter"])
@pytest.mark.parametrize("said", ["", "Half a sent"])
async def test_an_answer_that_was_cut_off_is_no_answer(
    scripted: Scripted, headers: Headers, why: str, said: str
) -> None:
    async with scripted([says(said), ends(why), DONE]) as (chat, _):
        request = asking()
        events = await run(chat, headers, request)
        assert await run(chat, headers, request) == events

    assert reason(events) == "MODEL_UNAVAILABLE"
    assert events[-1].result.usage.output_tokens == 5


async def test_an_answer_that_the_budget_cut_off_exceeds_it(
    scripted: Scripted, headers: Headers
) -> None:
    cut: Reply = [says("Half a sent"), ends("length"), DONE]
    async with scripted(cut, output_price=1_000_000) as (chat, provider):
        events = await run(chat, headers, asking(budget_micros=5))

    assert provider.asked[0]["max_completion_tokens"] == 5
    assert reason(events) == "BUDGET_EXCEEDED"
    assert events[-1].result.usage.cost_micros == 5


@pytest.mark.parametrize("named", ["", "demo-b"])
async def test_a_task_with_a_budget_uses_no_model_without_a_price(
    serve: Serving, headers: Headers, demo: DemoServer, named: str
) -> None:
    chat = await serve(model(-1, "demo-b"))
    refused = await refusal(
        chat.agent.RunTask(asking(budget_micros=10_000, model=named), metadata=headers)
    )
    assert refused.reason == "BUDGET_UNENFORCEABLE"
    assert not demo.controls.log()
    assert (await run(chat, headers, asking(model=named)))[-1].result.text


async def test_a_task_with_a_budget_is_given_a_model_with_a_price_or_one_that_is_free(
    serve: Serving, headers: Headers, demo: DemoServer
) -> None:
    free = {"input_price": 0, "output_price": 0}
    models = [model(-1, "demo-b"), model(-2, "demo-a", **PRICE), model(-3, "demo", **free)]
    chat = await serve(*models)
    for asked in (asking(), asking(budget_micros=10_000)):
        assert (await run(chat, headers, asked))[-1].result.text
    free_task = asking(budget_micros=10_000, model="demo")
    assert (await run(chat, headers, free_task))[-1].result.usage.cost_micros == 0
    assert [seen.model for seen in demo.controls.log()] == ["demo-b", "demo-a", "demo"]
    told = await chat.agent.ListCapabilities(pb.ListCapabilitiesRequest(), metadata=headers)
    assert [(list(m.names), m.priced, m.auto) for m in told.models] == [
        (["demo-b", "demo-b -1"], False, True),
        (["demo-a", "demo-a -2"], True, True),
        (["demo", "demo -3"], True, True),
    ]


async def test_a_budget_ends_a_task_between_its_calls(
    serve: Serving, headers: Headers, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a", **PRICE))
    enough = asking("what time is it?", tools=["now"], budget_micros=10_000)
    too_little = asking("what time is it?", tools=["now"], budget_micros=300)

    assert (await run(chat, headers, enough))[-1].result.text
    asked = len(demo.controls.log())
    assert reason(await run(chat, headers, too_little)) == "BUDGET_EXCEEDED"
    assert len(demo.controls.log()) == asked + 1


@pytest.mark.parametrize("auto_approve", [True, False])
async def test_a_tool_that_asks_a_person_acts_only_where_the_step_approves_of_it(
    serve: Serving, headers: Headers, auto_approve: bool
) -> None:
    path = serve.write(model(-1, "demo-a"))
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"tools": {"now": "always"}}))
    chat = await serve(models_file=path)
    request = asking("what time is it?", tools=["now"], auto_approve=auto_approve)

    events = await run(chat, headers, request)

    if auto_approve:
        assert "2026-11-23T08:00:00Z" in events[-1].result.text
    else:
        assert reason(events) == errors_pb2.ErrorReason.Name(errors_pb2.APPROVAL_NOT_GRANTED)


async def test_a_number_that_no_frame_can_carry_is_corrected_once(
    scripted: Scripted, headers: Headers
) -> None:
    request = asking(output_schema=struct.to_struct(NUMBER))
    async with scripted(TOO_LARGE, [says('{"id": 7}'), ends(), DONE]) as (chat, _):
        events = await run(chat, headers, request)

    assert struct.to_json(events[-1].result.output) == {"id": 7}
    assert events[-1].result.usage.model_calls == 2


async def test_a_number_that_no_frame_can_carry_is_a_failure_the_second_time(
    scripted: Scripted, headers: Headers
) -> None:
    request = asking(output_schema=struct.to_struct(NUMBER))
    async with scripted(TOO_LARGE, TOO_LARGE) as (chat, _):
        events = await run(chat, headers, request)
        assert await run(chat, headers, request) == events

    assert reason(events) == "MODEL_UNAVAILABLE"
    assert events[-1].result.usage.model_calls == 2


async def test_two_equal_requests_at_once_are_one_task(
    chat: Chat, headers: Headers, demo: DemoServer
) -> None:
    demo.controls.hold()
    request = asking()
    running = [asyncio.ensure_future(run(chat, headers, request)) for _ in range(2)]
    await demo.controls.until_held()
    demo.controls.release()

    first, second = await asyncio.gather(*running)

    assert first == second
    assert "[demo]" in first[-1].result.text
    assert len(demo.controls.log()) == 1


async def test_a_task_is_cancelled_by_any_replica(
    serve: Serving, headers: Headers, demo: DemoServer
) -> None:
    chat, other = await serve(), await serve()
    demo.controls.hold()
    request = asking()
    running = chat.agent.RunTask(request, metadata=headers)
    await anext(aiter(running))
    seen = await demo.controls.until_held()

    await other.agent.CancelTask(
        pb.CancelTaskRequest(workspace=WORKSPACE, request_id=request.request_id), metadata=headers
    )

    assert await demo.controls.until_over(seen) == "abandoned"
    assert reason([event async for event in running]) == "CANCELLED"
    assert reason(await run(other, headers, request)) == "CANCELLED"
