"""Models of people's own: what they are used for, and what never happens to them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2 as gp
from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.middleware.context_window import LEFT_OUT
from chat_service.persistence import tables
from devstack.demo_model import DemoServer, demo_server
from shared import errors
from shared.rpc import status
from tests.chat_service.conftest import Serving, no_wait
from tests.chat_service.own_models import KEY, add, change, pin, pinned, remove
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model, models_file
from tests.support.service_parts.retries import retries
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve, asking

PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
FREE = model(-1, "demo-file")
# The next model's number is in no other text.
NEXT_ID = (
    "select setval('model_configs_id_seq', greatest(nextval('model_configs_id_seq'), 7100000000))"
)
PREMIUM = model(-1, "demo-file", premium=True, **PRICE)


@pytest.fixture
async def mine() -> AsyncIterator[DemoServer]:
    """Her endpoint: it refuses every key but hers."""
    async with demo_server(api_key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    models = models_file(tmp_path_factory.mktemp("models"), FREE)
    return {"models_file": models, "local_models": True, "retry": retries(no_wait)}


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


def bobs(chat: Chat, keys: Keys) -> list[tuple[str, str]]:
    return keys.user_headers("bob", workspaces={chat.workspace_id: "owner"})


def asked(at: DemoServer) -> list[str]:
    return [seen.model for seen in at.controls.log("chat")]


def failed(events: list[pb.TurnEvent]) -> errors.RotaError:
    return status.from_status(events[-1].failed.status)


async def test_a_model_of_ones_own_answers_with_its_own_key_and_titles_the_thread(
    chat: Chat, mine: DemoServer, demo: DemoServer
) -> None:
    own = await add(chat, mine)
    events = await chat.send("hello", model_config_id=own.id)
    assert events[-1].HasField("completed")
    assert asked(mine) == ["demo-mine"]
    assert len(mine.controls.log("title")) == 1
    assert demo.controls.log() == []
    assert (await chat.turn(events[0].started.turn)).model_config_id == own.id
    assert events[-1].completed.message.usage.by_model[0].model == "demo-mine"


async def test_a_model_of_ones_own_is_neither_held_for_nor_charged(
    serve: Serving, mine: DemoServer
) -> None:
    chat = await serve(PREMIUM, credit=0, local_models=True)
    own = await add(chat, mine)
    events = await chat.send("hello", model_config_id=own.id)
    used = next(e.usage for e in events if e.HasField("usage"))
    assert (used.cost_micros, used.input_tokens > 0) == (0, True)
    async with chat.engine.connect() as connection:
        assert list(await connection.execute(sa.select(tables.credit_reservations))) == []


async def test_auto_never_takes_a_model_of_ones_own(
    serve: Serving, mine: DemoServer, demo: DemoServer
) -> None:
    demo.controls.fail(9, status=429, retry_after=0)
    chat = await serve(FREE, local_models=True)
    await add(chat, mine)
    events = await chat.send("hello")
    assert failed(events).reason == "MODEL_RATE_LIMITED"
    assert mine.controls.log() == []


async def test_a_pin_that_she_set_is_used_by_her_and_stays(
    chat: Chat, mine: DemoServer, demo: DemoServer, keys: Keys
) -> None:
    own = await add(chat, mine)
    thread = await pin(chat, own.id)
    await chat.send("hello", name=thread)
    assert asked(mine) == ["demo-mine"]
    bob = bobs(chat, keys)
    call = chat.stub.SendMessage(asking("hi", name=thread), metadata=bob)
    assert [e async for e in call][-1].HasField("completed")
    assert (asked(mine), asked(demo)) == (["demo-mine"], ["demo-file"])
    assert await pinned(chat, thread) == own.id


async def test_what_was_said_to_a_model_of_ones_own_goes_to_no_other(
    chat: Chat, mine: DemoServer, demo: DemoServer
) -> None:
    own = await add(chat, mine)
    thread = await pin(chat, own.id)
    mine.controls.fail(9, status=429, retry_after=0)
    events = await chat.send("hello", name=thread)
    assert failed(events).reason == "MODEL_RATE_LIMITED"
    assert demo.controls.log() == []


Use = Callable[[Chat, int, Keys], Awaitable[errors.RotaError]]


async def by_message(chat: Chat, config_id: int, keys: Keys) -> errors.RotaError:
    bob = bobs(chat, keys)
    return await refusal(
        chat.stub.SendMessage(chat.asking("hi", model_config_id=config_id), metadata=bob)
    )


async def by_pin(chat: Chat, config_id: int, keys: Keys) -> errors.RotaError:
    bob = bobs(chat, keys)
    request = pb.CreateThreadRequest(
        parent=chat.workspace, thread=pb.Thread(model_config_id=config_id)
    )
    return await refusal(chat.stub.CreateThread(request, metadata=bob))


async def by_task(chat: Chat, config_id: int, keys: Keys) -> errors.RotaError:
    return await refusal(run_task(chat, keys, f"{chat.workspace}/modelConfigs/{config_id}", "bob"))


@pytest.mark.parametrize("use", [by_message, by_pin, by_task])
async def test_another_persons_model_is_used_as_one_that_does_not_exist(
    chat: Chat, mine: DemoServer, keys: Keys, use: Use
) -> None:
    async with chat.engine.begin() as connection:
        await connection.execute(sa.text(NEXT_ID))
    own = await add(chat, mine)
    hers = await use(chat, own.id, keys)
    nobodys = await use(chat, own.id + 1, keys)
    assert hers.reason in ("INVALID_REQUEST", "MODEL_GONE")
    assert str(vars(hers)).replace(str(own.id), str(own.id + 1)) == str(vars(nobodys))


async def test_a_turn_whose_model_was_deleted_while_it_waited_says_that_it_is_gone(
    chat: Chat, mine: DemoServer
) -> None:
    own = await add(chat, mine)
    approval = approval_of(await chat.send(SCHEDULE, model_config_id=own.id))
    await remove(chat, own.name)
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[approve(approval)], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    assert (refused.reason, refused.metadata) == ("MODEL_GONE", {"model": str(own.id)})
    turn = await chat.turn(approval.turn)
    assert turn.approvals[0].state == pb.Approval.PENDING
    cancel = pb.CancelTurnRequest(name=approval.turn)
    ended = await chat.stub.CancelTurn(cancel, metadata=chat.metadata)
    assert ended.state == pb.Turn.CANCELLED


async def test_deleting_a_model_clears_the_pins_to_it(
    chat: Chat, mine: DemoServer, demo: DemoServer
) -> None:
    own = await add(chat, mine)
    thread = await pin(chat, own.id)
    await remove(chat, own.name)
    assert await pinned(chat, thread) == 0
    await chat.send("hello", name=thread)
    assert asked(demo) == ["demo-file"]


async def test_a_model_is_given_what_it_holds(chat: Chat, mine: DemoServer) -> None:
    own = await add(chat, mine, context_tokens=8_000)
    thread = await pin(chat, own.id)
    for _ in range(4):
        await chat.send("x" * 6_000, name=thread)
    shown = mine.controls.log("chat")[-1].texts
    assert len([text for text in shown if text.startswith("xxx")]) == 2
    assert LEFT_OUT in shown

    await change(chat, name=own.name, context_tokens=100_000)
    await chat.send("hello", name=thread)

    assert LEFT_OUT not in mine.controls.log("chat")[-1].texts


async def test_a_repeat_is_answered_as_before_though_the_model_it_pinned_is_gone(
    chat: Chat, demo: DemoServer
) -> None:
    mine = await add(chat, demo)
    thread = pb.Thread(display_name="T", model_config_id=mine.id)
    create = pb.CreateThreadRequest(parent=chat.workspace, thread=thread, request_id=str(uuid4()))
    made = await chat.stub.CreateThread(create, metadata=chat.metadata)
    thread.name = made.name
    update = pb.UpdateThreadRequest(thread=thread, request_id=str(uuid4()))
    await chat.stub.UpdateThread(update, metadata=chat.metadata)
    await remove(chat, mine.name)
    for again in (
        chat.stub.CreateThread(create, metadata=chat.metadata),
        chat.stub.UpdateThread(update, metadata=chat.metadata),
    ):
        found = await again
        assert (found.name, found.model_config_id) == (made.name, 0)


async def test_a_new_key_is_used_from_the_next_turn_on(chat: Chat, mine: DemoServer) -> None:
    own = await add(chat, mine, api_key="sk-a-wrong-one-of-20-chars")
    refused = failed(await chat.send("hello", model_config_id=own.id))
    assert refused.reason == "MODEL_UNAVAILABLE"
    await change(chat, "api_key", name=own.name, api_key=KEY)
    events = await chat.send("hello", model_config_id=own.id)
    assert events[-1].HasField("completed")


async def test_an_endpoint_without_a_key_needs_none(chat: Chat, demo: DemoServer) -> None:
    own = await add(chat, demo, api_key="")
    assert own.key_hint == ""
    events = await chat.send("hello", model_config_id=own.id)
    assert events[-1].HasField("completed")


async def test_images_are_refused_for_a_model_that_reads_text_only(
    chat: Chat, mine: DemoServer
) -> None:
    own = await add(chat, mine, image_support=pb.ModelConfig.TEXT_ONLY)
    request = chat.asking("look", model_config_id=own.id)
    request.message.parts.add(image=pb.Image(data=b"GIF89a" + b"g" * 9))
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert (refused.reason, refused.metadata) == (
        "MODEL_TEXT_ONLY",
        {"model_config": str(own.id)},
    )


async def test_images_for_a_pinned_model_of_ones_own_that_reads_text_only_go_to_no_other(
    chat: Chat, mine: DemoServer, demo: DemoServer
) -> None:
    own = await add(chat, mine, image_support=pb.ModelConfig.TEXT_ONLY)
    thread = await pin(chat, own.id)
    await chat.send("my secret", name=thread)
    request = asking("look", name=thread)
    request.message.parts.add(image=pb.Image(data=b"GIF89a" + b"g" * 9))
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert refused.reason == "MODEL_TEXT_ONLY"
    assert demo.controls.log() == []
    assert await pinned(chat, thread) == own.id


def run_task(chat: Chat, keys: Keys, model: str, user: str = "ada") -> Any:
    request = gp.RunTaskRequest(
        workspace=chat.workspace,
        prompt="Say hello.",
        model=model,
        on_behalf_of=f"users/{user}",
        request_id=f"{uuid4()}:s:1",
    )
    metadata = keys.service_headers(
        "automation_service", audience="chat_service", user=user, workspace=chat.workspace_id
    )
    return chat.agent.RunTask(request, metadata=metadata)


async def test_a_task_of_hers_may_name_a_model_of_her_own(
    chat: Chat, mine: DemoServer, demo: DemoServer, keys: Keys
) -> None:
    own = await add(chat, mine)
    frames = [frame async for frame in run_task(chat, keys, own.name)]
    assert frames[-1].result.text
    assert not frames[-1].result.HasField("error")
    assert [seen.model for seen in mine.controls.log("task")] == ["demo-mine"]
    assert demo.controls.log() == []


async def test_a_task_does_not_take_a_model_of_ones_own_by_the_name_people_read(
    chat: Chat, mine: DemoServer, keys: Keys
) -> None:
    await add(chat, mine, display_name="Mine")
    for name in ("Mine", "demo-mine", "workspaces/elsewhere/modelConfigs/1", "1"):
        assert (await refusal(run_task(chat, keys, name))).reason == "MODEL_GONE"
