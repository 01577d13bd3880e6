"""Approvals that wait are told to the other service, however long that is away."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf import empty_pb2
from rota.notice.v1 import notice_pb2_grpc

from chat_service.adapters.approval_notifier import ApprovalNotifier
from shared.clock import SystemClock
from shared.rpc.client import DelegatedCredentials
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve

NOBODY = "127.0.0.1:1"


class Taker(notice_pb2_grpc.NoticeServiceServicer):
    """The other service, as far as notices go."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.refuses: grpc.StatusCode | None = None

    async def Notify(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        if self.refuses is not None:
            await context.abort(self.refuses, "not now")
        self.taken.append(request)
        return empty_pb2.Empty()


@pytest.fixture
async def taker() -> AsyncIterator[tuple[Taker, str]]:
    taker, server = Taker(), grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    notice_pb2_grpc.add_NoticeServiceServicer_to_server(taker, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield taker, f"127.0.0.1:{port}"
    await server.stop(None)


@contextlib.asynccontextmanager
async def notices(chat: Chat, keys: Keys, address: str) -> AsyncIterator[ApprovalNotifier]:
    behalf = DelegatedCredentials(
        identity=keys.identity("chat_service"), audience="automation_service"
    )
    async with grpc.aio.insecure_channel(address) as channel:
        stub = notice_pb2_grpc.NoticeServiceStub(channel)
        yield ApprovalNotifier(db=chat.engine, clock=SystemClock(), stub=stub, behalf=behalf)


async def waiting(chat: Chat) -> int:
    query = "select count(*) from chat.approvals where notice_time is null"
    async with chat.engine.connect() as connection:
        return int(await connection.scalar(sa.text(query)) or 0)


async def test_an_approval_is_told_once_the_other_service_is_there(
    chat: Chat, keys: Keys, taker: tuple[Taker, str]
) -> None:
    approval = approval_of(await chat.send(SCHEDULE))
    async with notices(chat, keys, NOBODY) as away:
        assert await away.notify_pending() == 0
    assert await waiting(chat) == 1
    there, address = taker
    async with notices(chat, keys, address) as found:
        assert await found.notify_pending() == 1
        assert await found.notify_pending() == 0
    [taken] = there.taken
    assert taken.approval_requested.approval == approval.name
    assert taken.approval_requested.turn == approval.turn
    assert taken.approval_requested.expire_time == approval.expire_time
    assert taken.approval_requested.summary == approval.summary


async def test_one_that_was_decided_meanwhile_is_not_told(
    chat: Chat, keys: Keys, taker: tuple[Taker, str]
) -> None:
    approval = approval_of(await chat.send(SCHEDULE))
    await chat.resume(approval.turn, approve(approval))
    there, address = taker
    async with notices(chat, keys, address) as found:
        assert await found.notify_pending() == 1
    assert there.taken == []
    assert await waiting(chat) == 0


async def test_what_is_refused_for_good_is_not_told_for_ever(
    chat: Chat, keys: Keys, taker: tuple[Taker, str]
) -> None:
    await chat.send(SCHEDULE)
    there, address = taker
    there.refuses = grpc.StatusCode.UNAVAILABLE
    async with notices(chat, keys, address) as found:
        assert await found.notify_pending() == 0
        there.refuses = grpc.StatusCode.NOT_FOUND
        await found.notify_pending()
    assert there.taken == []
