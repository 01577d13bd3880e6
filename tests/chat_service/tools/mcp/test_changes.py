"""A list of tools that changes: read again when its server says so, and not too often."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from chat_service.runtime.models_file import McpServer
from chat_service.tools.mcp import stdio
from chat_service.tools.mcp.tools import McpTools
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, looked
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp, refused, tool
from tests.support.system.chat import PATIENT, until

CHANGED = "notifications/tools/list_changed"


@asynccontextmanager
async def followed(*servers: McpServer, gap: float) -> AsyncIterator[McpTools]:
    timeouts = replace(PATIENT, mcp_reread_gap=gap)
    tools = McpTools(servers=servers, environ={}, timeouts=timeouts)
    await tools.refresh()
    following = asyncio.create_task(tools.follow_changes())
    try:
        yield tools
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def offers(tools: McpTools, *names: str) -> None:
    async def are_offered() -> bool:
        return list(tools.capabilities()) == list(names)

    await until(are_offered)


@pytest.mark.parametrize("notices", [1, 2_000])
async def test_a_list_that_changed_is_read_again_however_often_that_is_said(notices: int) -> None:
    odd = OddMcp(notices=asyncio.Queue())
    assert odd.notices is not None

    async with served(odd) as url, followed(McpServer(id="odd", url=url), gap=0.1) as tools:

        async def listens() -> bool:
            # The sessions of the two lists have ended: what is left is the one that is followed.
            kept = [each for each in odd.opened if each not in odd.ended]
            return odd.listed == 2 and len(kept) == 1 and odd.streams == kept

        await until(listens)
        odd.pages = [[tool("other")]]
        for _ in range(notices):
            odd.notices.put_nowait(CHANGED)
        await offers(tools, "odd_other")
        await odd_is_quiet(odd)

    # at the start, when the stream is open, at the first notice and at those after it
    assert 3 <= odd.listed <= 5


async def odd_is_quiet(odd: OddMcp) -> None:
    async def nothing_is_left() -> bool:
        return odd.notices is not None and odd.notices.empty()

    await until(nothing_is_left)


async def test_what_changed_while_a_server_was_away_is_offered_when_it_is_back() -> None:
    odd = OddMcp(notices=asyncio.Queue())
    async with served(odd) as url, followed(McpServer(id="odd", url=url), gap=0.01) as tools:
        odd.away = True
        await tools.refresh()
        odd.pages = [[tool("other")]]
        odd.away = False

        await tools.refresh()

        assert list(tools.capabilities()) == ["odd_other"]


async def test_a_process_that_changes_its_tools_in_a_call_is_read_again(
    bench: Bench, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.support.servers.mcp_server", str(tmp_path / "lessons")]
    server = McpServer(id="local", command=command, approval="never")

    async with followed(server, gap=0.01) as tools:
        assert "local_recite" not in tools.capabilities()
        await bench.all(calling("local_learn"), agent=agent_with(bench, tools))

        async def is_offered() -> bool:
            return "local_recite" in tools.capabilities()

        await until(is_offered)


async def test_a_line_without_an_end_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "MAX_LINE_BYTES", 10_000)
    endless = "import sys; sys.stdin.readline()\nwhile True: sys.stdout.write('x' * 1000)"
    server = McpServer(id="local", command=[sys.executable, "-c", endless])

    with capture_logs() as logs:
        tools = await looked(server)

    assert not tools.capabilities()
    told = [line["event"] for line in logs]
    assert told == ["mcp_line_too_long", "mcp_server_unreachable"]


async def test_a_tool_that_is_gone_when_it_is_approved_is_told_as_gone(bench: Bench) -> None:
    odd = OddMcp()
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url))
        (approval,) = await bench.paused(calling("odd_act"), agent=agent_with(bench, tools))
        odd.pages = [[tool("other")]]
        await tools.refresh()
        bench.approvals.decide(approval, "approved")

        events = await bench.all(decided_approvals=[approval], agent=agent_with(bench, tools))

    (result,) = finished(events)
    said = "odd_act is not offered any more, so nothing was done"
    assert result.output == {"status": "error", "message": said}
    assert not odd.called


async def test_a_turn_keeps_the_tools_that_it_began_with(bench: Bench) -> None:
    odd = OddMcp(answer=lambda _: refused(-32602, "Unknown tool: act"))
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url, approval="never"))
        agent = agent_with(bench, tools)
        stream = bench.stream(calling("odd_act"), agent=agent).start()
        seen = [await anext(stream)]
        odd.pages = [[tool("other")]]
        await tools.refresh()
        seen += [event async for event in stream]

    (result,) = finished(seen)
    assert result.output["message"] == "odd refused the call: Unknown tool: act"


async def test_without_a_server_there_is_nothing_to_follow_and_no_end() -> None:
    tools = McpTools(servers=[], environ={}, timeouts=PATIENT)
    following = asyncio.create_task(tools.follow_changes())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not following.done()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_a_process_that_ended_meanwhile_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stdio, "EXIT_SECONDS", 0)
    async with await anyio.open_process(["true"], start_new_session=True) as process:
        await process.wait()

        await stdio._end(process)

    assert caplog.records == []
