"""What a viewer of the workspace is offered on the page."""

from typing import Any, Final

from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import delivery_pb2 as deliveries
from rota.chat.v1 import chat_pb2 as cp

from tests.web.stub import URL, Answers, refusal, stubbed

AUTOMATION: Final = "workspaces/w/automations/news"
RUN: Final = f"{AUTOMATION}/runs/r"
THREAD: Final = "workspaces/w/threads/t"
# What is there to do, by screen, and what a viewer reads in its place.
ACTS: Final = [
    ("chat/t", "Attach pictures", "You are a viewer of this workspace: editors write here."),
    ("approvals/a", "Approve", "an editor decides this."),
    ("automations/news", "Pause", ""),
    ("automations/news/runs/r", "Send again", ""),
    ("destinations", "Add", "Editors of the workspace add destinations."),
    ("models", "Add", "Editors of the workspace add models of their own."),
]


def answers() -> Answers:
    news = ap.Automation(name=AUTOMATION, display_name="News", state=ap.Automation.ACTIVE)
    card = ParseDict(
        {"name": "workspaces/w/approvals/a", "state": "PENDING", "action_type": "tool_call"},
        cp.Approval(),
    )
    sent = deliveries.Delivery(
        name=f"{RUN}/deliveries/d", destination="inbox", state=deliveries.Delivery.FAILED
    )
    lost = error_details_pb2.ErrorInfo(
        reason="PERMISSION_DENIED", metadata={"role": "viewer", "needs": "editor"}
    )
    return {
        "ChatService/ListThreads": lambda _: cp.ListThreadsResponse(
            threads=[cp.Thread(name=THREAD, display_name="a talk")]
        ),
        "ChatService/GetThread": lambda _: cp.Thread(name=THREAD, display_name="a talk"),
        "ChatService/ListApprovals": lambda _: cp.ListApprovalsResponse(approvals=[card]),
        "ChatService/GetApproval": lambda _: card,
        "AutomationService/GetAutomation": lambda _: news,
        "AutomationService/GetRun": lambda _: ap.Run(name=RUN, state=ap.Run.SUCCEEDED),
        "DeliveryService/ListDeliveries": lambda _: deliveries.ListDeliveriesResponse(
            deliveries=[sent]
        ),
        "DeliveryService/RetryDelivery": lambda _: refusal(7, "the role viewer does not", lost),
    }


async def test_a_viewer_is_offered_nothing_that_an_editor_does(browser: Browser) -> None:
    claims: dict[str, Any] = {"sub": "ada", "exp": 9_999_999_999}
    for role in ("viewer", "editor"):
        page, _ = await stubbed(
            browser, answers(), claims={**claims, "workspaces": {"w": role}}, where="#/chat/t"
        )
        is_editor = role == "editor"
        side = page.locator(".side")
        await expect(side.get_by_role("link", name="a talk")).to_be_visible()
        await expect(page).to_have_title("(1) Rota" if is_editor else "Rota")
        await expect(side.get_by_label("1 waiting")).to_have_count(int(is_editor))
        await expect(side.get_by_role("button", name="Delete a talk")).to_have_count(int(is_editor))
        await expect(side.get_by_role("link", name="New chat")).to_have_count(int(is_editor))
        for where, act, words in ACTS:
            await page.goto(f"{URL}/#/{where}")
            main = page.get_by_role("main")
            await expect(main.get_by_role("heading", level=1)).to_be_visible()
            if is_editor:
                await expect(main.get_by_role("button", name=act, exact=True)).to_be_visible()
            elif words:
                await expect(main.get_by_text(words)).to_be_visible()
            else:
                await expect(
                    main.get_by_text("Inbox" if "runs" in where else "When")
                ).to_be_visible()
            if not is_editor:
                await expect(main.get_by_role("button", name=act, exact=True)).to_have_count(0)
            # Who was an editor learns it when a service says so.
            if is_editor and act == "Send again":
                await main.get_by_role("button", name=act).click()
                await expect(main.get_by_role("button", name=act)).to_have_count(0)
                await expect(side.get_by_role("link", name="New chat")).to_have_count(0)
                break
        await page.context.close()
