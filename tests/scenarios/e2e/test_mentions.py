"""An automation is spoken of: what the other service knows of it comes before the question."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from rota.automation.v1 import automation_pb2
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import SCHEDULE, WORKSPACE, approval_of, approve, asking, until
from tests.support.system.pair import Pair

# Nine o'clock in Paris on the Tuesday after the clock's Monday, which is 09:00 there already.
SLOT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


async def saved(road: Pair) -> str:
    approval = approval_of(await road.chat.send(SCHEDULE))
    after = await road.chat.resume(approval.turn, approve(approval))
    return next(e.tool_call_finished.resource for e in after if e.HasField("tool_call_finished"))


async def send(road: Pair, *names: str) -> list[pb.TurnEvent]:
    request = asking("how is it doing?")
    for name in names:
        request.message.parts.add(mention=pb.Mention(name=name))
    call = road.chat.stub.SendMessage(request, metadata=road.metadata)
    return [event async for event in call]


async def test_a_mentioned_automation_comes_with_its_next_fires_and_its_runs(
    road: Pair, demo: DemoServer
) -> None:
    name = await saved(road)
    road.clock.set(SLOT + timedelta(milliseconds=5))

    async def ran() -> bool:
        found = await road.automations.ListRuns(
            automation_pb2.ListRunsRequest(parent=name), metadata=road.metadata
        )
        return any(run.HasField("end_time") for run in found.runs)

    await until(ran)
    events = await send(road, name)
    assert events[-1].HasField("completed")
    context = demo.controls.log("chat")[-1].texts[-2]
    assert f"({name}), active, revision 1" in context
    assert "Next fires: 2026-11-25T08:00:00+00:00" in context
    assert f"Last runs: succeeded of {SLOT.isoformat()}" in context


async def test_an_automation_of_nobody_and_one_of_another_workspace_are_left_out(
    road: Pair, demo: DemoServer, keys: Keys
) -> None:
    name = await saved(road)
    elsewhere = name.replace(WORKSPACE, "workspaces/other")
    nobodys = f"{WORKSPACE}/automations/{uuid4()}"
    events = await send(road, nobodys, elsewhere)
    items = list(events[1].step.items)
    assert items[0] == "Processing: how is it doing?"
    assert [item.split(";")[0] for item in items[1:]] == [
        f"Left out: {nobodys}",
        f"Left out: {elsewhere}",
    ]
    last = demo.controls.log("chat")[-1]
    assert last.roles == ["system", "user"]
    assert all(f"there is no {name}," in last.texts[-1] for name in (nobodys, elsewhere))
