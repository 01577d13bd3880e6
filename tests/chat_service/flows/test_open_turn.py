"""How turns are opened: a plain one in two statements, any other in a transaction."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.flows.open_turn import TurnOpener
from chat_service.persistence import frames, messages, tables, threads, turn_start, turns
from chat_service.persistence.enums import TurnState
from chat_service.persistence.turn_start import NewTurnRows, TurnRequest
from chat_service.turns.frame_log import LEASE
from devstack.demo_model import DemoServer
from shared import errors
from shared.db.tenancy import Tenancy
from tests.chat_service import own_models
from tests.chat_service.conftest import Serving
from tests.support.chat import START, WORKSPACE, Chat, asking, kinds, thread_of, told
from tests.support.models import model
from tests.support.refusals import refusal

PREMIUM = {"premium": True, "input_price": 1_000_000, "output_price": 1_000_000}


async def new_turn(chat: Chat) -> tuple[NewTurnRows, TurnRequest, int]:
    """A turn to be opened after one that has ended, its request, and the thread's pin."""
    events = await chat.send("hello")
    before = UUID(events[0].started.turn.rpartition("/")[2])
    async with chat.engine.connect() as connection:
        old = await turns.get(connection, before)
        assert old is not None
        asked, answered = await messages.list_by_turn(connection, before)
        thread = await threads.get(connection, old.workspace_id, old.thread_id)
    assert thread is not None
    turn = replace(
        old,
        id=uuid4(),
        user_message_id=uuid4(),
        agent_message_id=uuid4(),
        state=TurnState.RUNNING,
        end_time=None,
        usage={},
    )
    new = NewTurnRows(
        turn=turn,
        lease=LEASE,
        user_message=replace(asked, id=turn.user_message_id, turn_id=turn.id),
        agent_message=replace(
            answered, id=turn.agent_message_id, turn_id=turn.id, finish_time=None
        ),
        frames=[b"first", b"second"],
    )
    request = TurnRequest(
        rpc="SendMessage", user="ada", request_id="r", body_hash=b"h", resource=f"{turn.id}@0"
    )
    return new, request, thread.model_config_id


async def opened(
    chat: Chat,
    new: NewTurnRows,
    request: TurnRequest,
    pin_was: int,
    pin: int,
    *,
    first: bool = False,
) -> bool:
    async with chat.engine.connect() as connection:
        return await turn_start.insert_if_unchanged(
            connection, new, request, pin_was=pin_was, pin=pin, is_empty=first
        )


async def pin_of(chat: Chat, new: NewTurnRows) -> int | None:
    async with chat.engine.connect() as connection:
        thread = await threads.get(connection, new.turn.workspace_id, new.turn.thread_id)
    return None if thread is None else thread.model_config_id


async def kept(chat: Chat, new: NewTurnRows) -> tuple[bool, int, list[tuple[int, bytes]]]:
    """Whether the turn is there, its messages and its frames."""
    async with chat.engine.connect() as connection:
        turn = await turns.get(connection, new.turn.id)
        spoken = await messages.list_by_turn(connection, new.turn.id)
        shown = await frames.list_after(connection, new.turn.id, 0, limit=10)
    return turn is not None, len(spoken), shown


async def made(connection: AsyncConnection, request: TurnRequest) -> str | None:
    return await Tenancy(tables.tenants).find_request(
        connection,
        workspace="w",
        rpc=request.rpc,
        user=request.user,
        request_id=request.request_id,
        body_hash=request.body_hash,
    )


async def make_another(connection: AsyncConnection, request: TurnRequest) -> None:
    """The request was served: it made something else."""
    await Tenancy(tables.tenants).store_request(
        connection,
        workspace="w",
        rpc=request.rpc,
        user=request.user,
        request_id=request.request_id,
        body_hash=request.body_hash,
        resource="another",
        now=START,
    )


async def what_was_made(chat: Chat, request: TurnRequest) -> str | None:
    async with chat.engine.begin() as connection:
        return await made(connection, request)


async def test_a_turn_its_request_and_the_pin_are_stored_by_one_statement(chat: Chat) -> None:
    new, request, pin = await new_turn(chat)
    assert await opened(chat, new, request, pin_was=pin, pin=-7)
    assert await kept(chat, new) == (True, 2, [(1, b"first"), (2, b"second")])
    assert await what_was_made(chat, request) == request.resource
    assert await pin_of(chat, new) == -7


@pytest.mark.parametrize(
    "otherwise", ["open turn", "other pin", "served before", "no thread", "words"]
)
async def test_where_it_is_not_as_was_seen_nothing_is_stored(chat: Chat, otherwise: str) -> None:
    new, request, pin = await new_turn(chat)
    before = await what_was_made(chat, request)
    match otherwise:
        case "open turn":
            other = replace(request, request_id="another")
            one = replace(new, turn=replace(new.turn, id=uuid4()), frames=[])
            one = replace(
                one, user_message=replace(new.user_message, id=uuid4(), turn_id=one.turn.id)
            )
            one = replace(
                one, agent_message=replace(new.agent_message, id=uuid4(), turn_id=one.turn.id)
            )
            assert await opened(chat, one, other, pin_was=pin, pin=pin)
        case "other pin":
            async with chat.engine.begin() as connection:
                await threads.pin_model(connection, new.turn.thread_id, was=pin, now_is=-9)
        case "served before":
            async with chat.engine.begin() as connection:
                await make_another(connection, request)
            before = "another"
        case "no thread":
            async with chat.engine.begin() as connection:
                await threads.delete(connection, new.turn.thread_id)
    pinned = await pin_of(chat, new)
    first = otherwise == "words"
    assert not await opened(chat, new, request, pin_was=pin, pin=-7, first=first)
    assert await kept(chat, new) == (False, 0, [])
    assert await what_was_made(chat, request) == before
    assert await pin_of(chat, new) == pinned


