"""A card as time goes on: what it says of fires that have come since it was drafted."""

import re
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as automation
from rota.chat.v1 import chat_pb2 as chat

from tests.web.card.test_form import GIVEN, answers, approval
from tests.web.stub import URL, stubbed

NOW: Final = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)
PAST: Final = "This moment has passed: choose a later one."
COME: Final = "The time to skip has come; ask again for the next."
STAYS: Final = "The time has come, so it stays skipped."
FIRE: Final = re.compile(r"would fire \d+ \w+ ago")


def card(name: str, cron: str, kind: str = "automation_create") -> chat.Approval:
    """A draft that would fire in a minute for the first time."""
    made = approval(name, summary=name, create_time=NOW, requested_by="users/ada")
    made.action_type = kind
    made.payload.Clear()
    if kind == "automation_create":
        given = deepcopy(GIVEN)
        given["definition"]["triggers"][0]["config"]["cron"] = cron
        made.payload.update(given)
    made.preview.summary = "Now and then"
    made.preview.slots.add(
        fire_time=NOW + timedelta(minutes=1),
        local_time="2027-03-02T10:01",
        time_zone="Africa/Lagos",
    )
    return made


def planned(request: Any) -> automation.PreviewScheduleResponse:
    """`1 * * * *` is daily, of `2 * * * *` nothing is left, and `3 * * * *` is yet to come."""
    answer = automation.PreviewScheduleResponse(summary="Now and then")
    cron = request.config["cron"]
    if cron == "1 * * * *":
        answer.slots.add(fire_time=NOW + timedelta(days=1), local_time="2027-03-03T10:00")
    elif cron == "3 * * * *":
        answer.slots.add(fire_time=NOW + timedelta(minutes=1), local_time="2027-03-02T10:01")
    return answer


async def test_what_has_passed_is_told_while_one_looks_and_when_one_comes_later(
    browser: Browser,
) -> None:
    cards = {
        "daily": card("daily", "1 * * * *"),
        "once": card("once", "2 * * * *"),
        "behind": card("behind", "3 * * * *"),
        "pause": card("pause", "", "automation_pause"),
        "lapse": card("lapse", "", "automation_skip"),
        "taken": card("taken", "", "automation_unskip"),
    }
    cards["taken"].payload["slots"] = [{"fire_time": "2027-03-02T09:01:00Z"}]
    cards["lapse"].payload["slot_time"] = "2027-03-02T09:01:00Z"
    page, stub = await stubbed(
        browser,
        {
            **answers(cards["once"]),
            "ChatService/GetApproval": lambda request: cards[request.name.rpartition("/")[2]],
            "ChatService/ListApprovals": lambda _: chat.ListApprovalsResponse(
                approvals=cards.values()
            ),
            "AutomationService/PreviewSchedule": planned,
        },
    )
    await page.clock.install(time=NOW)
    await page.goto(f"{URL}/#/approvals")
    await page.reload()
    rows = {name: page.get_by_role("listitem").filter(has_text=name) for name in cards}
    for row in rows.values():
        fires = row not in (rows["pause"], rows["lapse"])
        said = re.compile("would fire in (1 minute|5. seconds)" if fires else "asked")
        await expect(row).to_contain_text(said)
    await page.goto(f"{URL}/#/approvals/once")
    approve = page.get_by_role("button", name="Approve", exact=True)
    await expect(approve).to_be_enabled()
    # Clocks of that zone show the same as the person's.
    await expect(page.locator(".fires")).to_have_text(re.compile("10:01in (1 minute|5. seconds)$"))
    assert not stub.seen("AutomationService/PreviewSchedule")
    # The open card says so by itself, and leads to the field.
    await page.clock.fast_forward(90_000)
    await expect(page.get_by_text(PAST, exact=True)).to_be_visible()
    await expect(approve).to_be_disabled()
    await expect(approve).to_have_accessible_description(re.compile(re.escape(PAST)))
    await page.get_by_role("button", name="Trigger 1 · Cron", exact=True).click()
    await expect(page.get_by_label("Cron", exact=True)).to_be_focused()
    # The list, and cards that are opened later.
    await page.goto(f"{URL}/#/approvals")
    await expect(rows["once"]).to_contain_text(PAST)
    await expect(rows["daily"]).to_contain_text("would fire in 23 hours")
    await expect(rows["behind"]).to_contain_text("would fire any moment")
    await expect(rows["pause"]).not_to_contain_text("fire")
    await expect(rows["lapse"]).to_contain_text(COME)
    await expect(rows["taken"]).to_contain_text(STAYS)
    await page.reload()
    await expect(rows["once"]).to_contain_text(PAST)
    await expect(page.get_by_role("main")).not_to_contain_text(FIRE)
    for name, words in (
        ("daily", "in 23 hours"),
        ("behind", "any moment"),
        ("pause", "The times that were next when this was asked have come."),
    ):
        await page.goto(f"{URL}/#/approvals/{name}")
        await expect(page.locator(".when")).to_contain_text(words)
        await expect(page.locator(".when")).not_to_contain_text(" ago")
        await expect(approve).to_be_enabled()
    for name, words in (("once", PAST), ("lapse", COME), ("taken", STAYS)):
        await page.goto(f"{URL}/#/approvals/{name}")
        await expect(page.get_by_text(words, exact=True)).to_be_visible()
        await expect(approve).to_be_disabled()
    await page.context.close()
