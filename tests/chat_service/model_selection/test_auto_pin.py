"""Which model answers: chosen by auto, pinned, or named by the person."""

from datetime import timedelta
from typing import Any

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import model_cooldowns
from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import Refused, Reply, ends, says, scripted_model
from tests.support.system.chat import Chat, asking, thread_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
PRICED: dict[str, Any] = {"premium": True, "input_price": 1_000_000, "output_price": 1_000_000}


def asked(demo: DemoServer) -> list[str]:
    return [seen.model for seen in demo.controls.log("chat")]


async def pin_of(chat: Chat, thread: str) -> int:
    request = pb.GetThreadRequest(name=thread)
    found = await chat.stub.GetThread(request, metadata=chat.metadata)
    return int(found.model_config_id)


def with_image(text: str, **fields: Any) -> pb.SendMessageRequest:
    request = asking(text, **fields)
    request.message.parts.add(image=pb.Image(data=PNG))
    return request


async def test_the_first_auto_turn_pins_the_best_and_later_ones_reuse_it(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-2, "demo-b"), model(-1, "demo-a"))
    thread = thread_of(await chat.send("hello"))
    assert await pin_of(chat, thread) == -1
    await chat.send("thanks", name=thread)
    assert asked(demo) == ["demo-a", "demo-a"]


