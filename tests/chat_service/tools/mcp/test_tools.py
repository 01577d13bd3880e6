"""Tools of MCP servers: offered by their rule, asked for, called, and told when they fail."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chat_service.agent.agent import Agent
from chat_service.agent.toolset import MAIN_AGENT
from chat_service.runtime.events import RunPaused, ToolCallFinished
from chat_service.runtime.models_file import BadModelsFile, McpServer, load_models
from chat_service.runtime.ports import TaskLimits
from chat_service.tools.mcp.tools import McpTools
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.store import all_actions
from shared.registries.catalogue import Catalogue
from shared.registries.triggers.store import all_triggers
from shared.retry import Sleep
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.support.model_providers.scripted_model import ends, says, scripted_model
from tests.support.servers.mcp_server import Shelf, mcp_server
from tests.support.service_parts.checks import CHECKS
from tests.support.service_parts.retries import retries
from tests.support.system.chat import PATIENT


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def url(shelf: Shelf) -> AsyncIterator[str]:
    async with mcp_server(shelf) as address:
        yield address


async def looked(*servers: McpServer) -> McpTools:
    reserved = {tool.name for tool in MAIN_AGENT}
    found = McpTools(servers=servers, environ={}, reserved=reserved, timeouts=PATIENT)
    await found.refresh()
    return found


@pytest.fixture
async def notes(url: str) -> McpTools:
    rules: dict[str, Any] = {"search": "never", "burn": "off"}
    return await looked(McpServer(id="notes", url=url, tools=rules))


def agent_with(bench: Bench, tools: McpTools, *, sleep: Sleep | None = None) -> Agent:
    return Agent(
        checkpoints=bench.checkpoints,
        approvals=bench.approvals,
        claims=bench.acts,
        automations=bench.automations,
        catalogue=lambda: Catalogue(
            actions=all_actions(), triggers=all_triggers(), capabilities=tools.capabilities()
        ),
        checks=CHECKS,
        clock=ManualClock(NOW),
        retry=retries(sleep or bench.waits.sleep),
        capability_tools=tools.definitions,
        may_appear_later=tools.may_appear_later,
    )


def calling(tool: str, **arguments: Any) -> str:
    return f"go <<calls={json.dumps([{'name': tool, 'args': arguments}])}>>"


async def test_each_tool_is_offered_with_its_rule(bench: Bench, notes: McpTools) -> None:
    assert {one.name: one.approval for one in notes.definitions()} == {
        "notes_search": "never",
        "notes_write": "always",
    }
    assert notes.capabilities()["notes_search"].description == "Finds notes by their words."
    assert notes.capabilities()["notes_write"].description.endswith("needs auto_approve.")

    await bench.all("hello", agent=agent_with(bench, notes))

    offered = bench.demo.controls.log()[0].tools
    assert offered[-2:] == ["notes_search", "notes_write"]


async def test_a_call_as_text_is_made_if_the_server_says_that_it_only_reads(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    shelf.written.append(("trains", "late again"))
    assert {one.name: one.reads_only for one in notes.definitions()} == {
        "notes_search": True,
        "notes_write": False,
    }
    written = '{"name": "notes_search", "arguments": {"words": "late"}}'
    async with scripted_model([says(written), ends()], [says("Trains."), ends()]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("look", agent=agent_with(bench, notes))

    assert finished(events)[0].output["found"] == ["trains"]
    assert text_of(events) == "Trains."


async def test_a_tool_that_needs_no_approval_answers_at_once(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    shelf.written.append(("trains", "late again"))

    events = await bench.all(calling("notes_search", words="late"), agent=agent_with(bench, notes))

    assert finished(events)[0].output == {"found": ["trains"]}
    assert not bench.approvals.drafts


async def test_a_tool_that_needs_one_waits_for_it_and_does_what_was_approved(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    agent = agent_with(bench, notes)
    (approval,) = await bench.paused(calling("notes_write", title="a", text="b"), agent=agent)

    draft = bench.approvals.drafts[approval]
    assert draft.action_type == "tool_call"
    assert draft.payload == {"tool": "notes_write", "arguments": {"title": "a", "text": "b"}}
    assert draft.payload_schema["properties"]["tool"] == {"const": "notes_write"}
    assert not shelf.written

    edited = {"tool": "notes_write", "arguments": {"title": "a", "text": "c"}}
    bench.approvals.decide(approval, "approved", payload=edited)
    events = await bench.all(decided_approvals=[approval], agent=agent_with(bench, notes))

    assert finished(events)[0].output == {
        "text": "wrote a",
        "edited_by_person": [{"path": "arguments.text", "before": "b", "after": "c"}],
    }
    assert shelf.written == [("a", "c")]


async def test_a_rejected_tool_is_not_called(bench: Bench, notes: McpTools, shelf: Shelf) -> None:
    agent = agent_with(bench, notes)
    (approval,) = await bench.paused(calling("notes_write", title="a", text="b"), agent=agent)
    bench.approvals.decide(approval, "rejected", reason="no")

    (result,) = finished(await bench.all(decided_approvals=[approval], agent=agent))

    assert result.output == {"status": "rejected", "reason": "no"}
    assert not shelf.written


@pytest.mark.parametrize("state", ["rejected", "approved"])
async def test_a_decision_counts_although_nobody_would_be_asked_any_more(
    bench: Bench, notes: McpTools, shelf: Shelf, url: str, state: Any
) -> None:
    asked = calling("notes_write", title="a", text="b")
    (approval,) = await bench.paused(asked, agent=agent_with(bench, notes))
    edited = {"tool": "notes_write", "arguments": {"title": "a", "text": "c"}}
    bench.approvals.decide(approval, state, payload=edited)
    unasked = await looked(McpServer(id="notes", url=url, approval="never"))

    await bench.all(decided_approvals=[approval], agent=agent_with(bench, unasked))

    assert shelf.written == ([("a", "c")] if state == "approved" else [])


async def test_what_a_tool_refuses_is_its_answer(bench: Bench, url: str) -> None:
    tools = await looked(McpServer(id="notes", url=url, approval="never"))

    events = await bench.all(
        calling("notes_write", title="a", text=""), agent=agent_with(bench, tools)
    )

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert "an empty note is no note" in result.output["message"]


async def test_arguments_are_checked_before_anybody_is_asked(bench: Bench, notes: McpTools) -> None:
    events = await bench.all(calling("notes_write", title=7), agent=agent_with(bench, notes))

    assert "the arguments are invalid" in finished(events)[0].output["message"]
    assert not bench.approvals.drafts


async def test_a_task_uses_what_its_step_grants(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    agent = agent_with(bench, notes)
    text = calling("notes_write", title="a", text="b")

    with pytest.raises(errors.ApprovalNotGranted):
        await bench.task(text, TaskLimits(tools=("notes_write",)), agent=agent)
    assert not shelf.written

    limits = TaskLimits(tools=("notes_write",), auto_approve=True)
    events = await bench.task(text, limits, agent=agent)
    assert [e.ok for e in events if isinstance(e, ToolCallFinished)] == [True]
    assert shelf.written == [("a", "b")]


async def test_a_server_that_is_away_offers_nothing_and_stops_nobody(
    bench: Bench, url: str
) -> None:
    gone = McpServer(id="gone", url="http://127.0.0.1:9/mcp")

    tools = await looked(gone, McpServer(id="notes", url=url))

    assert {one.name.partition("_")[0] for one in tools.definitions()} == {"notes"}


async def test_a_server_that_goes_away_keeps_its_tools_and_fails_in_words(
    bench: Bench, shelf: Shelf
) -> None:
    async with mcp_server(shelf) as url:
        tools = await looked(McpServer(id="notes", url=url, approval="never"))
    await tools.refresh()

    events = await bench.all(calling("notes_search", words="x"), agent=agent_with(bench, tools))

    assert finished(events)[0].output["message"] == "notes can't be reached, so nothing was done"
    assert not isinstance(events[-1], RunPaused)


async def test_a_command_is_started_and_spoken_to_on_stdio(bench: Bench) -> None:
    command = [sys.executable, "-m", "tests.support.servers.mcp_server"]
    tools = await looked(McpServer(id="local", command=command, approval="never"))

    events = await bench.all(calling("local_search", words="x"), agent=agent_with(bench, tools))

    assert finished(events)[0].output == {"found": []}


FILE = """
models:
  - {id: -1, display_name: one, model: demo}
