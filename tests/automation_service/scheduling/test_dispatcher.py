"""Many triggers are decided in one transaction, and each as if it were alone."""

from datetime import UTC, timedelta
from typing import Any

from rota.automation.v1 import automation_pb2 as pb

from tests.support.database.statements import see_statements
from tests.support.system.automation import START, Running, execute, news, schedule

MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)


def every_minute(*trigger_ids: str, concurrency: str = "always", **config: Any) -> dict[str, Any]:
    triggers = [
        {**schedule("* * * * *", **config), "trigger_id": trigger_id}
        for trigger_id in trigger_ids or ("t",)
    ]
    return news(triggers=triggers, execution={"concurrency": concurrency})


async def outcomes(rota: Running, name: str) -> list[str]:
    return sorted(pb.Slot.Outcome.Name(slot.outcome) for slot in await rota.slots(name))


async def statements(rota: Running, moment: Any) -> int:
    """How many statements it takes to fire what is due."""
    async with see_statements(rota.service.db) as seen:
        assert await rota.service.scheduler.fire_due(moment)
    return len(seen)


async def test_forty_triggers_take_no_more_statements_than_two(still: Running) -> None:
    names = [(await still.create(every_minute("a", "b"))).name]
    few = await statements(still, FIRST)
    names += [(await still.create(every_minute("a", "b"))).name for _ in range(20)]
    assert await statements(still, FIRST) == few
    assert [len(await still.runs(name)) for name in names] == [2] * 21
    [tokens] = await execute(still.url, "select count(*) as n from pgqueuer.pgqueuer")
    assert tokens["n"] == 42


async def test_triggers_of_one_automation_that_are_due_together_see_each_other(
    still: Running,
) -> None:
    alone = every_minute("a", "b", "c", concurrency="drop_if_running")
    in_turn = every_minute("a", "b", "c", concurrency="queue")
    dropping, queueing = [(await still.create(said)).name for said in (alone, in_turn)]
    assert await still.service.scheduler.fire_due(FIRST) == 6
    assert await outcomes(still, dropping) == ["FIRED", "SKIPPED_OVERLAP", "SKIPPED_OVERLAP"]
    [run] = await still.runs(dropping)
    reasons = {slot.reason for slot in await still.slots(dropping)}
    run_id = run.name.rpartition("/")[2]
    assert reasons == {
        "",
        f"Run {run_id} was still going on; concurrency is drop_if_running.",
    }
    assert await outcomes(still, queueing) == ["FIRED"] * 3
    # One of each may begin; the others wait for it.
    [tokens] = await execute(still.url, "select count(*) as n from pgqueuer.pgqueuer")
    assert tokens["n"] == 2


async def test_of_slots_that_replace_each_other_at_once_one_run_is_left(still: Running) -> None:
    name = (await still.create(every_minute("a", "b", "c", concurrency="cancel_running"))).name
    assert await still.service.scheduler.fire_due(FIRST) == 3
    assert await outcomes(still, name) == ["FIRED"] * 3
    runs = {run.name: pb.Run.State.Name(run.state) for run in await still.runs(name)}
    assert sorted(runs.values()) == ["CANCELLED", "CANCELLED", "PENDING"]
    # Each row names the run that its own slot ended.
    rows = await still.slots(name)
    ended = [run.rpartition("/")[2] for run, state in runs.items() if state == "CANCELLED"]
    told = [f"Run {run} still waited and ended; concurrency is cancel_running." for run in ended]
    assert sorted(slot.reason for slot in rows) == ["", *sorted(told)]
    [left] = [slot for slot in rows if runs[slot.run] == "PENDING"]
    assert left.reason != ""


async def test_a_trigger_whose_slot_can_not_be_written_is_disabled_and_hurts_nobody(
    still: Running,
) -> None:
    bad = (await still.create(every_minute())).name
    await still.service.scheduler.fire_due(FIRST)
    good = (await still.create(every_minute())).name
    # A run of a slot without a row: the same slot again would be a second run.
    await execute(
        still.url,
        "with owner as (select id from automations where resource_id = $1), gone as ("
        " delete from automation_slots using owner where automation_id = owner.id)"
        " update automation_triggers set next_fire_time = $2, decided_until = $3"
        " from owner where automation_id = owner.id",
        bad.rpartition("/")[2],
        FIRST,
        START,
    )
    assert await still.service.scheduler.fire_due(FIRST) == 2
    assert await outcomes(still, good) == ["FIRED"]
    trigger = (await still.get(bad)).triggers[0]
    assert not trigger.enabled
    assert trigger.disabled_reason == "Its slots can't be written; save it again to enable it."
    assert trigger.disable_time.ToDatetime(tzinfo=UTC) == FIRST
    assert await outcomes(still, bad) == []
    assert len(await still.runs(bad)) == 1


async def test_very_many_slots_are_decided_over_several_transactions(still: Running) -> None:
    async def ledger() -> int:
        [counted] = await execute(still.url, "select count(*) as n from automation_slots")
        return int(counted["n"])

    names = [(await still.create(every_minute())).name for _ in range(3)]
    late = FIRST + 799 * MINUTE
    assert await still.service.scheduler.fire_due(late) == 3
    assert await ledger() == 1000
    while await still.service.scheduler.fire_due(late):
        pass
    assert await ledger() == 2400
    # One run each, though their slots came in several transactions.
    assert [len(await still.runs(name)) for name in names] == [1, 1, 1]


async def test_a_definition_changed_by_hand_is_read_again(still: Running) -> None:
    name = (await still.create(every_minute())).name
    await still.service.scheduler.fire_due(FIRST)
    await execute(
        still.url,
        "update automations set definition ="
        """ jsonb_set(definition, '{triggers,0,static_inputs,topic}', '"ships"')""",
    )
    await still.service.scheduler.fire_due(FIRST + MINUTE)
    latest, _ = [await still.run(run.name) for run in await still.runs(name)]
    assert latest.inputs["topic"] == "ships"
    assert latest.definition_snapshot.triggers[0].static_inputs["topic"] == "ships"
