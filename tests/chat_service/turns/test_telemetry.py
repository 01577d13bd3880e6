"""Every way a segment ends is on its span and in the metrics, without a word of what was said."""

import pytest
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from tests.chat_service.conftest import Serving
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve, chat_service, until
from tests.support.telescope import Telescope


@pytest.fixture
def telescope() -> Telescope:
    return Telescope()


async def ended(telescope: Telescope, spans: int) -> None:
    """The last frame is sent before the span ends."""

    async def done() -> bool:
        return len(telescope.spans("chat_request")) == spans

    await until(done)


async def test_an_answer_is_completed(chat: Chat, telescope: Telescope) -> None:
    events = await chat.send("hello, my secret")
    await ended(telescope, 1)

    (span,) = telescope.attributes("chat_request")
    turn = events[0].started.turn.rpartition("/")[2]
    assert span == {
        "flow": "new_chat",
        "agent_mode": "chat",
        "turn": turn,
        "workspace": "w",
        "recovered": False,
        "config": -1,
        "outcome": "completed",
    }
    assert telescope.count("rota.turns", flow="new_chat", outcome="completed") == 1
    assert telescope.count("rota.turn.first_token", flow="new_chat") == 1
    assert telescope.count("rota.turn.duration", outcome="completed") == 1
    assert telescope.count("rota.turns.open") == 0


async def test_a_span_says_which_call_began_it_and_that_call_how_it_ended(
    chat: Chat, telescope: Telescope
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    carried = [*chat.metadata, ("traceparent", f"00-{trace}-b7ad6b7169203331-01")]
    asked = pb.SendMessageRequest(
        name="workspaces/w/threads/-",
        message=pb.Message(parts=[pb.Part(text="hello")]),
        request_id="2c5c1f6e-0000-4000-8000-000000000001",
    )
    _ = [event async for event in chat.stub.SendMessage(asked, metadata=carried)]
    await ended(telescope, 1)

    (span,) = telescope.spans("chat_request")
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [trace]

    async def served() -> bool:
        return telescope.count("rota.rpc.duration", method="SendMessage", code="OK") == 1

    await until(served)
    (call,) = telescope.spans("rota.chat.v1.ChatService/SendMessage")
    assert f"{call.context.trace_id:032x}" == trace


async def test_a_pause_is_suspended_and_its_approval_is_counted(
    chat: Chat, telescope: Telescope
) -> None:
    approval = approval_of(await chat.send(SCHEDULE))
    await chat.resume(approval.turn, approve(approval))
    await ended(telescope, 2)

    told = telescope.attributes("chat_request")
    assert [(t["flow"], t["outcome"]) for t in told] == [
        ("new_chat", "suspended"),
        ("resume_chat", "completed"),
    ]
    kind = {"action_type": "automation_create"}
    assert telescope.count("rota.approvals.requested", **kind) == 1
    assert telescope.count("rota.approvals.decided", state="approved") == 1


async def test_a_refusal_is_failed_with_its_code(
    serve: Serving, demo: DemoServer, telescope: Telescope
) -> None:
    chat = await serve(model(-1, "demo-limited"))
    await chat.send("hello", model_config_id=-1)
    await ended(telescope, 1)

    (span,) = telescope.attributes("chat_request")
    assert (span["outcome"], span["code"]) == ("failed", "RESOURCE_EXHAUSTED")
    assert span["reason"] == "MODEL_RATE_LIMITED"
    failed = {"outcome": "failed", "code": "RESOURCE_EXHAUSTED"}
    assert telescope.count("rota.turns", **failed) == 1
    assert telescope.count("rota.model.retries", rate_limited=True) > 0


async def test_a_cancelled_turn_is_cancelled(
    chat: Chat, demo: DemoServer, telescope: Telescope
) -> None:
    demo.controls.hold(kind="chat")
    turn = (await anext(aiter(chat.stream("hello")))).started.turn
    await demo.controls.until_held()
    assert telescope.count("rota.turns.open") == 1
    await chat.stub.CancelTurn(pb.CancelTurnRequest(name=turn), metadata=chat.metadata)
    await ended(telescope, 1)

    assert telescope.attributes("chat_request")[0]["outcome"] == "cancelled"
    assert telescope.count("rota.turns", outcome="cancelled") == 1
    assert telescope.count("rota.turn.first_token") == 0


async def test_each_model_has_a_span_of_its_own(
    serve: Serving, demo: DemoServer, telescope: Telescope
) -> None:
    chat = await serve(model(-1, "demo-limited"), model(-2, "demo-b"))
    await chat.send("hello")
    await ended(telescope, 2)

    told = telescope.attributes("chat_request")
    assert [(t["config"], t["outcome"]) for t in told] == [(-1, "rerouted"), (-2, "completed")]
    assert telescope.count("rota.turn.reroutes") == 1
    assert telescope.count("rota.turns") == 1


async def test_a_turn_that_is_left_to_another_replica_says_so(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    telescope: Telescope,
) -> None:
    demo.controls.hold(kind="chat")
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as first:
        turn = (await anext(aiter(first.stream("hello")))).started.turn
        await demo.controls.until_held()
    demo.controls.release()
    async with chat_service(chat_databases, keys, demo.base_url, automations=automations) as second:
        await second.watch(turn)
        await ended(telescope, 2)

    told = telescope.attributes("chat_request")
    assert [(t["recovered"], t["outcome"]) for t in told] == [
        (False, "handed_over"),
        (True, "completed"),
    ]


async def test_pending_approvals_are_read_in_every_sweep(chat: Chat, telescope: Telescope) -> None:
    await chat.send(SCHEDULE)
    await chat.service.tick()

    assert telescope.gauge("rota.approvals.pending") == 1
