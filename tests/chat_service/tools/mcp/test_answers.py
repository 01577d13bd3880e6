"""What odd MCP servers tell and answer: taken as it is meant, or told in words."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from chat_service.runtime.events import ToolCallFinished
from chat_service.runtime.models_file import McpServer
from chat_service.tools.mcp.tools import McpTools
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, looked
from tests.support.model_providers.scripted_model import (
    DONE,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp, refused, text, tool
from tests.support.system.chat import PATIENT

LARGEST = 2**63 - 1


@pytest.fixture
def odd() -> OddMcp:
    return OddMcp()


@pytest.fixture
async def url(odd: OddMcp) -> AsyncIterator[str]:
    async with served(odd) as address:
        yield address


async def result_of(
    bench: Bench, url: str, *, repeatable: bool = False, odd: OddMcp, **more: Any
) -> ToolCallFinished:
    """Calls `odd_act` once; nobody is asked."""
    hints = {"annotations": {"readOnlyHint": repeatable}}
    odd.pages = [[tool("act", **hints)]]
    tools = await looked(McpServer(id="odd", url=url, approval="never", **more))
    (result,) = finished(await bench.all(calling("odd_act"), agent=agent_with(bench, tools)))
    return result


async def test_what_is_listed_on_several_pages_is_all_offered(odd: OddMcp, url: str) -> None:
    odd.pages = [[tool("one")], [], [tool("two"), tool("three")]]

    tools = await looked(McpServer(id="odd", url=url))

    assert list(tools.capabilities()) == ["odd_one", "odd_two", "odd_three"]


async def test_a_list_without_an_end_is_cut_and_told(odd: OddMcp, url: str) -> None:
    odd.pages = [[tool(f"t{page}_{n}") for n in range(10)] for page in range(10)]

    with capture_logs() as logs:
        tools = await looked(McpServer(id="odd", url=url))

    assert len(tools.capabilities()) == 64
    assert "mcp_tools_cut" in [line["event"] for line in logs]


async def test_an_error_of_the_protocol_is_told_in_its_own_words(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    odd.answer = lambda _: refused(-32602, "Invalid params: title is missing")

    result = await result_of(bench, url, odd=odd)

    assert not result.ok
    assert result.output["message"] == ("odd refused the call: Invalid params: title is missing")


async def test_a_call_that_hangs_ends_and_may_have_been_carried_out(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    odd.answer = lambda _: None

    result = await result_of(bench, url, odd=odd, timeout_seconds=0.3)

    assert (result.ok, result.output["reason"]) == (False, "may_have_run")
    assert result.output["message"] == "odd took too long; it may have done it or not"


@pytest.mark.parametrize(
    ("answer", "ok"), [(None, False), (text("done"), True)], ids=["in a call", "after it"]
)
async def test_a_server_that_dies_holds_nobody_up(
    bench: Bench, odd: OddMcp, url: str, answer: Any, ok: bool
) -> None:
    odd.clings, odd.answer = True, lambda _: answer
    seconds = 60.0 if ok else 0.3

    # what a client waits by itself for the end of a session is five minutes
    async with asyncio.timeout(120):
        result = await result_of(bench, url, odd=odd, timeout_seconds=seconds)

    assert result.ok == ok


async def test_a_process_that_dies_in_a_call_may_have_carried_it_out(bench: Bench) -> None:
    command = [sys.executable, "-m", "tests.support.servers.mcp_server", "falls"]
    tools = await looked(McpServer(id="local", command=command, approval="never"))

    asked = calling("local_write", title="a", text="b")
    (result,) = finished(await bench.all(asked, agent=agent_with(bench, tools)))

    assert (result.ok, result.output["reason"]) == (False, "may_have_run")
    assert result.output["message"] == "local broke off; it may have done it or not"


@pytest.mark.parametrize(
    ("answer", "message", "reason"),
    [
        (403, "odd refused the call with HTTP 403", None),
        (502, "odd broke off; it may have done it or not", "may_have_run"),
        (
            {"result": {"content": 7}},
            "odd gave an answer that is not the result of a tool; it may have done it or not",
            "may_have_run",
        ),
        (refused(-32000, "no such shelf"), "odd refused the call: no such shelf", None),
    ],
)
async def test_what_is_no_answer_is_told_as_what_it_is(
    bench: Bench, odd: OddMcp, url: str, answer: Any, message: str, reason: str | None
) -> None:
    odd.answer = lambda _: answer

    result = await result_of(bench, url, odd=odd)

    assert (result.ok, result.output["message"]) == (False, message)
    assert result.output.get("reason") == reason


async def test_what_only_reads_is_not_told_as_an_act_that_may_be_done(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    odd.answer = lambda _: 502

    result = await result_of(bench, url, odd=odd, repeatable=True)

    assert (result.ok, result.output["status"]) == (False, "error")
    assert "reason" not in result.output


async def test_an_act_whose_answer_holds_long_numbers_was_carried_out(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    odd.answer = lambda _: text("posted", structuredContent={"id": LARGEST, "at": [1.5, 2]})

    result = await result_of(bench, url, odd=odd)

    assert result.ok
    assert result.output == {"id": str(LARGEST), "at": [1.5, 2], "text": "posted"}


async def test_an_act_whose_answer_is_too_large_was_carried_out(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    odd.answer = lambda _: text("long " * 60_000)

    result = await result_of(bench, url, odd=odd)

    assert (result.ok, result.output["status"]) == (True, "done")
    assert result.output["message"].startswith("It was carried out.")
    assert result.output["beginning"].startswith('{"text": "long long')


async def test_an_answer_is_not_judged_by_what_its_server_promised(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    promised = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    odd.pages = [[tool("act", outputSchema=promised)]]
    odd.answer = lambda _: text("posted", structuredContent={"other": 1})
    tools = await looked(McpServer(id="odd", url=url, approval="never"))

    (result,) = finished(await bench.all(calling("odd_act"), agent=agent_with(bench, tools)))

    assert (result.ok, result.output) == (True, {"other": 1, "text": "posted"})


async def test_configured_headers_are_sent_with_everything(
    bench: Bench, odd: OddMcp, url: str
) -> None:
    server = McpServer(
        id="odd", url=url, approval="never", header_env={"Authorization": "ODD_TOKEN"}
    )
    tools = McpTools(servers=[server], environ={"ODD_TOKEN": "Bearer known"}, timeouts=PATIENT)
    await tools.refresh()
    await bench.all(calling("odd_act"), agent=agent_with(bench, tools))

    assert len(odd.called) == 1
    assert {sent.get("authorization") for sent in odd.headers} == {"Bearer known"}


NAMES = ("config", "run_manager", "runtime", "self", "state", "callbacks", "capability")


@pytest.mark.parametrize("asks", [False, True])
async def test_arguments_arrive_whatever_they_are_called(
    bench: Bench, odd: OddMcp, url: str, asks: bool
) -> None:
    properties = {name: {"type": "string"} for name in NAMES}
    schema = {"type": "object", "properties": properties, "required": list(NAMES)}
    odd.pages = [[tool("act", inputSchema=schema)]]
    rule: Any = "always" if asks else "never"
    tools = await looked(McpServer(id="odd", url=url, approval=rule))
    given = {name: f"my {name}" for name in NAMES}
    agent = agent_with(bench, tools)
    said = f"go <<calls={json.dumps([{'name': 'odd_act', 'args': given}])}>>"

    if asks:
        (approval,) = await bench.paused(said, agent=agent)
        assert bench.approvals.drafts[approval].payload["arguments"] == given
        bench.approvals.decide(approval, "approved")
        await bench.all(decided_approvals=[approval], agent=agent)
    else:
        await bench.all(said, agent=agent)

    assert [one["arguments"] for one in odd.called] == [given]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"id": LARGEST}, "send it as a string"),
        ({"text": "x" * 300_000}, "the arguments are larger than 262144 bytes"),
    ],
    ids=["a long number", "a long text"],
)
async def test_arguments_that_no_card_can_hold_are_told_and_not_shown(
    bench: Bench, odd: OddMcp, url: str, arguments: dict[str, Any], said: str
) -> None:
    tools = await looked(McpServer(id="odd", url=url))
    called = {"index": 0, "id": "c", **call("odd_act", json.dumps(arguments))}

    async with scripted_model(
        [calls(called), ends("tool_calls"), DONE], [says("Well."), ends(), DONE]
    ) as model:
        bench.ask_at(model.base_url)
        (result,) = finished(await bench.all("go", agent=agent_with(bench, tools)))

    assert said in result.output["message"]
    assert not bench.approvals.drafts


@pytest.mark.parametrize(
    ("server", "listed", "offered"),
    [
        ("create", ["automation", "note"], ["create_note"]),
        ("list", ["automations"], []),
        ("odd", ["act", "act", "a.b"], ["odd_act"]),
    ],
)
async def test_a_name_that_is_taken_or_odd_is_left_out(
    odd: OddMcp, url: str, server: str, listed: list[str], offered: list[str]
) -> None:
    odd.pages = [[tool(name) for name in listed]]

    with capture_logs() as logs:
        tools = await looked(McpServer(id=server, url=url))

    assert [one.name for one in tools.definitions()] == offered
    left_out = [line for line in logs if line["event"] == "mcp_tool_left_out"]
    assert len(left_out) == len(listed) - len(offered)
