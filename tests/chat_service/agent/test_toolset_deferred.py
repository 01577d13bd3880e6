"""Tools that a graph was not made with: carried out only for those who may have them."""

from typing import Any

import pytest

from chat_service.runtime.ports import TaskLimits
from chat_service.runtime.subagent import Subagent
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.hands import Hands, one_call
from tests.support.model_providers.scripted_model import ends, says, scripted_model

CLERK = Subagent(name="clerk", description="files", instructions="You file.", tools=("write",))
DELEGATE = one_call("delegate", 1, subagent="clerk", task="look")
LOOK = one_call("look", 2, at="the moon")
DONE = [says("I see."), ends()]


@pytest.fixture
def hands(bench: Bench) -> Hands:
    made = Hands()
    bench.capability_tools, bench.subagents = made.tools(), [CLERK]
    return made


@pytest.mark.parametrize(
    "limits",
    [
        {"disabled_tools": ["look"]},
        {"task": TaskLimits(tools=("write",), auto_approve=True)},
    ],
    ids=["taken away for the turn", "not granted to the task"],
)
async def test_a_tool_that_a_model_was_not_offered_is_not_carried_out(
    bench: Bench, hands: Hands, limits: dict[str, Any]
) -> None:
    async with scripted_model(LOOK, DONE) as model:
        bench.ask_at(model.base_url)
        (result,) = finished(await bench.all("go", **limits))

    assert not result.ok
    assert not hands.looked


async def test_a_tool_that_a_subagent_is_not_given_is_not_carried_out(
    bench: Bench, hands: Hands
) -> None:
    async with scripted_model(DELEGATE, LOOK, DONE, DONE) as model:
        bench.ask_at(model.base_url)
        await bench.all("go")

    assert len(model.asked) == 4
    assert not hands.looked


async def test_a_tool_that_came_since_is_carried_out(bench: Bench, hands: Hands) -> None:
    bench.capability_tools = []
    agent = bench.agent()

    def answer(_: Any) -> Any:
        bench.capability_tools = hands.tools()
        return LOOK if len(model.asked) == 1 else DONE

    async with scripted_model(answer=answer) as model:
        bench.ask_at(model.base_url)
        (result,) = finished(await bench.all("go", agent=agent))

    assert (result.ok, hands.looked) == (True, ["the moon"])
