"""Callers who leave before they have heard anything: what they asked for goes on all the same."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import uuid4

import pytest
import sqlalchemy as sa
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import (
    SCHEDULE,
    WORKSPACE,
    Chat,
    approval_of,
    approve,
    asking,
    kinds,
    thread_of,
    told,
    until,
)

# Whoever commits a turn that begins or goes on waits for the lock first.
_HELD: Final = """
create function chat.hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(4711);
  return null;
end
$$
"""
_TRIGGER: Final = """
create constraint trigger held after insert or update of fence on chat.turns
deferrable initially deferred for each row execute function chat.hold()
"""
_WAITS: Final = """
select count(*) from pg_locks
 where locktype = 'advisory' and not granted
   and database = (select oid from pg_database where datname = current_database())
"""


@pytest.fixture
async def chat(serve: Serving) -> Chat:
    """Whose turns no other may take over, however long they are held."""
    return await serve(turn_lease_seconds=3600)


@contextlib.asynccontextmanager
async def commits_held(chat: Chat) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """While it lasts no turn is committed; gives what waits until one is about to be."""
    async with chat.engine.begin() as connection:
        await connection.exec_driver_sql(_HELD)
        await connection.exec_driver_sql(_TRIGGER)

    async def committing() -> bool:
        async with chat.engine.connect() as connection:
            return bool((await connection.exec_driver_sql(_WAITS)).scalar())

    async with chat.engine.begin() as connection:
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(4711)))
        yield lambda: until(committing)


async def all_turns(chat: Chat) -> Sequence[Any]:
    query = "select state::text, fence from chat.turns order by id"
    async with chat.engine.connect() as connection:
        return (await connection.exec_driver_sql(query)).all()


async def cut(chat: Chat, call: Any, waiting: Callable[[], Awaitable[None]]) -> None:
    """Leaves a call while what it asked for is being committed."""
    await waiting()
    call.cancel()
    listed = pb.ListThreadsRequest(parent=WORKSPACE)
    for _ in range(3):  # on the same connection: the server has heard of the leaving before
        await chat.stub.ListThreads(listed, metadata=chat.metadata)


@pytest.mark.parametrize("in_new_thread", [True, False])
async def test_a_message_whose_caller_leaves_while_it_is_committed_is_answered(
    chat: Chat, demo: DemoServer, in_new_thread: bool
) -> None:
    thread = thread_of(await chat.send("hello"))
    request = asking("go on", name=f"{WORKSPACE}/threads/-" if in_new_thread else thread)
    async with commits_held(chat) as waiting:
        call = chat.stub.SendMessage(request, metadata=chat.metadata)
        await cut(chat, call, waiting)

    async def answered() -> bool:
        found = await all_turns(chat)
        return [turn.state for turn in found] == ["succeeded", "succeeded"]

    await until(answered)
    assert [turn.fence for turn in await all_turns(chat)] == [1, 1]  # by the one that took it
    again = await told(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert kinds(again)[-1] == "completed"
    assert len(demo.controls.log("chat")) == 2


@pytest.mark.parametrize("rpc", ["ResumeTurn", "DecideApproval"])
async def test_a_decision_whose_caller_leaves_while_it_is_committed_is_carried_out(
    chat: Chat, rpc: str
) -> None:
    approval = approval_of(await chat.send(SCHEDULE))
    request: pb.ResumeTurnRequest | pb.DecideApprovalRequest
    if rpc == "ResumeTurn":
        request = pb.ResumeTurnRequest(
            name=approval.turn, decisions=[approve(approval)], request_id=str(uuid4())
        )
    else:
        request = pb.DecideApprovalRequest(
            name=approval.name, decision=approve(approval), request_id=str(uuid4())
        )
    async with commits_held(chat) as waiting:
        await cut(chat, getattr(chat.stub, rpc)(request, metadata=chat.metadata), waiting)

    async def carried_out() -> bool:
        return [turn.state for turn in await all_turns(chat)] == ["succeeded"]

    await until(carried_out)
    assert [turn.fence for turn in await all_turns(chat)] == [2]  # by the one that took it


async def test_a_task_whose_caller_leaves_while_it_is_committed_is_done(
    chat: Chat, keys: Keys, demo: DemoServer
) -> None:
    service = keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace="w"
    )
    request = agent_pb2.RunTaskRequest(
        workspace=WORKSPACE, on_behalf_of="users/ada", prompt="say hello", request_id=str(uuid4())
    )
    async with commits_held(chat) as waiting:
        await cut(chat, chat.agent.RunTask(request, metadata=service), waiting)

    async def done() -> bool:
        return [turn.state for turn in await all_turns(chat)] == ["succeeded"]

    await until(done)
    again = await told(chat.agent.RunTask(request, metadata=service))
    assert again[-1].WhichOneof("event") == "result"
    assert len(demo.controls.log("task")) == 1
