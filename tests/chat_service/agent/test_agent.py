"""A turn: what it streams, how it pauses, and how it goes on."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bench.chat.provider import open_server
from chat_service.agent.checkpointer import open_checkpoints
from chat_service.agent.toolset import MAIN_AGENT
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import (
    RunPaused,
    TextDelta,
    TextRetracted,
    ToolCallArgs,
    ToolCallStarted,
)
from chat_service.runtime.ports import SavedAutomation, ThreadMessage
from shared import errors
from tests.chat_service.agent_bench import KEY, NOW, Bench, finished, text_of
from tests.support.service_parts.agent_ports import MemoryAutomations

WEEKDAYS = "every weekday at 9 in Paris summarise the news"
TWO = f"{WEEKDAYS} and also every Monday at 8 in Paris tell me a joke"


async def test_small_talk_streams_as_one_block_and_its_usage(bench: Bench) -> None:
    events = await bench.all("hello", model=bench.model(input_price=1_000_000))

    assert text_of(events).startswith("Hello!")
    assert {e.block for e in events if isinstance(e, TextDelta)} == {0}
    used = events[-1]
    assert isinstance(used, ModelUsage)
    assert used.cost_micros == used.input_tokens > 0


async def test_a_draft_pauses_the_turn_with_a_card(bench: Bench) -> None:
    events = await bench.all(WEEKDAYS)

    started = next(e for e in events if isinstance(e, ToolCallStarted))
    arguments = "".join(e.json for e in events if isinstance(e, ToolCallArgs))
    last = events[-1]
    assert started.tool == "create_automation"
    assert list(json.loads(arguments)) == ["intent"]
    assert isinstance(last, RunPaused)
    draft = bench.approvals.drafts[last.approvals[0]]
    assert draft.action_type == "automation_create"
    assert draft.tool_call_id == started.tool_call_id
    assert draft.payload["definition"]["triggers"][0]["config"]["timezone"] == "Europe/Paris"
    assert draft.preview["slots"][0]["fire_time"] == "2026-11-23T08:00:00Z"
    assert draft.preview["slots"][0]["utc_offset"] == "3600s"
    assert draft.context["consequences"]["runs_per_month"] == 22
    assert draft.payload_schema["title"] == "AutomationCreate"
    # the main model's call and the drafter's
    assert len([e for e in events if isinstance(e, ModelUsage)]) == 2


async def test_the_drafter_is_told_when_and_where_it_is(bench: Bench) -> None:
    await bench.paused(WEEKDAYS)

    lines = bench.demo.controls.log("drafter")[0].system.splitlines()
    assert "Now (UTC): 2026-11-22T16:00:00Z" in lines
    assert "Now (person): 2026-11-22T17:00:00+01:00" in lines
    assert "Person's time zone: Europe/Paris" in lines
    assert "Workspace: dev" in lines


async def test_an_approved_draft_is_saved_as_it_was_shown(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    draft = bench.approvals.drafts[approval]
    bench.approvals.decide(approval, "approved")

    events = await bench.all(decided_approvals=[approval])

    assert list(bench.automations.saved) == [approval]
    saved = bench.automations.saved[approval]
    assert saved.payload == draft.payload
    (result,) = finished(events)
    assert (result.ok, result.resource) == (True, saved.name)
    assert result.output["status"] == "saved"
    assert result.output["next_fires"][0].startswith("2026-11-23T08:00")
    assert bench.approvals.stored(approval).resource == saved.name
    assert "is saved" in text_of(events)
    assert len(bench.demo.controls.log("drafter")) == 1


async def test_an_edited_draft_is_saved_as_edited(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    edited = json.loads(json.dumps(dict(bench.approvals.drafts[approval].payload)))
    edited["definition"]["triggers"][0]["config"]["cron"] = "30 7 * * 1-5"
    bench.approvals.decide(approval, "approved", payload=edited)

    await bench.all(decided_approvals=[approval])

    config = bench.automations.saved[approval].payload["definition"]["triggers"][0]["config"]
    assert config["cron"] == "30 7 * * 1-5"


async def test_a_rejection_carries_its_reason_to_the_model(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "rejected", reason="too early")

    events = await bench.all(decided_approvals=[approval])

    (result,) = finished(events)
    assert result.output == {"status": "rejected", "reason": "too early"}
    assert "too early" in text_of(events)
    assert not bench.automations.saved


@pytest.mark.parametrize("state", ["expired", "cancelled"])
async def test_what_nobody_decided_is_not_saved(bench: Bench, state: str) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, state)

    events = await bench.all(decided_approvals=[approval])

    assert finished(events)[0].output == {"status": "rejected", "reason": state}
    assert not bench.automations.saved


async def test_a_resume_without_a_decision_saves_nothing(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)

    events = await bench.all(decided_approvals=[approval])

    assert finished(events)[0].output["status"] == "rejected"
    assert not bench.automations.saved


async def test_a_resume_that_leaves_an_approval_out_is_refused(bench: Bench) -> None:
    approvals = await bench.paused(TWO)
    bench.approvals.decide(approvals[0], "approved")

    with pytest.raises(errors.ApprovalsUndecided, match=str(approvals[1])):
        await bench.all(decided_approvals=approvals[:1])
    with pytest.raises(errors.ApprovalsUndecided):
        await bench.all(decided_approvals=[uuid4()])
    assert not bench.automations.saved


async def test_a_resume_of_a_turn_without_a_checkpoint_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.StateConflict):
        await bench.all(decided_approvals=[uuid4()])


async def test_two_calls_of_one_model_turn_pause_together_and_go_on_together(
    bench: Bench,
) -> None:
    news, joke = await bench.paused(TWO)
    bench.approvals.decide(news, "approved")
    bench.approvals.decide(joke, "rejected", reason="no jokes")

    events = await bench.all(decided_approvals=[joke, news])

    assert list(bench.automations.saved) == [news]
    assert sorted(r.output["status"] for r in finished(events)) == ["rejected", "saved"]
    assert len(bench.demo.controls.log("drafter")) == 2
    assert "no jokes" in text_of(events)


async def test_a_call_that_ended_before_a_pause_is_not_told_again_after_it(bench: Bench) -> None:
    wanted = [
        {"name": "list_automations", "args": {}},
        {"name": "create_automation", "args": {"intent": f"{WEEKDAYS}."}},
    ]
    bench.keep_automation()
    before = await bench.all(f"<<calls={json.dumps(wanted)}>>")
    (listed,) = finished(before)
    assert isinstance(before[-1], RunPaused)
    (approval,) = before[-1].approvals
    bench.approvals.decide(approval, "approved")

    (saved,) = finished(await bench.all(decided_approvals=[approval]))

    assert (listed.output["status"], saved.output["status"]) == ("listed", "saved")
    taken_over = finished(await bench.all(decided_approvals=[approval], first_block=1))
    assert [one.output["status"] for one in taken_over] == ["saved"]


async def test_a_resume_said_twice_saves_once_and_tells_the_same(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")
    first = await bench.all(decided_approvals=[approval])

    second = await bench.all(decided_approvals=[approval], first_block=1)

    assert second[0] == TextRetracted(from_block=0)
    assert finished(second) == finished(first)
    assert text_of(second) == text_of(first)
    assert bench.automations.creates == 1


async def test_another_replica_resumes_without_drafting_again(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")

    async with open_checkpoints(bench.dsn) as own:
        bench.checkpoints = own
        await bench.all(decided_approvals=[approval])

    assert len(bench.demo.controls.log("drafter")) == 1
    assert bench.automations.previews == 1
    saved = bench.automations.saved[approval]
    assert saved.payload == bench.approvals.drafts[approval].payload


async def test_a_pause_that_nobody_noted_is_told_again(bench: Bench) -> None:
    first = await bench.all(WEEKDAYS)

    second = await bench.all(WEEKDAYS, first_block=1)

    assert second[-1] == first[-1]
    assert second[0] == TextRetracted(from_block=0)
    assert len(bench.demo.controls.log()) == 2


async def test_a_crash_between_the_act_and_its_note_saves_nothing_twice(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")
    bench.demo.controls.hold(kind="chat")
    stream = bench.stream(decided_approvals=[approval])
    task = asyncio.create_task(stream.all())
    await bench.demo.controls.until_held("chat")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.demo.controls.release()

    events = await bench.all(decided_approvals=[approval])

    assert bench.automations.creates == 1
    assert [r.output["status"] for r in finished(events)] == ["saved"]
    assert "is saved" in text_of(events)


async def test_a_crash_between_two_acts_repeats_only_the_open_one(bench: Bench) -> None:
    class Stuck(MemoryAutomations):
        async def create(self, *, request_id: UUID, **more: Any) -> SavedAutomation:
            if request_id == joke:
                reached.set()
                await asyncio.Event().wait()
            return await super().create(request_id=request_id, **more)

    reached = asyncio.Event()
    news, joke = await bench.paused(TWO)
    bench.approvals.decide(news, "approved")
    bench.approvals.decide(joke, "approved")
    whole, bench.automations = bench.automations, Stuck(now=NOW)
    stream = bench.stream(decided_approvals=[news, joke])
    task = asyncio.create_task(stream.all())
    await asyncio.wait_for(reached.wait(), 60)
    while not finished(stream.events):
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.automations = whole

    events = await bench.all(decided_approvals=[news, joke])

    assert list(whole.saved) == [joke]
    assert sorted(r.output["status"] for r in finished(events)) == ["saved", "saved"]


async def test_a_turn_whose_replica_died_goes_on_where_its_checkpoint_is(bench: Bench) -> None:
    bench.demo.controls.hold(after=3, kind="chat")
    stream = bench.stream("hello")
    task = asyncio.create_task(stream.all())
    held = await bench.demo.controls.until_held("chat")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await bench.demo.controls.until_over(held) == "abandoned"
    bench.demo.controls.release()
    events = await bench.all("hello", first_block=1)

    assert events[0] == TextRetracted(from_block=0)
    assert text_of(events, block=1).startswith("Hello! I am")


async def test_a_finished_turn_that_nobody_finalised_is_told_again(bench: Bench) -> None:
    first = await bench.all("hello")

    second = await bench.all("hello", first_block=1)

    assert [type(e) for e in second] == [TextRetracted, TextDelta, ModelUsage]
    assert text_of(second, block=1) == text_of(first)
    assert second[-1] == first[-1]
    assert len(bench.demo.controls.log()) == 1


async def test_a_forgotten_turn_starts_afresh(bench: Bench) -> None:
    await bench.all("hello")
    await bench.agent().delete_checkpoints(bench.turn)

    events = await bench.all("hello")

    assert len(bench.demo.controls.log()) == 2
    assert text_of(events).startswith("Hello!")


@pytest.mark.parametrize("disabled", [tool.name for tool in MAIN_AGENT])
async def test_a_disabled_tool_is_neither_offered_nor_spoken_of(
    bench: Bench, disabled: str
) -> None:
    bench.keep_automation()
    await bench.all("hello", disabled_tools={disabled})

    seen = bench.demo.controls.log()[0]
    assert sorted([*seen.tools, disabled]) == sorted(tool.name for tool in MAIN_AGENT)
    assert disabled not in seen.system


async def test_earlier_tool_calls_are_given_with_their_results(bench: Bench) -> None:
    call = {"tool_call_id": "call_1", "tool": "create_automation", "args_json": '{"intent":"x"}'}
    said = [
        ThreadMessage(id="1", role="user", parts=[{"text": "make it"}]),
        ThreadMessage(
            id="2", role="agent", parts=[{"text": "Now."}, {"tool_call": call}, {"text": "Ok"}]
        ),
        ThreadMessage(id="3", role="user", parts=[{"text": "hello"}]),
    ]

    events = await bench.all(messages=said)

    assert text_of(events).startswith("Hello!")
    roles = bench.demo.controls.log()[0].roles
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_the_checkpoint_holds_no_key_and_no_person(bench: Bench) -> None:
    bench.demo.controls.fail(1, status=500)
    (approval,) = await bench.paused(WEEKDAYS)

    with psycopg.connect(bench.dsn) as connection:
        rows = [
            str(row) + "".join(bytes(c).decode("latin-1") for c in row if isinstance(c, bytes))
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
            for row in connection.execute(
                f"select * from chat.{table} where thread_id like %s", [f"{bench.turn}%"]
            )
        ]

    assert any(str(approval) in row for row in rows)
    assert not [row for row in rows if KEY in row or "lovelace" in row or "127.0.0.1" in row]


async def test_a_word_costs_no_task(bench: Bench) -> None:
    tasks, loop = Counter[str](), asyncio.get_running_loop()

    def make(loop: Any, coroutine: Any, **more: Any) -> "asyncio.Task[Any]":
        tasks[coroutine.__qualname__] += 1
        return asyncio.Task(coroutine, loop=loop, **more)

    async with await open_server(0) as server:
        bench.ask_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        for words in (3, 40):  # the first opens connections
            bench.turn = uuid4()
            tasks.clear()
            loop.set_task_factory(make)
            said = await bench.all(f"<<tokens={words};delay=0.004>> go on")
            loop.set_task_factory(None)
    assert sum(isinstance(event, TextDelta) for event in said) > 20
    # Whatever else the loop does: nothing is made a task as often as words come.
    assert 0 < max(tasks.values()) < 10