async def test_an_explicit_choice_is_used_and_clears_the_pin(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a"), model(-2, "demo-b"))
    thread = thread_of(await chat.send("hello"))
    events = await chat.send("thanks", name=thread, model_config_id=-2)
    assert asked(demo)[-1] == "demo-b"
    assert await pin_of(chat, thread) == 0
    assert (await chat.turn(events[0].started.turn)).model_config_id == -2


async def test_what_auto_may_not_choose_is_passed_over(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(model(-1, "demo-a", auto_eligible=False), model(-2, "demo-b"))
    await chat.send("hello")
    assert asked(demo) == ["demo-b"]


async def test_a_pin_that_a_person_set_is_kept(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(model(-1, "demo-a"), model(-2, "demo-b", auto_eligible=False))
    thread = thread_of(await chat.send("hello"))
    await chat.stub.UpdateThread(
        pb.UpdateThreadRequest(thread=pb.Thread(name=thread, model_config_id=-2)),
        metadata=chat.metadata,
    )
    await chat.send("thanks", name=thread)
    assert asked(demo)[-1] == "demo-b"


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        ([model(-1, "demo-text", supports_images=False), model(-2, "demo-b")], "demo-b"),
        ([model(-1, "demo-a"), model(-2, "demo-b", supports_images=True)], "demo-b"),
        ([model(-1, "demo-a"), model(-2, "demo-text", supports_images=False)], "demo-a"),
    ],
)
async def test_a_turn_with_images_gets_a_model_that_reads_them(
    serve: Serving, demo: DemoServer, models: list[dict[str, Any]], chosen: str
) -> None:
    chat = await serve(*models)
    call = chat.stub.SendMessage(with_image("what is this?"), metadata=chat.metadata)
    assert [e async for e in call][-1].HasField("completed")
    assert asked(demo) == [chosen]


async def test_a_text_only_pin_gives_way_to_a_model_that_reads_images(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(
        model(-1, "demo-text", supports_images=False), model(-2, "demo-b", supports_images=True)
    )
    thread = thread_of(await chat.send("hello"))
    call = chat.stub.SendMessage(with_image("and this?", name=thread), metadata=chat.metadata)
    assert [e async for e in call][-1].HasField("completed")
    assert asked(demo) == ["demo-text", "demo-b"]
    assert await pin_of(chat, thread) == -2


async def test_a_cooling_model_is_left_alone_by_every_replica_until_its_time_is_over(
    serve: Serving, demo: DemoServer
) -> None:
    models = [model(-1, "demo-a"), model(-2, "demo-b")]
    first, second = await serve(*models), await serve(*models)
    demo.controls.fail(3, kind="chat")
    thread = thread_of(await first.send("hello"))
    await second.send("hello")
    await first.send("thanks", name=thread)
    assert asked(demo)[3:] == ["demo-b", "demo-b", "demo-b"]
    serve.clock.advance(timedelta(seconds=601))
    await second.send("hello")
    assert asked(demo)[-1] == "demo-a"


async def test_a_premium_model_without_credit_is_passed_over(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(
        model(-1, "demo-a", **PRICED, reserve_tokens=10), model(-2, "demo-b"), credit=0
    )
    await chat.send("hello")
    assert asked(demo) == ["demo-b"]


@pytest.mark.parametrize(
    ("models", "credit", "reason", "needs"),
    [
        ([model(-1, auto_eligible=False)], None, "NO_ELIGIBLE_MODEL", None),
        ([model(-1, supports_images=False)], None, "NO_ELIGIBLE_MODEL", "images"),
        ([model(-1, **PRICED)], 0, "QUOTA_EXCEEDED", None),
    ],
)
async def test_a_turn_that_no_model_may_answer_is_refused_before_it_exists(
    serve: Serving,
    models: list[dict[str, Any]],
    credit: int | None,
    reason: str,
    needs: str | None,
) -> None:
    chat = await serve(*models, credit=credit)
    call = chat.stub.SendMessage(with_image("hello"), metadata=chat.metadata)
    refused = await refusal(call)
    assert (refused.reason, refused.metadata.get("needs")) == (reason, needs)


async def test_when_all_are_cooling_the_refusal_says_how_long_to_wait(serve: Serving) -> None:
    chat = await serve(model(-1, "demo-a"))
    async with chat.engine.begin() as connection:
        await model_cooldowns.extend(connection, -1, serve.clock.now() + timedelta(seconds=600))
    serve.clock.advance(timedelta(seconds=100))
    refused = await refusal(chat.stream("hello"))
    assert (refused.code.name, refused.reason) == ("UNAVAILABLE", "MODEL_UNAVAILABLE")
    assert refused.retry_after == timedelta(seconds=500)


async def test_the_only_model_is_asked_again_after_it_was_rate_limited(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a"))
    demo.controls.fail(3, kind="chat")
    assert (await chat.send("hello"))[-1].failed.status.code == 8
    assert (await chat.send("hello"))[-1].WhichOneof("event") == "completed"


async def test_an_unknown_model_names_its_field(serve: Serving) -> None:
    chat = await serve(model(-1))
    for config in (-9, 7):
        refused = await refusal(chat.stream("hello", model_config_id=config))
        assert [v.field for v in refused.violations] == ["model_config_id"]


async def test_a_model_without_tools_is_the_last_that_auto_chooses(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a", leave_out=["tools"]), model(-2, "demo-b"))
    thread = thread_of(await chat.send("hello"))
    await chat.send("thanks", name=thread, model_config_id=-1)

    await chat.send("thanks", name=thread)

    assert asked(demo) == ["demo-b", "demo-b"]
    assert [seen.model for seen in demo.controls.log("task")] == ["demo-a"]
    assert await pin_of(chat, thread) == -2


async def test_a_model_without_tools_is_chosen_where_there_is_no_other(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-1, "demo-a", leave_out=["tools"]))

    events = await chat.send("hello")

    assert events[-1].HasField("completed")


async def test_a_model_that_refused_tools_is_left_for_one_that_takes_them(
    serve: Serving, demo: DemoServer
) -> None:
    refused = Refused(400, {"message": "This model does not support tools", "code": 400})

    def answer(body: dict[str, Any]) -> Reply:
        return [refused] if body.get("tools") else [says("Hi."), ends()]

    async with scripted_model(answer=answer) as toolless:
        chat = await serve(model(-1, "toolless", base_url=toolless.base_url), model(-2, "demo-b"))
        thread = thread_of(await chat.send("hello"))
        assert await pin_of(chat, thread) == -1

        await chat.send("thanks", name=thread)

    assert asked(demo) == ["demo-b"]
    assert await pin_of(chat, thread) == -2
