"""A replica killed in the midst of what people approved, whatever it is: it is done once."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from google.protobuf import json_format
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import automation_pb2 as ap

from tests.scenarios.chaos.gate import gate
from tests.scenarios.chaos.story import require_alike
from tests.scenarios.chaos.town import Person, Town, calm, on_the_first, told_alike
from tests.support.system.chat import WORKSPACE, kinds, until

# Processes start slowly where much else runs.
pytestmark = [pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

DEFINITION: Final = {
    "triggers": [
        {
            "trigger_id": "mornings",
            "type": "schedule",
            "config": {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
        }
    ],
    "plan": [{"step_id": "news", "action": "agent_task", "config": {"prompt": "Summarise."}}],
}
WRITE: Final = [{"name": "notes_write", "args": {"title": "number {}", "text": "b"}}]
TWO: Final = "ask the researcher to say number {} and also ask the researcher to say something"


def calling(calls: list[dict[str, Any]]) -> str:
    # A directive inside a directive is escaped.
    return json.dumps(calls).replace("<", "\\u003c").replace(">", "\\u003e")


DELEGATED: Final = [
    {
        "name": "delegate",
        "args": {"subagent": "researcher", "task": f"write <<calls={calling(WRITE)}>>"},
    }
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """`on`: the automation that is there before. `version`: its own when the act is done."""

    asked: str
    on: str = ""
    version: int = 0
    paused: bool = False

    def text(self, number: int) -> str:
        return self.asked.replace("number {}", f"number {number}")


CREATE: Final = "every weekday at 9 in Paris summarise the news of number {}"
ON_AUTOMATIONS: Final = {
    "create": Act(asked=CREATE, version=1),
    "update": Act(asked="change sports of number {} to 10:30", on="Sports", version=2),
    "pause": Act(asked="pause stocks of number {} because of a holiday", on="Stocks", version=2),
    "resume": Act(asked="resume letters of number {}", on="Letters", version=3, paused=True),
}
ON_NOTES: Final = {
    "mcp": Act(asked=f"go <<calls={calling(WRITE)}>>"),
    "subagent": Act(asked=f"go <<calls={calling(DELEGATED)}>>"),
}
ACTS: Final = {**ON_AUTOMATIONS, **ON_NOTES}
# Numbers of one length, since what is said is counted.
CALM, BEFORE, AFTER = 1_000, 2_000, 3_000


async def set_up(town: Town, act: Act, number: int) -> None:
    """The automation that the act is on, if it is on one."""
    if not act.on:
        return
    said = {"display_name": f"{act.on} of number {number}", "definition": DEFINITION}
    automation = json_format.ParseDict(said, ap.Automation())
    request = ap.CreateAutomationRequest(parent=WORKSPACE, automation=automation)
    made = await town.automations.CreateAutomation(request, metadata=town.metadata)
    if act.paused:
        pause = ap.PauseAutomationRequest(name=made.name)
        await town.automations.PauseAutomation(pause, metadata=town.metadata)


async def asked(town: Town, number: int) -> dict[str, Person]:
    """Somebody for each act, who sees its card; all at the first replica."""
    people = {}
    for name, act in ACTS.items():
        await set_up(town, act, number)
        people[name] = Person(town=town, text=act.text(number), at=0)
    await asyncio.gather(*(person.ask() for person in people.values()))
    for person in people.values():
        assert person.heard[-1].WhichOneof("event") == "suspended", str(person.heard)[-3000:]
    return people


async def kill_the_first(town: Town) -> None:
    await town.chats[0].kill()
    town.demo.controls.release()
    town.shelf.held = False


async def ended(people: dict[str, Person]) -> None:
    """All of them hear the end of what they approved, from the second replica."""
    await asyncio.gather(*(person.hear_from_the_second() for person in people.values()))
    for person in people.values():
        assert [e.sequence for e in person.heard] == list(range(1, len(person.heard) + 1))
        assert person.heard[-1].WhichOneof("event") == "completed"
        await told_alike(person)


async def done_once(town: Town, number: int) -> None:
    names = await town.saved()
    assert names.count(f"Summarise the news of number {number}") == 1
    versions = await town.rows(
        "select a.name, a.version from automation.automations a where a.name like $1",
        f"%number {number}",
    )
    expected = sorted(act.version for act in ON_AUTOMATIONS.values())
    assert sorted(row["version"] for row in versions) == expected
    assert written(town, number) == [(f"number {number}", "b")] * len(ON_NOTES)


def written(town: Town, number: int) -> list[tuple[str, str]]:
    return [note for note in town.shelf.written if note[0] == f"number {number}"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(standing_town: Town) -> dict[str, Person]:
    await standing_town.whole()
    people = {}
    for name, act in ACTS.items():
        await set_up(standing_town, act, CALM)
        people[name] = await calm(standing_town, act.text(CALM))
    return people


async def test_what_was_decided_is_done_by_another_replica_when_one_dies_before_it_is(
    town: Town, undisturbed: dict[str, Person]
) -> None:
    people = await asked(town, BEFORE)
    superuser = town.databases.superuser
    async with (
        gate(superuser, "automation.automations", "insert or update") as saving,
        gate(superuser, "chat.tool_acts", "insert") as acting,
    ):
        for person in people.values():
            await person.decide()
        await saving.until_waiting(len(ON_AUTOMATIONS))
        await acting.until_waiting(len(ON_NOTES))
        assert not written(town, BEFORE)
        await kill_the_first(town)
    await ended(people)
    await done_once(town, BEFORE)
    for name, person in people.items():
        require_alike(person.heard, undisturbed[name].heard)


async def test_what_was_done_is_not_done_again_when_a_replica_dies_before_it_knows(
    town: Town, undisturbed: dict[str, Person]
) -> None:
    people = await asked(town, AFTER)
    town.shelf.held = True  # a note is written, and nobody is told
    async with gate(town.databases.superuser, "chat.approvals", "update of resource") as noting:
        for person in people.values():
            await person.decide()
        await noting.until_waiting(len(ON_AUTOMATIONS))
        await until(lambda: _has_written(town, AFTER))
        await kill_the_first(town)
    await ended(people)
    await done_once(town, AFTER)
    for name in ON_AUTOMATIONS:
        require_alike(people[name].heard, undisturbed[name].heard)
    for name in ON_NOTES:
        assert "may_have_run" in str(people[name].heard)
        assert shape(people[name]) == shape(undisturbed[name])
    unnamed = await town.rows("select distinct action_type from approvals where resource = ''")
    assert [row["action_type"] for row in unnamed] == ["tool_call"]


async def _has_written(town: Town, number: int) -> bool:
    return len(written(town, number)) == len(ON_NOTES)


def shape(person: Person) -> list[str]:
    """Its frames, deltas that follow one another as one, but for what depends on the kill."""
    loose = ("text_delta", "text_retracted", "thread_updated", "step", "retrying")
    return [kind for kind in kinds(person.heard) if kind not in loose]


async def test_another_replica_finishes_what_subagents_and_tasks_were_saying(town: Town) -> None:
    undisturbed = await calm(town, TWO.replace("number {}", "number 1000"))
    plain = await task(town, 0, "say number 1000", request_id=f"{uuid4()}:step:1")
    town.demo.controls.hold(after=2, kind="task")
    person, listening = await on_the_first(town, TWO.replace("number {}", "number 2000"))
    request_id = f"{uuid4()}:step:1"
    asking = asyncio.ensure_future(task(town, 0, "say number 2000", request_id=request_id))
    await until(lambda: _held(town, 3))
    await kill_the_first(town)
    told = await asking
    result = await task(town, 1, "say number 2000", request_id=request_id)
    await listening
    assert person.heard[-1].WhichOneof("event") == "completed"
    await told_alike(person)
    require_alike(person.heard, undisturbed.heard)
    assert result[: len(told)] == told
    assert [e.WhichOneof("event") for e in result] == ["started", "result"]
    assert result[-1].result.text == plain[-1].result.text.replace("1000", "2000")
    await settled(town)


async def _held(town: Town, calls: int) -> bool:
    return sum(seen.held for seen in town.demo.controls.log("task")) == calls


async def test_a_task_that_was_acting_when_its_replica_died_acts_once(town: Town) -> None:
    prompt = f"write <<calls={calling(WRITE)}>>".replace("number {}", "number 4000")
    request_id = f"{uuid4()}:step:1"
    town.shelf.held = True
    asking = asyncio.ensure_future(task(town, 0, prompt, request_id=request_id))
    await until(lambda: _noted(town, 4_000))
    await kill_the_first(town)
    told = await asking
    result = await task(town, 1, prompt, request_id=request_id)
    assert result[: len(told)] == told
    assert [e.sequence for e in result] == list(range(1, len(result) + 1))
    kinds = [e.WhichOneof("event") for e in result]
    # what it is in is told once more by whoever goes on with it
    assert (kinds[0], {*kinds[1:-1]}, kinds[-1]) == ("started", {"progress"}, "result")
    assert "may_have_run" in result[-1].result.text
    assert written(town, 4_000) == [("number 4000", "b")]
    assert await task(town, 1, prompt, request_id=request_id) == result
    await settled(town)


async def _noted(town: Town, number: int) -> bool:
    return bool(written(town, number))


async def settled(town: Town) -> None:
    """Everything ended well and was paid for."""
    states = await town.rows("select distinct state::text from turns")
    assert [row["state"] for row in states] == ["succeeded"]
    used = await town.settled()
    assert all(micros > 0 for micros in used.values())


async def task(
    town: Town, replica: int, prompt: str, *, request_id: str
) -> list[agent_pb2.TaskEvent]:
    """What is told of it until it ends or its replica does."""
    request = agent_pb2.RunTaskRequest(
        workspace=WORKSPACE,
        on_behalf_of="users/ada",
        prompt=prompt,
        request_id=request_id,
        tools=["notes_write"],
        auto_approve=True,
        model="demo-a",
    )
    events: list[agent_pb2.TaskEvent] = []
    call = town.agents[replica].RunTask(request, metadata=town.as_service)
    try:
        async for event in call:
            if not event.HasField("heartbeat"):
                events.append(event)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
    return events
