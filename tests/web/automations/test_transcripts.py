"""What the agents of runs did, and the runs of the whole workspace, on the page."""

import re
from datetime import timedelta
from typing import Any, Final

from google.protobuf import json_format
from google.rpc import error_details_pb2
from playwright.async_api import Browser, Page, expect
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from devstack.demo.controls import Controls
from tests.web.acts import go_to, open_automation
from tests.web.site import Site
from tests.web.stub import Answers, refusal, stubbed

MINUTELY: Final = "every minute summarise the news"
RUN: Final = "workspaces/w/automations/news/runs/r1"
THREAD: Final = "workspaces/w/threads/s1"
WHERE: Final = "#/automations/news/runs/r1"


async def test_an_agent_at_work_is_watched_and_is_read_afterwards(
    page: Page, stack: Site, workspace: str, model: Controls
) -> None:
    await stack.approve(workspace, MINUTELY)
    await open_automation(page)
    model.hold(after=5, kind="task")
    stack.forward(timedelta(minutes=1))
    main = page.get_by_role("main")
    await main.get_by_role("link", name=re.compile("^Running")).click()
    run = main.get_by_role("region", name="Run", exact=True)
    turn = run.locator(".turn")
    await expect(turn).to_have_attribute("data-state", "running")
    await expect(turn.locator(".say.live")).to_have_text(re.compile(r"\S+\s+\S+"))
    await expect(turn.locator(".mine")).to_contain_text("news")
    model.release()
    await expect(turn).to_have_attribute("data-state", "done")
    await expect(run.get_by_role("heading", name="What came of it")).to_be_visible()
    answer = await turn.locator(".say").last.inner_text()
    assert answer.startswith("[demo]")

    await page.reload()
    opener = run.get_by_text("What the agent did", exact=True)
    await expect(opener).to_be_visible()
    await expect(turn).to_have_count(0)
    await opener.click()
    await expect(turn.locator(".say").last).to_have_text(answer, use_inner_text=True)
    task = run.locator(".result-head").filter(has=page.get_by_text("task", exact=True))
    await expect(task).to_contain_text("tokens")


async def test_runs_of_the_workspace_are_listed_and_filtered(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, MINUTELY)
    stack.forward(timedelta(minutes=1))
    runs = await go_to(page, "Runs")
    row = runs.get_by_role("link", name=re.compile("^Succeeded.*Summarise the news"))
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("[demo] A pretend summary")
    await expect(row).to_contain_text("took")
    await page.get_by_label("State").select_option("Failed")
    await expect(page.get_by_text("No such runs")).to_be_visible()
    await page.get_by_role("button", name="Show all of them").click()
    await expect(row).to_have_count(1)
    await page.get_by_label("Automation").select_option("Summarise the news")
    await expect(row).to_have_count(1)
    await row.click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()
    # Back to where one came from, as it was; so it is after a reload.
    await page.get_by_role("main").get_by_role("link", name="Runs", exact=True).click()
    await expect(page.get_by_label("Automation")).to_have_value(re.compile("."))
    await page.reload()
    await expect(row).to_have_count(1)
    await expect(page.get_by_label("Automation")).to_have_value(re.compile("."))


async def test_the_filters_of_runs_are_those_of_the_address(browser: Browser) -> None:
    broken = {"name": RUN, "state": "FAILED", "error": {"message": "it broke at noon"}}
    names = [f"workspaces/w/automations/{name}" for name in ("tea", "news", "jokes")]
    made = {"state": "ACTIVE", "create_time": "2026-11-23T08:00:00Z"}
    same = [{**made, "name": name, "display_name": "Tell me"} for name in names]
    page, stub = await stubbed(
        browser,
        {
            "AutomationService/ListRuns": lambda _: message(
                ap.ListRunsResponse, {"runs": [broken]}
            ),
            "AutomationService/ListAutomations": lambda _: message(
                ap.ListAutomationsResponse, {"automations": same}
            ),
        },
        where="#/runs?state=FAILED&span=day&automation=tea",
    )
    row = page.get_by_role("main").get_by_role("listitem")
    await expect(row).to_contain_text("it broke at noon")
    asked = (await stub.asked("AutomationService/ListRuns"))[-1].filter
    assert re.fullmatch(r'state = FAILED AND automation = "tea" AND create_time >= "\S+"', asked)
    # Automations of one name are told apart.
    chosen = page.get_by_role("combobox", name="Automation").locator("option:checked")
    await expect(chosen).to_have_text(re.compile("^Tell me .made Mon 23 Nov, 09:00, active.$"))
    await page.get_by_label("State").select_option("Any")
    await expect(page).to_have_url(re.compile(r"#/runs\?automation=tea&span=day$"))
    await page.context.close()


def message(kind: Any, value: dict[str, Any]) -> Any:
    return json_format.ParseDict(value, kind())


