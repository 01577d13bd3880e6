"""The files that docs/architecture.md names for a walk are entered on it."""

from datetime import timedelta

from tests.scenarios.e2e.test_road import ASKED, SLOT, approved, ended_runs
from tests.support.oracles import walks
from tests.support.system.chat import approval_of, approve, until
from tests.support.system.pair import Pair


def missing(walk: str, entered: set[str]) -> list[str]:
    return [file for file in walks.listed()[walk] if file not in entered]


async def test_a_message_walks_through_the_files_of_its_map(road: Pair) -> None:
    with walks.entered() as files:
        frames = await road.chat.send("hello")
    assert frames[-1].HasField("completed")
    assert missing("Message → frames", files) == []


async def test_a_decision_walks_through_the_files_of_its_map(road: Pair) -> None:
    approval = approval_of(await road.chat.send(ASKED))
    with walks.entered() as files:
        frames = await road.chat.resume(approval.turn, approve(approval))
    assert frames[-1].HasField("completed")
    assert missing("Decision → automation", files) == []


async def test_a_due_slot_and_its_task_walk_through_the_files_of_their_maps(road: Pair) -> None:
    _, automation = await approved(road)

    async def ended() -> bool:
        return bool(await ended_runs(road, automation))

    with walks.entered() as files:
        road.clock.set(SLOT + timedelta(milliseconds=5))
        await until(ended)
    assert missing("Due slot → finished run", files) == []
    assert missing("RunTask → result", files) == []
