"""Questions of a server within a call: what a takeover repeats, and what is asked once only."""

from collections.abc import AsyncIterator

import pytest

from chat_service.runtime.models_file import McpServer
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.hands import crashed, one_call
from tests.chat_service.tools.mcp.test_tools import agent_with, looked
from tests.support.model_providers.scripted_model import Reply, ends, says, scripted_model
from tests.support.servers.asking_mcp import Desk, asking_server

END: Reply = [says("There it is."), ends()]


@pytest.fixture
def desk() -> Desk:
    return Desk(questions=[("One?", {"type": "object"}), ("Two?", {"type": "object"})])


@pytest.fixture
async def url(desk: Desk) -> AsyncIterator[str]:
    async with asking_server(desk) as address:
        yield address


async def test_a_repeat_that_is_taken_over_asks_only_what_is_open(
    bench: Bench, url: str, desk: Desk
) -> None:
    agent = agent_with(bench, await looked(McpServer(id="desk", url=url, approval="never")))

    async with scripted_model(one_call("desk_look", 1), END) as scripted:
        bench.ask_at(scripted.base_url)
        (first,) = await bench.paused("go", agent=agent)
        bench.approvals.decide(first, "approved")
        desk.held = True
        await crashed(
            bench.stream(agent=agent, decided_approvals=[first]), lambda: len(desk.began) == 2
        )
        desk.held = False
        (second,) = await bench.paused("", agent=agent, decided_approvals=[first])
        assert bench.approvals.drafts[second].context["message"] == "Two?"
        bench.approvals.decide(second, "rejected")
        events = await bench.all(agent=agent, decided_approvals=[first, second])

    assert finished(events)[0].output == {"text": "accept {}; decline"}
    assert len(bench.approvals.drafts) == 2


async def test_a_repeat_of_an_act_that_breaks_off_is_told_and_not_made_again(
    bench: Bench, url: str, desk: Desk
) -> None:
    agent = agent_with(bench, await looked(McpServer(id="desk", url=url, approval="never")))

    async with scripted_model(one_call("desk_book", 1), END) as scripted:
        bench.ask_at(scripted.base_url)
        (first,) = await bench.paused("go", agent=agent)
        bench.approvals.decide(first, "approved")
        desk.held = True
        await crashed(
            bench.stream(agent=agent, decided_approvals=[first]), lambda: len(desk.began) == 2
        )
        desk.held = False
        events = await bench.all(agent=agent, decided_approvals=[first])

    assert finished(events)[0].output["reason"] == "may_have_run"
    assert len(desk.began) == 2