def answers(*parts: dict[str, Any], **step: Any) -> Answers:
    step = {"step_id": "news", "status": "SUCCEEDED", "attempts": 1, "session_id": "s1", **step}
    step = {"start_time": "2026-11-23T08:00:00Z", "end_time": "2026-11-23T08:00:09Z", **step}
    run = {"name": RUN, "state": "SUCCEEDED", "step_results": [step]}
    turn = {"name": f"{THREAD}/turns/u", "state": "SUCCEEDED"}
    asked = {"name": f"{THREAD}/messages/1", "role": "USER", "parts": [{"text": "Read it."}]}
    said = {"name": f"{THREAD}/messages/2", "role": "AGENT", "parts": list(parts)}
    told = [{**each, "turn": turn["name"]} for each in (said, asked)]
    return {
        "AutomationService/GetRun": lambda _: message(ap.Run, run),
        "ChatService/GetThread": lambda _: message(cp.Thread, {"name": THREAD, "kind": "TASK"}),
        "ChatService/ListTurns": lambda r: message(
            cp.ListTurnsResponse, {"turns": [turn] if r.parent == THREAD else []}
        ),
        "ChatService/ListMessages": lambda r: message(
            cp.ListMessagesResponse, {"messages": told if r.parent == THREAD else []}
        ),
    }


async def test_reasoning_and_calls_are_folded_as_in_a_chat(browser: Browser) -> None:
    call = {"tool_call_id": "c", "tool": "fetch_url", "args_json": '{"url":"https://a.example"}'}
    hostile = {"text": "<img src=x onerror=alert(1)> Ships **sail**."}
    given = answers(
        {"reasoning": "I should look."},
        {"tool_call": {**call, "outcome": "OK", "output": {"status": 200}}},
        hostile,
    )
    page, stub = await stubbed(browser, given, where=WHERE)
    opener = page.get_by_text("What the agent did", exact=True)
    await expect(opener).to_be_visible()
    assert stub.seen("ChatService/ListMessages") == []
    await opener.click()
    turn = page.locator(".turn")
    await expect(turn.locator(".mine")).to_contain_text("Read it.")
    thought = turn.get_by_text("I should look.")
    await expect(thought).to_be_hidden()
    await turn.get_by_text("Thought about it").click()
    await expect(thought).to_be_visible()
    await turn.get_by_text("Read a page").click()
    await expect(turn.locator("pre").first).to_contain_text("https://a.example")
    await expect(turn.locator("strong")).to_have_text("sail")
    assert await turn.locator("img").count() == 0
    await expect(page.get_by_label("Message", exact=True)).to_have_count(0)
    await page.context.close()


async def test_a_tool_that_needs_to_know_more_has_not_failed(browser: Browser) -> None:
    def call(number: int, tool: str, status: str) -> dict[str, Any]:
        call = {"tool_call_id": f"c{number}", "tool": tool, "outcome": "ERROR"}
        return {"tool_call": {**call, "output": {"status": status}}}

    given = answers(
        call(1, "create_automation", "invalid"),
        call(2, "create_automation", "error"),
        call(3, "their_tool", "invalid"),
    )
    page, _ = await stubbed(browser, given, where=WHERE)
    await page.get_by_text("What the agent did", exact=True).click()
    steps = page.locator(".turn .step")
    await expect(steps).to_have_text(
        [
            re.compile("^Drafted an automation – it needs to know more"),
            re.compile("^Drafted an automation – it failed"),
            re.compile("^Used their_tool – it failed"),
        ]
    )
    await expect(page.locator(".turn .step.bad")).to_have_count(2)
    await page.context.close()


async def test_a_transcript_that_is_no_longer_kept_says_so(browser: Browser) -> None:
    gone = answers()
    info = error_details_pb2.ErrorInfo(reason="RESOURCE_NOT_FOUND", domain="rota.dev")
    for method in ("GetThread", "ListTurns", "ListMessages"):
        gone[f"ChatService/{method}"] = lambda _: refusal(5, "it does not exist", info)
    page, _ = await stubbed(browser, gone, where=WHERE)
    await page.get_by_text("What the agent did", exact=True).click()
    told = page.get_by_text("Its transcript is no longer kept")
    await expect(told).to_be_visible()
    await page.context.close()

    expired = answers(session_expire_time="2020-01-01T00:00:00Z")
    page, stub = await stubbed(browser, expired, where=WHERE)
    await expect(page.get_by_text("Its transcript is no longer kept")).to_be_visible()
    assert stub.seen("ChatService/GetThread") == []
    await page.context.close()


async def test_each_try_has_its_own_transcript(browser: Browser) -> None:
    given = answers({"text": "Ships sail."}, attempts=2, earlier_session_ids=["s0"])
    page, stub = await stubbed(browser, given, where=WHERE)
    await page.get_by_text("What the agent did in try 1", exact=True).click()
    await page.get_by_text("What the agent did", exact=True).click()
    await expect(page.locator(".say")).to_have_text("Ships sail.")
    parents = {request.parent for request in await stub.asked("ChatService/ListTurns", 2)}
    assert parents == {"workspaces/w/threads/s0", THREAD}
    await page.context.close()


async def test_the_thread_of_a_step_has_no_composer(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers({"text": "Ships sail."}), where="#/chat/s1")
    await expect(page.get_by_text("nobody adds to it")).to_be_visible()
    await expect(page.get_by_label("Message", exact=True)).to_have_count(0)
    await page.context.close()
