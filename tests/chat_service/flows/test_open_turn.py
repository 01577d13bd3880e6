"""How turns are opened: a plain one in two statements, any other in a transaction."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.flows.open_turn import TurnOpener
from chat_service.persistence import frames, messages, tables, threads, turns
from chat_service.persistence.enums import TurnState
from chat_service.persistence.turn_start import NewTurnRows, PlainTurnStart, TurnRequest
from chat_service.turns.frames.log import LEASE
from devstack.demo_model import DemoServer
from shared import errors
from shared.db.tenancy import Tenancy
from shared.rpc.idempotency import IdempotencyKey
from tests.chat_service import own_models
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.system.chat import START, Chat, asking, kinds, thread_of, told

PREMIUM = {"premium": True, "input_price": 1_000_000, "output_price": 1_000_000}


@pytest.fixture
def chat(emptied_chat: Chat) -> Chat:
    return emptied_chat


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
        user_message=replace(asked, id=turn.asked_message_id, turn_id=turn.id),
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
    return await PlainTurnStart(chat.engine).insert_if_unchanged(
        new, request, pin_was=pin_was, pin=pin, is_empty=first
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


async def made(chat: Chat, connection: AsyncConnection, request: TurnRequest) -> str | None:
    return await Tenancy(tables.tenants).find_request(
        connection,
        workspace=chat.workspace_id,
        rpc=request.rpc,
        user=request.user,
        request_id=request.request_id,
        body_hash=request.body_hash,
    )


async def make_another(chat: Chat, connection: AsyncConnection, request: TurnRequest) -> None:
    """The request was served: it made something else."""
    await Tenancy(tables.tenants).store_request(
        connection,
        workspace=chat.workspace_id,
        rpc=request.rpc,
        user=request.user,
        request_id=request.request_id,
        body_hash=request.body_hash,
        resource="another",
        now=START,
    )


async def what_was_made(chat: Chat, request: TurnRequest) -> str | None:
    async with chat.engine.begin() as connection:
        return await made(chat, connection, request)


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
                await make_another(chat, connection, request)
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


@pytest.mark.parametrize("held", ["thread", "request"])
async def test_a_plain_turn_waits_for_nobody(chat: Chat, held: str) -> None:
    new, request, pin = await new_turn(chat)
    async with chat.engine.begin() as connection:
        if held == "thread":
            await threads.get(connection, chat.workspace_id, new.turn.thread_id, lock=True)
        else:
            assert await made(chat, connection, request) is None
        assert not await opened(chat, new, request, pin_was=pin, pin=pin)
    assert await kept(chat, new) == (False, 0, [])


async def test_a_thread_that_is_being_deleted_takes_no_turn(chat: Chat) -> None:
    thread = thread_of(await chat.send("hello"))
    async with chat.engine.begin() as connection:
        await threads.get(connection, chat.workspace_id, UUID(thread.rpartition("/")[2]), lock=True)
        sending = asyncio.create_task(refusal(chat.send("again", name=thread)))
        await until_waiting(chat)
        await threads.delete(connection, UUID(thread.rpartition("/")[2]))
    assert (await sending).reason == "RESOURCE_NOT_FOUND"


async def test_a_message_that_waits_for_its_thread_holds_up_no_other(chat: Chat) -> None:
    one, other = thread_of(await chat.send("hello")), thread_of(await chat.send("hello"))
    async with chat.engine.begin() as connection:
        await threads.get(connection, chat.workspace_id, UUID(one.rpartition("/")[2]), lock=True)
        waiting = asyncio.create_task(chat.send("again", name=one))
        await until_waiting(chat)
        assert kinds(await chat.send("again", name=other))[-1] == "completed"
    assert kinds(await waiting)[-1] == "completed"


async def test_equal_requests_wait_for_each_other(chat: Chat) -> None:
    thread = thread_of(await chat.send("hello"))
    asked = asking("again", name=thread)
    key = IdempotencyKey.of(asked, rpc="SendMessage", workspace=chat.workspace_id, user="ada")
    request = TurnRequest(
        rpc=key.rpc,
        user=key.user,
        request_id=key.request_id,
        body_hash=key.body_hash,
        resource="",
    )
    async with chat.engine.begin() as connection:
        assert await made(chat, connection, request) is None
        sending = asyncio.create_task(told(chat.stub.SendMessage(asked, metadata=chat.metadata)))
        await until_waiting(chat)
    assert kinds(await sending)[-1] == "completed"


@dataclass(slots=True)
class Opening:
    new: NewTurnRows
    request: TurnRequest
    pin: int


async def openings(chat: Chat, count: int) -> list[Opening]:
    return [Opening(*await new_turn(chat)) for _ in range(count)]


async def open_all(
    start: PlainTurnStart, openings: Sequence[Opening]
) -> list[bool | BaseException]:
    return await asyncio.gather(
        *(
            start.insert_if_unchanged(
                one.new,
                replace(one.request, request_id=f"r{number}"),
                pin_was=one.pin,
                pin=one.pin,
                is_empty=False,
            )
            for number, one in enumerate(openings)
        ),
        return_exceptions=True,
    )


async def transactions_of(chat: Chat, openings: Sequence[Opening]) -> int:
    """The number of transactions that stored the turns."""
    ids = ",".join(f"'{one.new.turn.id}'" for one in openings)
    async with chat.engine.connect() as connection:
        found = await connection.exec_driver_sql(
            f"select count(distinct xmin::text) from turns where id in ({ids})"
        )
        return int(found.scalar_one())


async def test_turns_that_open_together_share_a_transaction(chat: Chat) -> None:
    several = await openings(chat, 3)
    assert await open_all(PlainTurnStart(chat.engine), several) == [True] * 3
    assert await transactions_of(chat, several) == 1


@pytest.mark.parametrize("fault", ["held", "broken", "of one thread"])
async def test_a_turn_that_can_not_open_takes_no_other_with_it(chat: Chat, fault: str) -> None:
    several = await openings(chat, 3)
    bad = several[1]
    async with contextlib.AsyncExitStack() as stack:
        match fault:
            case "held":
                connection = await stack.enter_async_context(chat.engine.begin())
                await threads.get(connection, chat.workspace_id, bad.new.turn.thread_id, lock=True)
            case "broken":  # its message has an id that another has
                taken = replace(bad.new.user_message, id=several[0].new.user_message.id)
                bad.new = replace(bad.new, user_message=taken)
            case "of one thread":
                thread = several[0].new.turn.thread_id
                bad.new = replace(bad.new, turn=replace(bad.new.turn, thread_id=thread))
        told = await open_all(PlainTurnStart(chat.engine), several)
    assert told == [True, False, True]
    assert [(await kept(chat, one.new))[0] for one in several] == told


async def test_a_turn_is_opened_though_its_caller_leaves_once_it_has_begun(chat: Chat) -> None:
    several = await openings(chat, 2)
    async with chat.engine.begin() as connection:
        await connection.exec_driver_sql("lock table turn_events in share mode")
        waiting = asyncio.create_task(open_all(PlainTurnStart(chat.engine), several))
        await until_waiting(chat)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(60):
        while not all([(await kept(chat, one.new))[0] for one in several]):
            await asyncio.sleep(0.01)


async def test_two_replicas_open_the_same_threads_in_opposite_order(chat: Chat) -> None:
    several = await openings(chat, 3)
    others = [
        Opening(
            replace(
                one.new,
                turn=replace(one.new.turn, id=uuid4()),
                user_message=replace(one.new.user_message, id=uuid4()),
                agent_message=replace(one.new.agent_message, id=uuid4()),
            ),
            one.request,
            one.pin,
        )
        for one in reversed(several)
    ]
    async with asyncio.timeout(60):
        first, second = await asyncio.gather(
            open_all(PlainTurnStart(chat.engine), several),
            open_all(PlainTurnStart(chat.engine), others),
        )
    for here, there in zip(first, reversed(second), strict=True):
        assert (here, there) in ((True, False), (False, True), (False, False))


@pytest.mark.parametrize("how", ["new thread", "plain", "mention", "image"])
async def test_a_request_id_with_another_body_opens_nothing_however_it_was_opened(
    chat: Chat, demo: DemoServer, how: str
) -> None:
    thread = thread_of(await chat.send("hello"))
    request = asking("again", name=f"{chat.workspace}/threads/-" if how == "new thread" else thread)
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
