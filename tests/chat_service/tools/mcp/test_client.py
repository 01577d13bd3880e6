"""Acts whose MCP server does not answer when they are to be carried out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp import ClientSession

from chat_service.runtime.events import ToolCallFinished
from chat_service.runtime.models_file import McpServer
from chat_service.runtime.ports import TaskLimits
from chat_service.tools.mcp import session
from chat_service.tools.mcp.tools import McpTools
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.hands import one_call
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, looked
from tests.support.model_providers.scripted_model import ends, says, scripted_model
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp
from tests.support.system.chat import PATIENT

NEVER_REACHED = {
    "status": "error",
    "message": "the server of odd_act can't be reached, so nothing was done",
}


@pytest.fixture
def odd() -> OddMcp:
    return OddMcp()


async def approved_while_away(bench: Bench, odd: OddMcp, *, comes_back: bool) -> ToolCallFinished:
    """An act that is approved when its server answers nobody."""
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url))

        async def sleep(seconds: float) -> None:
            await bench.waits.sleep(seconds)
            odd.away = not comes_back

        agent = agent_with(bench, tools, sleep=sleep)
        (approval,) = await bench.paused(calling("odd_act"), agent=agent)
        bench.approvals.decide(approval, "approved")
        odd.away = True
        (result,) = finished(await bench.all(decided_approvals=[approval], agent=agent))
    return result


async def test_what_was_approved_waits_for_its_server(bench: Bench, odd: OddMcp) -> None:
    result = await approved_while_away(bench, odd, comes_back=True)

    assert (result.ok, result.output) == (True, {"text": "done"})
    assert len(odd.called) == 1


async def test_what_was_approved_waits_a_minute_and_is_told_as_not_done(
    bench: Bench, odd: OddMcp
) -> None:
    result = await approved_while_away(bench, odd, comes_back=False)

    assert not result.ok
    assert result.output["message"] == "odd can't be reached, so nothing was done"
    assert sum(bench.waits.seconds) >= 60
    # not so much as begun: whoever took over could still do it
    assert not bench.acts.begun


@pytest.mark.parametrize("comes_back", [True, False])
async def test_what_was_approved_waits_for_a_server_that_nothing_is_known_of(
    bench: Bench, odd: OddMcp, comes_back: bool
) -> None:
    async with served(odd) as url:
        server = McpServer(id="odd", url=url)
        agent = agent_with(bench, await looked(server))
        (approval,) = await bench.paused(calling("odd_act"), agent=agent)
        bench.approvals.decide(approval, "approved")
        restarted = McpTools(servers=[server], environ={}, timeouts=PATIENT)

        async def sleep(seconds: float) -> None:
            await bench.waits.sleep(seconds)
            if comes_back:
                await restarted.refresh()

        agent = agent_with(bench, restarted, sleep=sleep)
        (result,) = finished(await bench.all(decided_approvals=[approval], agent=agent))

    said = {"text": "done"} if comes_back else NEVER_REACHED
    assert (result.ok, result.output) == (comes_back, said)
    assert len(odd.called) == comes_back


async def test_a_tool_of_a_server_that_was_never_reached_is_told_as_such_at_once(
    bench: Bench,
) -> None:
    unknown = McpTools(
        servers=[McpServer(id="odd", url="http://127.0.0.1:1/mcp")], environ={}, timeouts=PATIENT
    )

    async with scripted_model(one_call("odd_act", 1), [says("I see."), ends()]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go", agent=agent_with(bench, unknown))

    assert finished(events)[0].output == NEVER_REACHED
    assert not bench.waits.seconds


@asynccontextmanager
async def _cancelled(*_: object) -> AsyncIterator[ClientSession]:
    raise asyncio.CancelledError
    yield


async def test_a_session_that_is_cancelled_by_its_library_cancels_no_turn(
    bench: Bench, odd: OddMcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url, approval="never"))
        monkeypatch.setattr(session, "_open_session", _cancelled)
        (result,) = finished(await bench.all(calling("odd_act"), agent=agent_with(bench, tools)))

    assert result.output["message"] == "odd can't be reached, so nothing was done"


async def test_an_auto_approved_act_of_a_task_waits_too(bench: Bench, odd: OddMcp) -> None:
    async with served(odd) as url:
        tools = await looked(McpServer(id="odd", url=url))
        odd.away = True
        limits = TaskLimits(tools=("odd_act",), auto_approve=True)

        (result,) = finished(
            await bench.task(calling("odd_act"), limits, agent=agent_with(bench, tools))
        )

    assert not result.ok
    assert sum(bench.waits.seconds) >= 60


def test_clients_share_the_certificates_that_they_trust() -> None:
    first, second = (session._open_client({}, None)._transport for _ in range(2))
    assert first._pool._ssl_context is second._pool._ssl_context  # type: ignore[attr-defined]
