"""Which part of the agent is told what: nobody reads guidance that is another's."""

from uuid import uuid4

import pytest

from chat_service.runtime.ports import TaskLimits, ThreadMessage
from chat_service.runtime.subagent import researcher
from devstack.demo.controls import RequestRecord
from tests.chat_service.agent_bench import Bench
from tests.chat_service.hands import Hands, delegating, using

WEEKDAYS = "every weekday at 9 in Paris summarise the news"
CHATS_OWN = {
    "create_automation", "update_automation", "pause_automation", "resume_automation",
    "skip_next_slot", "unskip_slots", "backfill_slots", "roll_back_automation",
    "delete_automation",
    "list_inbox", "explain_result", "list_automations", "list_destinations", "explain_slot",
    "delegate",
}  # fmt: skip
INTENTS = "Which page has the prices?"  # guidance on intents
DRAFTS = {
    "the answer": "`draft` is the whole automation",
    "the catalogue": "# Actions you may use",
    "few-shots of drafts": '"display_name": "Bread reminder"',
    "conventions": "exactly five fields",
}


def told(seen: RequestRecord) -> str:
    return "\n".join([*seen.texts, *seen.examples])


@pytest.fixture
def hands(bench: Bench) -> Hands:
    made = Hands()
    bench.capability_tools, bench.subagents = made.tools(), [researcher()]
    return made


async def test_the_main_agent_is_told_of_intents_and_the_drafter_of_drafts(
    bench: Bench, hands: Hands
) -> None:
    bench.keep_automation()
    await bench.paused(WEEKDAYS)
    (main,), (drafter,) = bench.demo.controls.log("chat"), bench.demo.controls.log("drafter")

    assert set(main.tools) == CHATS_OWN | {"look", "write"}
    assert INTENTS in told(main)
    assert [what for what, text in DRAFTS.items() if text in told(main)] == []
    assert drafter.tools == []
    assert [what for what, text in DRAFTS.items() if text not in told(drafter)] == []
    assert INTENTS not in told(drafter)


async def test_a_drafter_is_told_nothing_of_what_was_said_but_the_intent(bench: Bench) -> None:
    said = [
        ThreadMessage(id="m1", role="user", parts=[{"text": "my password is swordfish"}]),
        ThreadMessage(id="m2", role="user", parts=[{"text": WEEKDAYS}]),
    ]
    await bench.all(messages=said)
    (main,), (drafter,) = bench.demo.controls.log("chat"), bench.demo.controls.log("drafter")
    assert "swordfish" in told(main)
    assert "swordfish" not in told(drafter)
    assert drafter.roles == ["system", "user"]


async def test_subagents_and_tasks_are_told_neither(bench: Bench, hands: Hands) -> None:
    await bench.all(delegating(using("look", at="the moon")))
    limits = TaskLimits(tools=(), output_schema=None, budget_micros=None, auto_approve=False)
    bench.turn = uuid4()
    await bench.task("say hi", limits)

    subagent, *_, task = bench.demo.controls.log("task")
    assert (subagent.tools, task.tools) == (["look", "write"], [])
    for seen in (subagent, task):
        assert INTENTS not in told(seen)
        assert [what for what, text in DRAFTS.items() if text in told(seen)] == []


async def test_guidance_on_a_tool_that_is_switched_off_is_left_out(bench: Bench) -> None:
    bench.keep_automation()
    await bench.all(WEEKDAYS, disabled_tools=["create_automation"])
    main = bench.demo.controls.log("chat")[0]
    assert "create_automation" not in main.tools
    assert INTENTS not in told(main)