mcp_servers:
  - {id: notes, url: "https://notes.example/mcp", header_env: {Authorization: NOTES_TOKEN}}
"""


def read(path: Path, text: str, environ: Mapping[str, str]) -> Any:
    path.write_text(text)
    return load_models(
        path, openai_api_key="k", openai_base_url="", default_model="", environ=environ
    )


def test_servers_stand_in_the_models_file(tmp_path: Path) -> None:
    (server,) = read(tmp_path / "m.yaml", FILE, {"NOTES_TOKEN": "Bearer x"}).mcp_servers

    assert (server.id, server.rule("anything")) == ("notes", "always")
    assert server.secrets({"NOTES_TOKEN": "Bearer x"})["Authorization"].get_secret_value()
    assert "Bearer" not in repr(server)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FILE, "NOTES_TOKEN is not set"),
        (FILE.replace("url:", "uri:"), "uri"),
        (FILE.replace('url: "https://notes.example/mcp", ', ""), "either url or command"),
        (FILE + "  - {id: notes, url: 'https://b.example'}\n", "each id may be used once"),
    ],
)
def test_a_server_that_can_not_be_used_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadModelsFile, match=said):
        read(tmp_path / "m.yaml", text, {})


async def killed_during(bench: Bench, shelf: Shelf, agent: Agent, **how: Any) -> None:
    """Goes on until a call has acted and not answered, and dies."""
    before, shelf.held = len(shelf.keys), True
    task = asyncio.create_task(bench.all(agent=agent, **how))
    async with asyncio.timeout(60):
        while len(shelf.keys) == before:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    shelf.held = False


async def test_an_act_that_was_cut_off_is_not_begun_again(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    agent = agent_with(bench, notes)
    (approval,) = await bench.paused(calling("notes_write", title="a", text="b"), agent=agent)
    bench.approvals.decide(approval, "approved")
    await killed_during(bench, shelf, agent, decided_approvals=[approval])

    (result,) = finished(
        await bench.all(decided_approvals=[approval], agent=agent_with(bench, notes))
    )

    assert (result.ok, result.output["reason"]) == (False, "may_have_run")
    assert shelf.written == [("a", "b")]


async def test_what_only_reads_is_asked_again_with_the_same_key(
    bench: Bench, notes: McpTools, shelf: Shelf
) -> None:
    asked = calling("notes_search", words="late")
    await killed_during(bench, shelf, agent_with(bench, notes), text=asked)

    (result,) = finished(await bench.all(asked, agent=agent_with(bench, notes)))

    assert result.output == {"found": []}
    assert shelf.searched == ["late", "late"]
    first, second = shelf.keys
    assert first == second != ""


async def test_two_calls_have_two_keys(bench: Bench, notes: McpTools, shelf: Shelf) -> None:
    search = {"name": "notes_search", "args": {"words": "late"}}
    await bench.all(f"go <<calls={json.dumps([search, search])}>>", agent=agent_with(bench, notes))

    assert len(set(shelf.keys)) == 2
