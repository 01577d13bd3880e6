"""The progress of a call: shown as a step, seldom, short and as it is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_service.runtime.events import AgentEvent, StepChanged
from chat_service.runtime.models_file import McpServer
from chat_service.runtime.subagent import researcher
from chat_service.tools.approval import ToolCall
from chat_service.tools.idempotency import CurrentCall
from chat_service.tools.mcp import progress
from chat_service.tools.mcp.progress import ToolProgress
from tests.chat_service.agent_bench import Bench
from tests.chat_service.hands import delegating, using
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, looked
from tests.support.servers.mcp_server import Shelf, mcp_server


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(progress=["the first\n\u200bnote", "another", "the last"])


@pytest.fixture
async def url(shelf: Shelf) -> AsyncIterator[str]:
    async with mcp_server(shelf) as address:
        yield address


async def test_the_progress_of_a_call_is_a_step_until_its_end(bench: Bench, url: str) -> None:
    tools = await looked(McpServer(id="notes", url=url, approval="never"))

    events = await bench.all(calling("notes_tally"), agent=agent_with(bench, tools))

    steps = [event for event in events if isinstance(event, StepChanged)]
    assert [(step.title, step.items, step.done) for step in steps] == [
        ("notes_tally", ("33%: the first \N{REPLACEMENT CHARACTER}note",), False),
        ("notes_tally", ("100%: the last",), True),
    ]
    assert len({step.id for step in steps}) == 1


async def test_a_subagent_shows_the_progress_of_its_calls(bench: Bench, url: str) -> None:
    tools = await looked(McpServer(id="notes", url=url, approval="never"))
    bench.capability_tools = tools.definitions()
    bench.subagents = [researcher()]

    events = await bench.all(delegating(using("notes_tally")))

    steps = [event for event in events if isinstance(event, StepChanged)]
    shown = [step for step in steps if step.title == "notes_tally"]
    assert [step.done for step in shown] == [False, True]
    assert shown[0].id.startswith("progress-researcher-1-")


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ((3, None, None), "3"),
        ((1, 4, None), "25%"),
        ((9, 4, "more"), "100%: more"),
        ((float("nan"), 4, "x" * 500), "x" * 199 + "…"),
        ((1, float("inf"), " \x00 "), "1: \N{REPLACEMENT CHARACTER}"),
    ],
)
async def test_what_is_told_is_one_short_line(told: Any, line: str) -> None:
    shown: list[AgentEvent] = []

    await _progress(shown).report(*told)

    assert [event.items for event in shown if isinstance(event, StepChanged)] == [(line,)]


async def test_a_flood_is_shown_as_its_first_and_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[AgentEvent] = []
    reported = _progress(shown)

    for number in range(5_000):
        await reported.report(number, None, None)
    reported.end()
    await reported.report(1, None, None)

    assert [event.items for event in shown if isinstance(event, StepChanged)] == [("0",), ("4999",)]


async def test_the_changes_of_a_step_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.0)
    shown: list[AgentEvent] = []
    reported = _progress(shown)

    for number in range(3 * progress.MAX_SHOWN):
        await reported.report(number, None, None)
        await asyncio.sleep(0)

    assert len(shown) == progress.MAX_SHOWN


def _progress(shown: list[AgentEvent]) -> ToolProgress:
    call = ToolCall(id="c", place="tools:1", emit=shown.append)
    run: Any = _NoSubagent()

    async def claim() -> bool:
        return True

    return ToolProgress(CurrentCall(run=run, call=call, key="k", claim=claim), "notes_tally")


class _NoSubagent:
    """As much of a run as the id of a step needs."""

    @property
    def context(self) -> "_NoSubagent":
        return self

    subagent = None
