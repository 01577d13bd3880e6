"""The focus of the keyboard after an act whose control goes away, or can't be pressed meanwhile."""

import re
import time
from typing import Any, Final

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import delivery_pb2 as deliveries
from rota.automation.v1 import destination_pb2 as dp
from rota.automation.v1 import inbox_pb2 as inbox
from rota.automation.v1 import notice_settings_pb2 as notices
from rota.chat.v1 import chat_pb2 as cp

from tests.web.stub import URL, Answers, stubbed

AUTOMATION: Final = "workspaces/w/automations/news"
RUN: Final = f"{AUTOMATION}/runs/r"
# Where, what is pressed there, and what has the focus once the answer is shown.
ACTS: Final = [
    ("destinations", "Test My phone", "Test My phone"),
    ("destinations", "Send a code to My phone", "Send a code to My phone"),
    ("destinations", "Verify", "Test My phone"),
    ("destinations", "Remove My phone", "Really remove My phone"),
    ("destinations", "Really remove My phone", "Test The team"),
    ("automations/news/runs/r", "Send again", "1 attempt"),
    ("automations/news", "Undo", "Skip the next"),
    ("automations/news", "Skip the next", "Why is"),
    ("automations/news", "Skip", "Skip the next"),
    ("notices", "Save", "Save"),
    ("inbox", "Mark all as read", "Show"),
    ("approvals/a", "Approve", "Pause the news"),
]


def state() -> dict[str, Message]:
    """What the service has: acts change it."""
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    slot = {"slot_time": later, "fire_time": later}
    trigger = {"name": f"{AUTOMATION}/triggers/t", "next_slot": slot, "skipped_slots": [slot]}
    phone = {
        "name": "workspaces/w/destinations/phone",
        "display_name": "My phone",
        "state": "ACTIVE",
        "ntfy": {"server": "https://ntfy.sh"},
    }
    team = {"name": "workspaces/w/destinations/team", "display_name": "The team", "slack": {}}
    approval = {
        "name": "workspaces/w/approvals/a",
        "state": "PENDING",
        "action_type": "automation_pause",
        "context": {"display_name": "the news", "automation": AUTOMATION},
    }
    places: dict[str, Any] = {"destinations": [phone, team]}
    made: dict[str, Any] = {"name": AUTOMATION, "state": "ACTIVE", "triggers": [trigger]}
    sent = {"name": f"{RUN}/deliveries/d", "state": "FAILED", "attempt_count": 1}
    item = {
        "name": "workspaces/w/inboxItems/i",
        "subject": "News",
        "state": "UNREAD",
    }
    return {
        "places": ParseDict(places, dp.ListDestinationsResponse()),
        "automation": ParseDict(made, ap.Automation()),
        "sent": ParseDict({"deliveries": [sent]}, deliveries.ListDeliveriesResponse()),
        "items": ParseDict(
            {"inbox_items": [item], "unread_count": 1}, inbox.ListInboxItemsResponse()
        ),
        "approval": ParseDict(approval, cp.Approval()),
    }


def answers(held: dict[str, Any]) -> Answers:
    phone = held["places"].destinations[0]
    later = int(time.time()) + 86_400

    def send(request: Any) -> Message:
        if request.verify:
            phone.code_expire_time.seconds = later
        return dp.TestDestinationResponse(destination=phone)

    def verify(_: Any) -> Message:
        phone.ClearField("code_expire_time")
        phone.verify_time.seconds = later
        return phone  # type: ignore[no-any-return]

    def remove(_: Any) -> Message:
        del held["places"].destinations[0]
        return dp.ListDestinationsResponse()  # as empty as the answer is

    def retry(_: Any) -> Message:
        held["sent"].deliveries[0].state = deliveries.Delivery.PENDING
        return held["sent"].deliveries[0]  # type: ignore[no-any-return]

    def unskip(_: Any) -> Message:
        held["automation"].triggers[0].ClearField("skipped_slots")
        return held["automation"]  # type: ignore[no-any-return]

    def mark(_: Any) -> Message:
        held["items"].inbox_items[0].state = inbox.InboxItem.READ
        held["items"].unread_count = 0
        return inbox.MarkInboxItemsResponse()

    def decide(_: Any) -> Message:
        held["approval"].state = cp.Approval.APPROVED
        return held["approval"]  # type: ignore[no-any-return]

    return {
        "DestinationService/ListDestinations": lambda _: held["places"],
        "DestinationService/TestDestination": send,
        "DestinationService/VerifyDestination": verify,
        "DestinationService/DeleteDestination": remove,
        "AutomationService/GetRun": lambda _: ap.Run(name=RUN, state=ap.Run.SUCCEEDED),
        "DeliveryService/ListDeliveries": lambda _: held["sent"],
        "DeliveryService/RetryDelivery": retry,
        "AutomationService/GetAutomation": lambda _: held["automation"],
        "AutomationService/UnskipSlot": unskip,
        "AutomationService/SkipNextSlot": lambda _: held["automation"],
        "NoticeSettingsService/GetNoticeSettings": lambda _: notices.NoticeSettings(),
        "NoticeSettingsService/UpdateNoticeSettings": lambda asked: asked.notice_settings,
        "InboxService/ListInboxItems": lambda _: held["items"],
        "InboxService/MarkInboxItems": mark,
        "ChatService/GetApproval": lambda _: held["approval"],
        "ChatService/DecideApproval": decide,
    }


async def test_after_an_act_the_focus_is_at_the_next_place(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(state()))
    for where, pressed, next_place in ACTS:
        if not page.url.endswith(f"/#/{where}"):
            await page.goto(f"{URL}/#/{where}")
        if pressed == "Verify":
            await page.get_by_label("Code", exact=True).fill("K7QF2M9X")
        control = page.get_by_role("main").get_by_role("button", name=pressed)
        await control.first.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main").locator("button:disabled")).to_have_count(0)
        name = re.compile(f"^{re.escape(next_place)}")
        await expect(page.locator(":focus"), pressed).to_have_accessible_name(name)
    await expect(page.get_by_role("main").get_by_text("Approved")).to_be_visible()
    await page.context.close()
