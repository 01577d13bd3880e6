"""What the agent of a step says of its work, and what a run leaves behind."""

import asyncio
from datetime import timedelta
from typing import Any

from rota.automation.v1 import automation_pb2 as pb

from automation_service.runs.executor import MAX_PROGRESS_EVENTS
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import START, Running, news, running, schedule

FIRST = START + timedelta(seconds=30)


def step(step_id: str, **more: Any) -> dict[str, Any]:
    return {"step_id": step_id, "action": "agent_task", "config": {"prompt": step_id}, **more}


async def fired(rota: Running, clock: ManualClock, **definition: Any) -> Any:
    """The first run, when it has ended."""
    name = (await rota.create(news(triggers=[schedule()], **definition))).name
    clock.set(FIRST)
    return (await rota.ended(name))[0]


async def progress(rota: Running, run: str) -> list[tuple[str, str]]:
    request = pb.WatchRunRequest(name=run)
    call = rota.stub.WatchRun(request, metadata=rota.keys.user_headers(), timeout=60)
    events = [event async for event in call]
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    said = [e.step_progress for e in events if e.HasField("step_progress")]
    return [(p.step_id, p.title) for p in said]


async def say(request: AgentTask, *titles: str, start: int = 2) -> None:
    assert request.progress is not None
    for position, title in enumerate(titles, start=start):
        await request.progress(position, title)


async def test_progress_is_part_of_the_history(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await say(request, "Calling fetch_url", "Calling now\0" + "x" * 300)
        await say(request, "Calling fetch_url")  # told again after the connection broke
        return answer()

    agent.act = act
    run = await fired(rota, clock, plan=[step("one"), step("two")])
    titles = ["Calling fetch_url", ("Calling now�" + "x" * 300)[:200]]
    assert await progress(rota, run.name) == [(s, t) for s in ("one", "two") for t in titles]


async def test_a_try_says_only_so_much(rota: Running, clock: ManualClock, agent: FakeAgent) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await say(request, *["again"] * (MAX_PROGRESS_EVENTS + 50))
        return answer()

    agent.act = act
    run = await fired(rota, clock, plan=[step("one")])
    assert len(await progress(rota, run.name)) == MAX_PROGRESS_EVENTS


async def test_a_worker_that_takes_over_does_not_say_it_again(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    said = asyncio.Event()
    forever = asyncio.Event()

    async def first(request: AgentTask) -> AgentResult:
        await say(request, "Calling fetch_url", "Calling now")
        said.set()
        await forever.wait()
        return answer()

    async def second(request: AgentTask) -> AgentResult:
        await say(request, "Calling fetch_url", "Calling now", "Writing")
        return answer()

    plan = [step("one")]
    async with running(url, keys, clock=clock, agent=FakeAgent(first)) as rota:
        name = (await rota.create(news(triggers=[schedule()], plan=plan))).name
        clock.set(FIRST)
        await said.wait()
    async with running(url, keys, clock=clock, agent=FakeAgent(second)) as rota:
        [run] = await rota.ended(name)
        assert run.attempt == 2
        assert await progress(rota, run.name) == [
            ("one", "Calling fetch_url"),
            ("one", "Calling now"),
            ("one", "Writing"),
        ]


async def test_another_try_says_it_again(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        await say(request, "Calling now")
        if request.request_id.endswith(":1"):
            raise errors.PeerUnavailable("chat_service")
        return answer()

    agent.act = act
    once = {"retry_backoff": "none", "max_retries": 1}
    run = await fired(rota, clock, plan=[step("one")], execution=once)
    assert await progress(rota, run.name) == [("one", "Calling now")] * 2


async def test_what_an_author_named_is_kept_as_an_artifact(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer("some text", output={"n": 3})

    agent.act = act
    facts = step("facts", output_as="numbers")
    facts["config"]["output_schema"] = {"type": "object"}
    plan = [step("draft"), facts, step("final", output_as="letter"), step("no", when="false")]
    run = await fired(rota, clock, plan=plan)
    found = [(a.artifact_id, a.step_id, a.mime_type) for a in run.artifacts]
    assert found == [
        ("numbers", "facts", "application/json"),
        ("letter", "final", "text/plain"),
    ]
    assert run.artifacts[0].content.struct_value["n"] == 3
    assert run.artifacts[1].content.string_value == "some text"
    assert (await rota.runs(run.name.rpartition("/runs/")[0]))[0].artifacts == []


async def test_the_usage_of_a_run_is_that_of_its_steps(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer(cost=7)

    agent.act = act
    run = await fired(rota, clock, plan=[step("one"), step("two")])
    assert (run.usage.cost_micros, run.usage.input_tokens, run.usage.output_tokens) == (14, 20, 10)
    assert [s.usage.cost_micros for s in run.step_results] == [7, 7]
