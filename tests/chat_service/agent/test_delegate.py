"""Subagents: on threads of their own, with the tools of chats, told in steps."""

import json
from typing import Any

import pytest

from chat_service.agent.toolset import MAIN_AGENT
from chat_service.runtime.events import ToolCallStarted
from chat_service.runtime.ports import TaskLimits
from chat_service.runtime.subagent import Subagent, researcher
from shared import errors
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.hands import Hands, delegating, steps, threads, uses, using


@pytest.fixture
def hands(bench: Bench) -> Hands:
    made = Hands()
    bench.capability_tools, bench.subagents = made.tools(), [researcher()]
    return made


async def test_a_subagent_works_on_a_thread_of_its_own_and_reports(
    bench: Bench, hands: Hands
) -> None:
    events = await bench.all(delegating(using("look", at="the moon")))

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (True, "done")
    assert result.output["subagent"] == "researcher"
    assert '"seen": "the moon"' in result.output["answer"]
    assert hands.looked == ["the moon"]
    assert await threads(bench) == {str(bench.turn), f"{bench.turn}/1"}
    # two calls of the main agent's model, two of the subagent's
    assert uses(events) == 4


async def test_its_work_is_told_in_steps_and_not_in_the_message(bench: Bench, hands: Hands) -> None:
    events = await bench.all(delegating(using("look", at="the moon")))

    told = steps(events)
    assert {step.id for step in told} == {"researcher-1"}
    assert told[0].title.startswith("Researcher: use look")
    assert [step.done for step in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].items == ("look the moon",)
    assert [e.tool for e in events if isinstance(e, ToolCallStarted)] == ["delegate"]
    assert text_of(events).startswith("The researcher says: ")


async def test_it_has_the_tools_of_chats_but_none_of_chats_own(bench: Bench, hands: Hands) -> None:
    bench.keep_automation()
    await bench.all(delegating("say hello"), disabled_tools={"look"})

    (seen,) = bench.demo.controls.log("task")
    assert seen.tools == ["write"]
    assert "You are a researcher" in seen.system
    assert seen.asked == "say hello"
    main = bench.demo.controls.log("chat")[0]
    assert main.tools == [*(tool.name for tool in MAIN_AGENT), "delegate", "write"]
    assert "finds things out" not in main.system


async def test_a_subagent_may_be_given_only_some_tools(bench: Bench, hands: Hands) -> None:
    bench.subagents = [
        Subagent(name="clerk", description="files", instructions="You file.", tools=("write",))
    ]
    asked = [{"name": "delegate", "args": {"subagent": "clerk", "task": "file it"}}]

    await bench.all(f"go <<calls={json.dumps(asked)}>>")

    assert bench.demo.controls.log("task")[0].tools == ["write"]


async def test_a_tool_that_fails_is_told_to_the_subagent_and_shown(
    bench: Bench, hands: Hands
) -> None:
    events = await bench.all(delegating(using("look", at="nothing")))

    assert "there is nothing to see" in finished(events)[0].output["answer"]
    assert steps(events)[-1].items == ("look nothing – it failed",)


@pytest.mark.parametrize(
    ("arguments", "issue"),
    [
        ({"subagent": "butler", "task": "x"}, "subagent: is one of researcher"),
        ({"subagent": "researcher", "task": " "}, "task: a text of 1 to 8,000"),
        ({"task": 7}, "subagent: is one of researcher"),
    ],
)
async def test_what_is_no_assignment_is_answered(
    bench: Bench, hands: Hands, arguments: dict[str, Any], issue: str
) -> None:
    asked = [{"name": "delegate", "args": arguments}]
    events = await bench.all(f"go <<calls={json.dumps(asked)}>>")

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    assert result.output["issues"][0].startswith(issue)


async def test_a_turn_has_so_many_tasks_and_no_more(bench: Bench, hands: Hands) -> None:
    events = await bench.all(delegating(*["say hello"] * 17))

    assert sorted(r.output["status"] for r in finished(events)) == ["done"] * 16 + ["error"]


async def test_what_subagents_kept_goes_with_the_turn(bench: Bench, hands: Hands) -> None:
    await bench.all(delegating("say hello", "say goodbye"))
    assert len(await threads(bench)) == 3

    await bench.agent().delete_checkpoints(bench.turn)

    assert not await threads(bench)


async def test_tasks_have_no_subagents(bench: Bench, hands: Hands) -> None:
    with pytest.raises(errors.CapabilityGone):
        await bench.task("go", TaskLimits(tools=("delegate",)))
