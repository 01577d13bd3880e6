"""What a run sent, on the run's screen."""

from typing import Any, Final

from google.protobuf import json_format
from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import delivery_pb2 as dp
from rota.automation.v1 import destination_pb2 as destinations
from rota.chat.v1 import chat_pb2 as cp

from tests.web.stub import Answers, refusal, stubbed

RUN: Final = "workspaces/w/automations/news/runs/r1"
MAIL: Final = "workspaces/w/destinations/01a22f94-0c77-7758-ab19-fa910d2d8feb"
GONE: Final = "workspaces/w/destinations/gone"
THREAD: Final = "workspaces/w/threads/t"
SENT: Final = [MAIL, THREAD, "inbox", GONE]


def answers() -> Answers:
    names = [f"{RUN}/deliveries/{n}" for n in range(len(SENT))]
    task = {"step_id": "task", "status": "SUCCEEDED", "output": "Trains are late."}
    deliver = {"step_id": "deliver", "status": "SUCCEEDED", "output": {"deliveries": names}}
    run: dict[str, Any] = {
        "name": RUN,
        "state": "SUCCEEDED",
        "output": "Trains are late.",
        "step_results": [task, deliver],
    }
    sent = [
        dp.Delivery(name=name, destination=to, state=dp.Delivery.SENT, subject="News")
        for name, to in zip(names, SENT, strict=True)
    ]
    mine = destinations.Destination(name=MAIL, display_name="My mail", host="example.org")
    thread = cp.Thread(name=THREAD, display_name="About trains")
    return {
        "AutomationService/GetRun": lambda _: json_format.ParseDict(run, ap.Run()),
        "DeliveryService/ListDeliveries": lambda _: dp.ListDeliveriesResponse(deliveries=sent),
        "DestinationService/ListDestinations": lambda _: destinations.ListDestinationsResponse(
            destinations=[mine]
        ),
        "ChatService/ListThreads": lambda _: cp.ListThreadsResponse(threads=[thread]),
    }


async def test_places_have_their_names_and_no_output_is_shown_twice(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(), where="#/automations/news/runs/r1", width=420)
    sent = page.locator("section.panel").filter(has=page.get_by_role("heading", name="Deliveries"))
    rows = sent.locator(".result-head")
    await expect(rows).to_have_count(len(SENT))
    await expect(rows.filter(has_text="My mail")).to_contain_text("example.org")
    await expect(rows.get_by_role("link", name="About trains")).to_have_attribute(
        "href", "#/chat/t"
    )
    await expect(rows.filter(has_text="Inbox")).to_have_count(1)
    await expect(rows.filter(has_text="gone")).to_have_count(1)
    main = page.get_by_role("main")
    await expect(main.get_by_text("Trains are late.")).to_have_count(1)
    await expect(main.locator("pre")).to_have_count(0)
    await page.context.close()


async def test_a_list_of_runs_marks_what_did_not_arrive(browser: Browser) -> None:
    name = "workspaces/w/automations/a/runs"
    runs = [
        ap.Run(name=f"{name}/1", state=ap.Run.SUCCEEDED, failed_delivery_count=1),
        ap.Run(name=f"{name}/2", state=ap.Run.SUCCEEDED, retrying_delivery_count=2),
        ap.Run(name=f"{name}/3", state=ap.Run.SUCCEEDED),
    ]
    found: Answers = {"AutomationService/ListRuns": lambda _: ap.ListRunsResponse(runs=runs)}
    page, _ = await stubbed(browser, found, where="#/runs")
    rows = page.locator(".rows a.row")
    await expect(rows.nth(0)).to_contain_text("A result was not delivered")
    await expect(rows.nth(1)).to_contain_text("2 results were not delivered yet; tried again")
    await expect(rows.nth(2)).not_to_contain_text("not delivered")
    await page.context.close()


async def test_an_automation_says_which_of_its_places_are_not_there(browser: Browser) -> None:
    to = [GONE, THREAD, "inbox"]
    definition = {"plan": [{"step_id": "d", "action": "deliver", "config": {"to": to}}]}
    one = {"name": "workspaces/w/automations/news", "display_name": "News", "state": "ACTIVE"}
    found: Answers = {
        "AutomationService/GetAutomation": lambda _: json_format.ParseDict(
            {**one, "definition": definition}, ap.Automation()
        ),
        "ChatService/GetThread": lambda _: refusal(5, "there is no such thread"),
        "DestinationService/ListDestinations": lambda _: destinations.ListDestinationsResponse(),
    }
    page, _ = await stubbed(browser, found, where="#/automations/news")
    chips = page.locator(".chip")
    for said in (
        "gone: there is no such destination for you",
        "A conversation: it is not there, or not for you",
    ):
        await expect(chips.filter(has_text=said)).to_have_count(1)
    await page.context.close()
