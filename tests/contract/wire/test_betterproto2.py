"""Another implementation of the wire: betterproto2 over grpclib against the real services."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from google.rpc import error_details_pb2
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from rota.chat.v1 import chat_pb2

from rota_client import RotaClient, approve, errors
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.gen.rota.chat import v1 as chat_v1
from rota_client.streams import frame_kind
from tests.support.system.automation import until
from tests.support.system.live import Live, Tenant


@pytest.fixture
def who(live: Live) -> Tenant:
    return live.tenant()


@pytest.fixture
async def rota(live: Live, who: Tenant) -> AsyncIterator[RotaClient]:
    """Through the gateway, which has both services."""
    async with RotaClient(live.gateway, who.token(), who.name) as client:
        yield client


@pytest.fixture
async def chat(live: Live, who: Tenant) -> AsyncIterator[chat_v1.ChatServiceStub]:
    """Straight to the service, with nothing of ours between."""
    host, _, port = live.chat.rpartition(":")
    channel = Channel(host, int(port))
    yield chat_v1.ChatServiceStub(channel, metadata=dict(who.metadata()))
    channel.close()


async def test_the_whole_road_is_walked(live: Live, rota: RotaClient) -> None:
    when = live.clock.now() + timedelta(minutes=2)
    said = f"every day at {when:%H:%M} in UTC tell me a joke"
    first = [event async for event in rota.send_message(said, time_zone="UTC")]
    assert frame_kind(first[-1]) == "suspended"
    wanted = next(e.approval_requested.approval for e in first if e.approval_requested)
    assert wanted is not None
    rest = [event async for event in rota.resume_turn(wanted.turn, [approve(wanted)])]
    assert frame_kind(rest[-1]) == "completed"
    assert [e.sequence for e in first + rest] == list(range(1, len(first + rest) + 1))
    (automation,) = [one async for one in rota.list_automations()]
    assert automation.state == automation_v1.AutomationState.ACTIVE
    live.advance(timedelta(minutes=2, seconds=1))

    async def ended() -> automation_v1.Run | None:
        runs = [run async for run in rota.list_runs(automation.name)]
        return next((run for run in runs if run.end_time is not None), None)

    run = await rota.get_run((await until(ended)).name)
    assert run.state == automation_v1.RunState.SUCCEEDED
    assert run.output is not None
    assert "[demo]" in str(run.output.string_value)
    (slot,) = [slot async for slot in rota.list_slots(automation.name)]
    assert (slot.outcome, slot.run) == (automation_v1.SlotOutcome.FIRED, run.name)


async def test_what_it_decodes_it_encodes_again_byte_for_byte(
    live: Live, who: Tenant, chat: chat_v1.ChatServiceStub
) -> None:
    request = chat_v1.SendMessageRequest(
        name=f"{who.name}/threads/-",
        message=chat_v1.Message(parts=[chat_v1.Part(text="hello")]),
        request_id="0192f0c1-2345-4abc-8def-0123456789ab",
    )
    frames = [frame async for frame in chat.send_message(request)]
    assert frames[0].started is not None
    watch = chat_v1.WatchTurnRequest(name=frames[0].started.turn)
    raw = live.begin("ChatService/WatchTurn", _as_ours(watch), who.metadata())
    assert [bytes(frame) for frame in frames] == list(raw)


async def test_an_error_is_decoded_with_its_details(
    who: Tenant, chat: chat_v1.ChatServiceStub
) -> None:
    missing = f"{who.name}/threads/none"
    with pytest.raises(GRPCError) as caught:
        await chat.get_thread(chat_v1.GetThreadRequest(name=missing))
    assert caught.value.status is Status.NOT_FOUND
    (info,) = caught.value.details
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("RESOURCE_NOT_FOUND", "rota.dev")
    assert dict(info.metadata) == {"resource": missing}


async def test_an_error_is_the_same_through_the_gateway(rota: RotaClient) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await rota.preview_schedule("0 9 * *", "Europe/Paris")
    assert caught.value.reason == "INVALID_REQUEST"
    assert [violation.field for violation in caught.value.violations] == ["config.cron"]


def _as_ours(request: chat_v1.WatchTurnRequest) -> chat_pb2.WatchTurnRequest:
    return chat_pb2.WatchTurnRequest.FromString(bytes(request))
