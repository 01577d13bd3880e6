"""Subagents that wait, are taken over, cancelled or given another model."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from chat_service.runtime.events import AgentEvent, RunPaused, ToolCallStarted
from chat_service.runtime.ports import StartMode
from chat_service.runtime.subagent import researcher
from shared import errors
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.hands import (
    Hands,
    crashed,
    delegating,
    one_call,
    steps,
    threads,
    until,
    uses,
    using,
)
from tests.support.model_providers.scripted_model import (
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)


@pytest.fixture
def hands(bench: Bench) -> Hands:
    made = Hands()
    bench.capability_tools, bench.subagents = made.tools(), [researcher()]
    return made


async def test_its_approval_pauses_the_turn_and_names_it(bench: Bench, hands: Hands) -> None:
    events = await bench.all(delegating(using("write", text="a")))

    last = events[-1]
    assert isinstance(last, RunPaused)
    draft = bench.approvals.drafts[last.approvals[0]]
    started = next(e for e in events if isinstance(e, ToolCallStarted))
    assert draft.action_type == "tool_call"
    assert draft.tool_call_id == started.tool_call_id
    assert draft.context["subagent"] == "researcher"
    assert draft.context["task"].startswith("use write")
    assert steps(events)[-1].items[-1] == "Waits for a decision"
    assert not hands.written

    bench.approvals.decide(
        last.approvals[0], "approved", payload={"tool": "write", "arguments": {"text": "b"}}
    )
    resumed = await bench.all(decided_approvals=last.approvals)

    assert hands.written == ["b"]
    assert '"wrote": "b"' in finished(resumed)[0].output["answer"]
    assert steps(resumed)[-1].done


async def test_a_rejection_reaches_the_subagent(bench: Bench, hands: Hands) -> None:
    (approval,) = await bench.paused(delegating(using("write", text="a")))
    bench.approvals.decide(approval, "rejected", reason="not today")

    events = await bench.all(decided_approvals=[approval])

    assert not hands.written
    assert "not today" in finished(events)[0].output["answer"]


async def test_what_waits_side_by_side_is_decided_one_by_one(bench: Bench, hands: Hands) -> None:
    create = {"name": "create_automation", "args": {"intent": "Every day at 9 in Paris: wave."}}
    asked = delegating(using("write", text="a"), using("write", text="b"), also=[create])
    approvals = await bench.paused(asked)

    assert len(approvals) == 3
    by_text = {
        bench.approvals.drafts[a].payload["arguments"]["text"]: a
        for a in approvals
        if bench.approvals.drafts[a].action_type == "tool_call"
    }
    for approval in approvals:
        bench.approvals.decide(approval, "approved")
    bench.approvals.decide(by_text["a"], "rejected", reason="no a")
    events = await bench.all(decided_approvals=approvals)

    assert hands.written == ["b"]
    assert len(bench.automations.saved) == 1
    answers = [r.output["answer"] for r in finished(events) if "answer" in r.output]
    assert sorted("no a" in answer for answer in answers) == [False, True]
    assert await threads(bench) == {str(bench.turn), *(f"{bench.turn}/{n}" for n in (1, 2))}


async def test_a_resume_that_leaves_a_subagents_approval_out_is_refused(
    bench: Bench, hands: Hands
) -> None:
    approvals = await bench.paused(delegating(using("write", text="a"), using("write", text="b")))
    for approval in approvals:
        bench.approvals.decide(approval, "approved")

    with pytest.raises(errors.ApprovalsUndecided, match=str(approvals[1])):
        await bench.all(decided_approvals=approvals[:1])
    assert not hands.written


async def test_it_may_pause_again_and_again(bench: Bench, hands: Hands) -> None:
    async with scripted_model(
        one_call("delegate", 1, subagent="researcher", task="write twice"),
        one_call("write", 1, text="a"),
        one_call("write", 2, text="b"),
        [says("both are written"), ends()],
        [says("It is done."), ends()],
    ) as model:
        bench.ask_at(model.base_url)
        decided: list[UUID] = []
        last: AgentEvent = RunPaused(approvals=await bench.paused("go"))
        while isinstance(last, RunPaused):
            for approval in last.approvals:
                bench.approvals.decide(approval, "approved")
            decided += last.approvals
            events = await bench.all(decided_approvals=decided)
            last = events[-1]

    assert hands.written == ["a", "b"]
    assert len(decided) == 2
    assert finished(events)[0].output["answer"] == "both are written"
    assert text_of(events) == "It is done."
    assert len(model.asked) == 5


def _delegated(number: int, task: str) -> dict[str, Any]:
    arguments = json.dumps({"subagent": "researcher", "task": task})
    return call("delegate", arguments, index=number, id=f"d{number}")


async def test_whoever_takes_over_goes_on_from_its_checkpoint(bench: Bench, hands: Hands) -> None:
    asked, controls = delegating(using("look", at="the moon")), bench.demo.controls
    hands.on_look = lambda: controls.hold(kind="task")
    first = await crashed(bench.stream(asked), lambda: len(controls.log("task")) == 2)
    assert uses(first) == 2
    controls.release()

    second = await bench.all(asked, first_block=1)

    assert hands.looked == ["the moon"]
    assert finished(second)[0].output["status"] == "done"
    # the two that were made before and are counted anew, the one made again, and the last
    assert uses(second) == 4
    assert steps(second)[-1].items == ("look the moon",)


async def test_one_that_had_reported_is_counted_by_whoever_takes_over(
    bench: Bench, hands: Hands
) -> None:
    asked, controls = delegating("say hello"), bench.demo.controls

    def reported() -> bool:
        if len(controls.log("task")) == 1:
            controls.hold(kind="chat")
        return len(controls.log("chat")) == 2

    await crashed(bench.stream(asked), reported)
    controls.release()

    second = await bench.all(asked, first_block=1)

    assert len(controls.log("task")) == 1
    assert uses(second) == 3


async def test_a_pause_that_nobody_noted_is_found_again(bench: Bench, hands: Hands) -> None:
    asked = delegating(using("write", text="a"))
    first = await bench.paused(asked)

    second = await bench.all(asked, first_block=1)

    assert second[-1] == RunPaused(approvals=first)
    assert len(bench.approvals.drafts) == 1
    assert len(bench.demo.controls.log("task")) == 1


async def test_one_that_paused_anew_waits_while_another_is_taken_over(
    bench: Bench, hands: Hands
) -> None:
    """Both go on after their first pause; one pauses again, then the replica dies."""
    scripts: dict[str, list[Reply]] = {
        "go": [
            [calls(*(_delegated(n, task) for n, task in enumerate(("twice", "slowly")))), ends()]
        ],
        "twice": [one_call("write", 1, text="a"), one_call("write", 2, text="b")],
        "slowly": [one_call("write", 3, text="c"), one_call("look", 4, at="slow")],
    }

    def answer(body: dict[str, Any]) -> Reply:
        asked = next(m["content"] for m in body["messages"] if m["role"] == "user")
        made = sum(1 for m in body["messages"] if m["role"] == "tool")
        return scripts[asked][made] if made < len(scripts[asked]) else [says("done"), ends()]

    async with scripted_model(answer=answer) as model:
        bench.ask_at(model.base_url)
        first = await bench.paused("go")
        for approval in first:
            bench.approvals.decide(approval, "approved")
        hands.gate = asyncio.Event()
        await crashed(
            bench.stream(decided_approvals=first),
            lambda: hands.looked == ["slow"] and len(bench.approvals.drafts) == 3,
        )
        hands.gate = None

        second = await bench.all(decided_approvals=first)

        assert isinstance(second[-1], RunPaused)
        (anew,) = second[-1].approvals
        assert bench.approvals.drafts[anew].payload["arguments"] == {"text": "b"}
        bench.approvals.decide(anew, "approved")
        third = await bench.all(decided_approvals=[*first, anew])

    assert Counter(hands.written) == Counter(a=1, b=1, c=1)
    assert not isinstance(third[-1], RunPaused)
    # each once, when it ended
    assert [[r.output["status"] for r in finished(events)] for events in (second, third)] == [
        ["done"],
        ["done"],
    ]


async def test_a_cancelled_turn_stops_its_subagents(bench: Bench, hands: Hands) -> None:
    bench.demo.controls.hold(kind="task")
    await crashed(
        bench.stream(delegating("say hello", "say goodbye")),
        lambda: len(bench.demo.controls.log("task")) == 2,
    )

    await until(lambda: {seen.outcome for seen in bench.demo.controls.log("task")} == {"abandoned"})


async def test_another_model_goes_on_with_what_a_subagent_had(bench: Bench, hands: Hands) -> None:
    asked = delegating(using("look", at="the moon"))
    async with scripted_model(
        one_call("delegate", 1, subagent="researcher", task="look"),
        one_call("look", 1, at="the moon"),
        *[[{"error": {"code": "rate_limit_exceeded", "message": "no"}}]] * 9,
    ) as limited:
        demo = bench.demo
        bench.ask_at(limited.base_url)
        first = bench.stream(asked)
        with pytest.raises(errors.ModelRateLimited):
            await first.all()
    bench.demo = demo

    second = await bench.all(asked, first_block=1, mode=StartMode.RETRY_OTHER_MODEL)

    assert hands.looked == ["the moon"]
    assert finished(second)[0].output["status"] == "done"
    assert uses(first.events) + uses(second) == 4
