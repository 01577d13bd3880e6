"""However a segment ends, what its model calls used is written down, charged and never held on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from chat_service.turns import accounting
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared import resources
from tests.chat_service.conftest import Serving
from tests.chat_service.own_models import pin
from tests.support.model_providers.models import model
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve, said, until

# a dollar for a million tokens either way: a token costs a micro
PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
ONE = (model(-1, "demo-a", premium=True, **PRICE),)
BROKEN = (
    model(-1, "demo-mid429", premium=True, **PRICE),
    model(-2, "demo-b", premium=True, **PRICE),
)
PLENTY = 100_000_000
LONG = "on and " * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    serve: Serving
    demo: DemoServer
    chat: Chat
    thread: str  # with a title, so that no other call is made

    async def say(self, text: str, **more: Any) -> list[pb.TurnEvent]:
        return await self.chat.send(text, name=self.thread, **more)

    async def begin(self, text: str, *, held: Any = "chat", after: int = 0) -> str:
        """A turn whose model stands still after so many pieces."""
        self.demo.controls.hold(after=after, kind=held)
        events = aiter(self.chat.stream(text, name=self.thread))
        turn: str = (await anext(events)).started.turn
        await self.demo.controls.until_held(held)
        return turn

    async def cancel(self, turn: str) -> list[pb.TurnEvent]:
        request = pb.CancelTurnRequest(name=turn)
        await self.chat.stub.CancelTurn(request, metadata=self.chat.metadata)
        return await self.chat.watch(turn)


Act = Callable[[Scene], Awaitable[list[pb.TurnEvent]]]


async def completed(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say("hello")


async def suspended(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say(SCHEDULE)


async def resumed(scene: Scene) -> list[pb.TurnEvent]:
    before = await scene.say(SCHEDULE)
    approval = approval_of(before)
    return before + await scene.chat.resume(approval.turn, approve(approval))


async def refused(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say("<<status=400>> hello")


async def broken_and_tried_again(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say("<<drop_after=3;tokens=9;times=1>> go on")


async def broken_for_good(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say("<<err_after=3;tokens=9>> go on", model_config_id=-1)


async def cancelled_in_a_sentence(scene: Scene) -> list[pb.TurnEvent]:
    turn = await scene.begin("<<tokens=50>> go on", after=4)
    await scene.chat.watch_for(turn, "text_delta")
    return await scene.cancel(turn)


async def cancelled_before_a_word(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.cancel(await scene.begin("hello"))


async def cancelled_while_drafting(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.cancel(await scene.begin(SCHEDULE, held="drafter", after=4))


async def rerouted(scene: Scene) -> list[pb.TurnEvent]:
    return await scene.say("<<tokens=9>> go on")


CASES: dict[str, tuple[Act, str, Any, set[str]]] = {
    "completed": (completed, "completed", ONE, set()),
    "suspended": (suspended, "suspended", ONE, set()),
    "resumed": (resumed, "completed", ONE, set()),
    "refused": (refused, "failed", ONE, set()),
    "broken and tried again": (broken_and_tried_again, "completed", ONE, {"demo-a"}),
    "broken for good": (broken_for_good, "failed", ONE, {"demo-a"}),
    "cancelled in a sentence": (cancelled_in_a_sentence, "cancelled", ONE, {"demo-a"}),
    "cancelled before a word": (cancelled_before_a_word, "cancelled", ONE, {"demo-a"}),
    "cancelled while drafting": (cancelled_while_drafting, "cancelled", ONE, {"demo-a"}),
    "rerouted": (rerouted, "completed", BROKEN, {"demo-mid429"}),
}


async def scene_of(serve: Serving, demo: DemoServer, models: Any) -> Scene:
    chat = await serve(*models, credit=PLENTY)
    return Scene(serve=serve, demo=demo, chat=chat, thread=await pin(chat, 0))


async def books(chat: Chat, turn: str) -> tuple[int, pb.Usage]:
    """What a turn was charged, once all of it is settled and agrees."""
    turn_id = resources.TURN.parse(turn)["turn"]
    t, m = tables.credit_reservations, tables.messages
    async with chat.engine.connect() as connection:
        held = list(await connection.execute(sa.select(t).where(t.c.turn_id == turn_id)))
        query = sa.select(m.c.usage).where(m.c.turn_id == turn_id)
        usages = [usage for usage in await connection.scalars(query) if usage]
    assert held
    assert all(row.settle_time is not None for row in held)
    charged = sum(row.used_micros for row in held)
    assert charged == sum(usage["cost_micros"] for usage in usages)
    found = (await chat.turn(turn)).usage
    assert found.cost_micros == charged
    return charged, found


def estimated(usage: pb.Usage) -> set[str]:
    models = {one.model for one in usage.by_model if one.estimated}
    assert usage.estimated == bool(models)
    return models


@pytest.mark.parametrize("case", CASES)
async def test_every_way_out_is_settled_with_what_was_used(
    serve: Serving, demo: DemoServer, case: str
) -> None:
    act, ends, models, cut = CASES[case]
    scene = await scene_of(serve, demo, models)
    events = await act(scene)
    assert events[-1].WhichOneof("event") == ends
    charged, usage = await books(scene.chat, events[0].started.turn)
    frames = [e.usage for e in events if e.HasField("usage")]
    assert sum(frame.cost_micros for frame in frames) == charged
    assert estimated(usage) == cut
    assert {model for frame in frames for model in estimated(frame)} == cut
    assert (charged > 0) == (case != "refused")


async def test_an_estimate_is_a_token_for_four_bytes_of_what_was_sent_and_said(
    serve: Serving, demo: DemoServer
) -> None:
    scene = await scene_of(serve, demo, ONE)
    whole = (await scene.say("<<tokens=50>> go on"))[-1].completed.message.usage
    events = await cancelled_in_a_sentence(scene)
    _, usage = await books(scene.chat, events[0].started.turn)
    text = said(events)
    assert text
    assert usage.output_tokens == -(-len(text.encode()) // 4)
    # More than the model's own count of messages alone: tools are read too.
    assert usage.input_tokens > whole.input_tokens / 2


async def nothing(*_: Any) -> None:
    """What a process does that is killed."""


async def test_a_call_without_a_word_yet_is_charged_by_the_replica_that_leaves_its_turn(
    serve: Serving, demo: DemoServer
) -> None:
    models = serve.write(*ONE, credit=PLENTY)
    async with serve.start(models_file=models) as first:
        scene = Scene(serve=serve, demo=demo, chat=first, thread=await pin(first, 0))
        turn = await scene.begin("hello")
    demo.controls.release()
    chat = await serve(models_file=models)
    events = await chat.watch(turn)
    assert events[-1].WhichOneof("event") == "completed"
    _, usage = await books(chat, turn)
    assert (estimated(usage), usage.model_calls) == ({"demo-a"}, 2)
    undisturbed = await chat.send("hello", name=await pin(chat, 0))
    whole = next(e.usage for e in undisturbed if e.HasField("usage"))
    assert usage.output_tokens == whole.output_tokens
    assert usage.input_tokens > whole.input_tokens


async def test_a_draft_is_charged_though_its_replica_dies_before_the_card_is_stored(
    serve: Serving,
    demo: DemoServer,
    automations: MemoryAutomations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounting, "record_unreported", nothing)
    models = serve.write(*ONE, credit=PLENTY)
    validate = automations.validate

    async def slow(**_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(automations, "validate", slow)
    async with serve.start(models_file=models) as first:
        thread = await pin(first, 0)
        stream = aiter(first.stream(SCHEDULE, name=thread))
        turn = (await anext(stream)).started.turn

        async def written_down() -> bool:
            return (await first.turn(turn)).usage.model_calls == 1

        await until(written_down)
    monkeypatch.setattr(automations, "validate", validate)
    chat = await serve(models_file=models)
    events = await chat.watch(turn)
    assert events[-1].WhichOneof("event") == "suspended"
    _, usage = await books(chat, turn)
    assert len(demo.controls.log("drafter")) == 2
    # the agent's, and two drafts of which the first was lost
    assert (estimated(usage), usage.model_calls) == (set(), 3)


def cancel_meanwhile(databases: ServiceDatabases, turn: str) -> None:
    """What a replica without the turn writes down while nobody owns it."""
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        connection.execute(
            "update chat.turns set cancel_requested = true where id = %s",
            [resources.TURN.parse(turn)["turn"]],
        )


@pytest.mark.parametrize("ends", ["completed", "cancelled"])
async def test_a_call_that_died_with_its_replica_is_estimated_and_charged(
    serve: Serving, demo: DemoServer, chat_databases: ServiceDatabases, ends: str
) -> None:
    models = serve.write(*ONE, credit=PLENTY)
    async with serve.start(models_file=models) as first:
        scene = Scene(serve=serve, demo=demo, chat=first, thread=await pin(first, 0))
        turn = await scene.begin(f"<<tokens=9>> go on {LONG}", after=4)
        before = await first.watch_for(turn, "text_delta")
    demo.controls.release()
    if ends == "cancelled":
        cancel_meanwhile(chat_databases, turn)
    chat = await serve(models_file=models)
    events = await chat.watch(turn)
    assert events[-1].WhichOneof("event") == ends
    charged, usage = await books(chat, turn)
    assert estimated(usage) == {"demo-a"}
    assert usage.output_tokens >= -(-len(said(before).encode()) // 4) > 0
    assert usage.input_tokens > len(LONG) / 4  # it had read that, and more
    assert sum(e.usage.cost_micros for e in events if e.HasField("usage")) == charged


@pytest.mark.parametrize("ends", ["suspended", "cancelled"])
async def test_a_call_that_ended_before_its_replica_died_is_counted_once_and_exactly(
    serve: Serving,
    demo: DemoServer,
    chat_databases: ServiceDatabases,
    ends: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounting, "record_unreported", nothing)  # as when it is killed
    models = serve.write(*ONE, credit=PLENTY)
    async with serve.start(models_file=models) as first:
        scene = Scene(serve=serve, demo=demo, chat=first, thread=await pin(first, 0))
        turn = await scene.begin(SCHEDULE, held="drafter")
    demo.controls.release()
    if ends == "cancelled":
        cancel_meanwhile(chat_databases, turn)
    chat = await serve(models_file=models)
    events = await chat.watch(turn)
    assert events[-1].WhichOneof("event") == ends
    _, usage = await books(chat, turn)
    assert estimated(usage) == set()
    undisturbed = await chat.send(SCHEDULE, name=await pin(chat, 0))
    whole = next(e.usage for e in undisturbed if e.HasField("usage"))
    if ends == "suspended":
        assert usage == whole
    else:
        assert 0 < usage.input_tokens < whole.input_tokens


@pytest.mark.usefixtures("impatient")
async def test_a_title_that_was_cut_off_is_estimated_and_charged(
    serve: Serving, demo: DemoServer
) -> None:
    models = serve.write(*ONE, credit=PLENTY)
    async with serve.start(models_file=models) as first:
        demo.controls.hold(after=1, kind="title")
        events = await first.send("hello")
        await demo.controls.until_held("title")
        before = next(e.usage for e in events if e.HasField("usage"))
    demo.controls.release()
    chat = await serve(models_file=models)
    _, usage = await books(chat, events[0].started.turn)
    assert estimated(usage) == {"demo-a"}
    assert usage.input_tokens > before.input_tokens