async def test_a_thread_that_is_being_deleted_takes_no_turn(chat: Chat) -> None:
    new, request, pin = await new_turn(chat)
    async with chat.engine.begin() as connection:
        await threads.get(connection, "w", new.turn.thread_id, lock=True)
        opening = asyncio.create_task(opened(chat, new, request, pin_was=pin, pin=pin))
        await until_waiting(chat)
        await threads.delete(connection, new.turn.thread_id)
    assert not await opening
    assert await kept(chat, new) == (False, 0, [])


async def test_a_message_that_waits_for_its_thread_holds_up_no_other(chat: Chat) -> None:
    one, other = thread_of(await chat.send("hello")), thread_of(await chat.send("hello"))
    async with chat.engine.begin() as connection:
        await threads.get(connection, "w", UUID(one.rpartition("/")[2]), lock=True)
        waiting = asyncio.create_task(chat.send("again", name=one))
        await until_waiting(chat)
        assert kinds(await chat.send("again", name=other))[-1] == "completed"
    assert kinds(await waiting)[-1] == "completed"


async def test_equal_requests_wait_for_each_other(chat: Chat) -> None:
    new, request, pin = await new_turn(chat)
    async with chat.engine.begin() as connection:
        assert await made(connection, request) is None
        opening = asyncio.create_task(opened(chat, new, request, pin_was=pin, pin=pin))
        await until_waiting(chat)
        await make_another(connection, request)
    assert not await opening
    assert await kept(chat, new) == (False, 0, [])


@pytest.mark.parametrize("how", ["new thread", "plain", "mention", "image"])
async def test_a_request_id_with_another_body_opens_nothing_however_it_was_opened(
    chat: Chat, demo: DemoServer, how: str
) -> None:
    thread = thread_of(await chat.send("hello"))
    request = asking("again", name=f"{WORKSPACE}/threads/-" if how == "new thread" else thread)
    if how == "mention":
        request.message.parts.add(mention=pb.Mention(name=thread))
    if how == "image":
        request.message.parts.add(image=pb.Image(data=b"GIF89a" + b"g" * 9))
    first = await told(chat.stub.SendMessage(request, metadata=chat.metadata))
    calls = len(demo.controls.log())
    request.message.parts[0].text = "something else"
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert (refused.reason, refused.code.name) == ("REQUEST_ID_REUSED", "ALREADY_EXISTS")
    assert len(demo.controls.log()) == calls
    request.message.parts[0].text = "again"
    assert await told(chat.stub.SendMessage(request, metadata=chat.metadata)) == first


async def until_waiting(chat: Chat) -> None:
    """Until a statement waits for a lock."""
    waits = "select count(*) from pg_locks where not granted"
    async with asyncio.timeout(60), chat.engine.connect() as connection:
        while not (await connection.exec_driver_sql(waits)).scalar():
            await connection.rollback()
            await asyncio.sleep(0.01)


async def test_a_plain_message_is_taken_without_a_transaction(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = thread_of(await chat.send("hello"))

    async def refuse(*_: object) -> None:
        raise errors.NotServed("a transaction")

    monkeypatch.setattr(TurnOpener, "lock_or_create_thread", refuse)
    assert kinds(await chat.send("again", name=thread))[-1] == "completed"


async def test_a_thread_in_which_nothing_was_said_has_no_history(
    chat: Chat, demo: DemoServer
) -> None:
    thread = await own_models.pin(chat, 0)
    await chat.send("hello", name=thread)
    await chat.send("again", name=thread)
    first, second = (len(seen.roles) for seen in demo.controls.log("chat"))
    assert second == first + 2


async def test_a_thread_pinned_to_a_model_of_ones_own_takes_messages(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(local_models=True)
    mine = await own_models.add(chat, demo)
    thread = await own_models.pin(chat, mine.id)
    events = await chat.send("hello", name=thread)
    assert kinds(events)[-1] == "completed"
    turn = await chat.turn(events[0].started.turn)
    assert (turn.state, turn.model_config_id) == (pb.Turn.SUCCEEDED, mine.id)


async def test_a_thread_whose_best_model_is_not_afforded_takes_messages(serve: Serving) -> None:
    chat = await serve(model(-1, "demo-a", **PREMIUM), model(-2, "demo-b"), credit=0)
    events = await chat.send("hello", name=await own_models.pin(chat, 0))
    assert kinds(events)[-1] == "completed"
    assert (await chat.turn(events[0].started.turn)).model_config_id == -2
