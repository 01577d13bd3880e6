"""A schedule fires by itself at its minute, and its run ends."""

from datetime import timedelta

from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import START, Running, until


async def test_a_schedule_fires_at_its_minute_and_its_run_succeeds(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    created = await rota.create()
    fires = START + timedelta(seconds=30)
    assert created.triggers[0].next_fire_time.ToDatetime(tzinfo=fires.tzinfo) == fires
    assert await rota.slots(created.name) == []

    clock.set(fires)
    [run] = await rota.ended(created.name)
    assert run.state == pb.Run.SUCCEEDED
    assert run.output.string_value == "did: Summarise 3 news about trains."
    [slot] = await rota.slots(created.name)
    assert (slot.outcome, slot.run, slot.local_time) == (
        pb.Slot.FIRED,
        run.name,
        "2026-11-23T09:00",
    )
    assert [task.request_id for task in agent.begun] == [f"{run.name.rpartition('/')[2]}:news:1"]

    async def told() -> bool:
        return bool((await rota.get(created.name)).last_run_state == pb.Run.SUCCEEDED)

    assert await until(told)
