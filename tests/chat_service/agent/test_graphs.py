"""Kept graphs: shared by all, and nothing of a run in them."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from chat_service.agent.agent import Agent
from chat_service.agent.graphs import MAX_GRAPHS, GraphCache, graph_config
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import RunPaused
from chat_service.runtime.ports import RuntimeContext, StartMode, ThreadMessage
from chat_service.runtime.run_context import AgentRun, RunContext
from chat_service.tools.definition import ToolDefinition
from tests.chat_service.agent_bench import Bench, text_of
from tests.chat_service.hands import Hands, threads
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    scripted_model,
)

PEOPLE = ("ada", "grace", "mary", "annie")


def _context(bench: Bench, person: str) -> RuntimeContext:
    turn = uuid4()
    return replace(
        bench.context(),
        user=person,
        workspace=f"of-{person}",
        turn=turn,
        turn_name=f"workspaces/of-{person}/threads/t/turns/{turn}",
    )


def _bundle(bench: Bench, person: str) -> ModelBundle:
    config = bench.model().config
    return ModelBundle(config=replace(config, model=f"{person}-model", api_key=_key(person)))


def _key(person: str) -> SecretStr:
    return SecretStr(f"sk-{person}")


async def _all(agent: Agent, model: ModelBundle, context: RuntimeContext) -> list[Any]:
    said = [ThreadMessage(id="m1", role="user", parts=[{"text": f"note of {context.user}"}])]
    return [
        e
        async for e in agent.stream(context=context, model=model, messages=said, mode=StartMode.NEW)
    ]


async def test_people_who_talk_at_once_have_each_their_own(bench: Bench) -> None:
    """Their models, keys, prompts, tools, approvals and checkpoints, over one kept graph."""
    bench.capability_tools = Hands().tools()
    asked_for = asyncio.Barrier(len(PEOPLE))

    def reply(asked: dict[str, Any]) -> Reply:
        said = asked["messages"][-1]["content"]
        return [calls(call("write", f'{{"text": "{said}"}}', index=0, id="c1")), ends(), DONE]

    async def one(person: str) -> list[Any]:
        await asked_for.wait()
        return await _all(agent, _bundle(bench, person), contexts[person])

    contexts = {person: _context(bench, person) for person in PEOPLE}
    async with scripted_model(answer=reply) as model:
        bench.ask_at(model.base_url)
        agent = bench.agent()
        found = await asyncio.gather(*map(one, PEOPLE))

    for asked, head in zip(model.asked, model.heads, strict=True):
        person = asked["model"].removesuffix("-model")
        system, said = (message["content"] for message in asked["messages"])
        assert f"authorization: bearer sk-{person}" in head
        assert f"Workspace: of-{person}" in system
        assert said == f"note of {person}"
    assert {asked["model"] for asked in model.asked} == {f"{p}-model" for p in PEOPLE}
    for person, events in zip(PEOPLE, found, strict=True):
        assert isinstance(events[-1], RunPaused)
        (approval,) = events[-1].approvals
        draft = bench.approvals.drafts[approval]
        assert draft.payload["arguments"] == {"text": f"note of {person}"}
        stored = await bench.approvals.find(contexts[person].turn, draft.key)
        assert stored is not None
        assert stored.id == approval
        bench.turn = contexts[person].turn
        assert await threads(bench) == {str(bench.turn)}


async def test_a_tool_is_made_for_the_run_that_calls_it_and_only_then(bench: Bench) -> None:
    made: list[AgentRun] = []
    (look, _) = Hands().tools()

    def factory(run: AgentRun) -> BaseTool:
        made.append(run)
        return look.factory(run)

    bench.capability_tools = [replace(look, factory=factory)]
    agent = bench.agent()
    await bench.all("hello", agent=agent, mode=StartMode.NEW)
    made.clear()

    await bench.all("hello", agent=agent)
    assert made == []

    bench.turn = uuid4()
    calling = '<<calls=[{"name": "look", "args": {"at": "stars"}}]>>'
    await bench.all(f"go {calling}", agent=agent)
    assert [run.context.runtime.turn for run in made] == [bench.turn]


async def test_a_kept_graph_leads_to_no_run_and_to_nothing_of_one(bench: Bench) -> None:
    bench.capability_tools = Hands().tools()
    agent = bench.agent()
    calling = '<<calls=[{"name": "look", "args": {"at": "stars"}}]>>'
    assert text_of(await bench.all(f"go {calling}", agent=agent))

    graphs = agent._graphs
    found = {type(one).__name__ for one in _within(graphs)}

    assert graphs._kept
    assert {
        "GraphCache",
        "ModelCallMiddleware",
        "ToolCallMiddleware",
        "StructuredTool",
        "ToolDefinition",
    } <= found
    assert not found & {
        "AgentRun",
        "Meter",
        "ModelBundle",
        "RuntimeContext",
        "DeferredCheckpointer",
        "SecretStr",
    }


def _within(one: object) -> Iterator[object]:
    """Everything that an object leads to, but for modules and classes."""
    seen, ahead = {id(one)}, [one]
    while ahead:
        one = ahead.pop()
        yield one
        # not its globals, which are a module's
        own = [one.__closure__, one.__dict__] if isinstance(one, FunctionType) else None
        for other in gc.get_referents(one) if own is None else own:
            if id(other) not in seen and not isinstance(other, (ModuleType, type)):
                seen.add(id(other))
                ahead.append(other)


async def test_a_graph_without_its_run_does_nothing(bench: Bench) -> None:
    graph = _graphs_of(bench)
    bare = {"messages": [HumanMessage("hello")]}

    with pytest.raises(TypeError, match="without its run"):
        await graph.ainvoke(bare, graph_config("nobodys"))
    assert bench.demo.controls.log() == []


async def test_graphs_are_compiled_once_for_the_same_tools_and_the_oldest_are_dropped(
    bench: Bench,
) -> None:
    graphs, run, saver = GraphCache(), _run(bench), bench.checkpoints.checkpointer(bench.turn)
    look, write = Hands().tools()
    other = replace(look, name="other")

    first = graphs.graph(run, [look, write], saver)
    assert graphs.graph(run, [look, write], saver).nodes["model"] is first.nodes["model"]
    assert graphs.graph(run, [look], saver).nodes["model"] is not first.nodes["model"]
    assert graphs.graph(run, [other], saver).nodes["model"] is not first.nodes["model"]

    for _ in range(MAX_GRAPHS):
        graphs.graph(run, _new_tool(), saver)
    assert graphs.graph(run, [look, write], saver).nodes["model"] is not first.nodes["model"]


async def test_one_graph_too_many_drops_only_the_one_used_longest_ago(bench: Bench) -> None:
    graphs, run, saver = GraphCache(), _run(bench), bench.checkpoints.checkpointer(bench.turn)
    tools = [_new_tool() for _ in range(MAX_GRAPHS + 1)]

    kept = [graphs.graph(run, one, saver).nodes["model"] for one in tools[:-1]]
    graphs.graph(run, tools[0], saver)
    graphs.graph(run, tools[-1], saver)

    found = [graphs.graph(run, one, saver).nodes["model"] for one in [tools[0], *tools[2:-1]]]
    assert all(node is before for node, before in zip(found, [kept[0], *kept[2:]], strict=True))
    assert graphs.graph(run, tools[1], saver).nodes["model"] is not kept[1]


def _new_tool() -> list[ToolDefinition]:
    return Hands().tools()[:1]


def _graphs_of(bench: Bench) -> Any:
    return GraphCache().graph(_run(bench), [], bench.checkpoints.checkpointer(bench.turn))


def _run(bench: Bench) -> AgentRun:
    deps = bench.agent()._deps
    return AgentRun(
        deps=deps,
        context=RunContext(runtime=bench.context(), model=bench.model(), task=None, segment=""),
    )
