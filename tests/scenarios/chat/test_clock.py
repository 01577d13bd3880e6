"""Time, as replicas agree on it though their machines' clocks do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import uuid_utils.compat
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from chat_service import bootstrap
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import SystemClock
from shared.rpc import client
from tests.chat_service.conftest import Serving
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import (
    SCHEDULE,
    WORKSPACE,
    Chat,
    approval_of,
    approve,
    settings,
    thread_of,
)

BEHIND = timedelta(hours=1)


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From here on this machine's clock is an hour slow."""

    def uuid7() -> UUID:
        seconds = (datetime.now(UTC) - BEHIND).timestamp()
        return uuid_utils.compat.uuid7(int(seconds), int(seconds % 1 * 1e9))

    with monkeypatch.context() as patched:
        real = SystemClock.now
        patched.setattr(SystemClock, "now", lambda clock: real(clock) - BEHIND)
        patched.setattr("shared.resources.new_id", uuid7)
        yield


async def messages(chat: Chat, thread: str) -> list[pb.Message]:
    request = pb.ListMessagesRequest(parent=thread)
    found = await chat.stub.ListMessages(request, metadata=chat.metadata)
    return list(reversed(found.messages))


async def test_a_slow_replica_knows_what_was_said_before_and_adds_to_its_end(
    serve: Serving, demo: DemoServer, request: pytest.FixtureRequest
) -> None:
    chat = await serve()
    first = await chat.send(SCHEDULE)
    request.getfixturevalue("behind")
    approval = approval_of(first)
    await chat.resume(approval.turn, approve(approval))
    await chat.send("hello again", name=thread_of(first))

    said = await messages(chat, thread_of(first))
    person, agent = pb.Message.USER, pb.Message.AGENT
    assert [m.role for m in said] == [person, agent, agent, person, agent]
    assert [m.parts[0].text for m in said if m.role == person] == [SCHEDULE, "hello again"]
    assert SCHEDULE in demo.controls.log("chat")[-1].texts


async def test_a_service_goes_by_the_clock_of_its_database(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    behind: None,
) -> None:
    given = settings(chat_databases, keys, demo.base_url)
    async with (
        bootstrap.service(given, automations=automations) as service,
        client.open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        made = await chat_pb2_grpc.ChatServiceStub(channel).CreateThread(
            pb.CreateThreadRequest(parent=WORKSPACE, request_id=str(uuid4())),
            metadata=[("authorization", f"Bearer {keys.user_token()}")],
        )
    assert abs(made.create_time.ToDatetime(UTC) - datetime.now(UTC)) < BEHIND / 2
