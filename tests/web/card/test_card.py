"""The approval card: read, change, decide."""

import json
import re
from datetime import timedelta
from uuid import uuid4

from playwright.async_api import Locator, Page, expect

from tests.web.acts import (
    NAME,
    NEWS,
    approve,
    approved,
    asked,
    called,
    editing,
    ended,
    go_to,
    open_automation,
    shown,
)
from tests.web.conftest import Open
from tests.web.site import Site


async def raw(card: Locator, saying: str) -> dict[str, object]:
    """The payload as JSON, once it says this."""
    box = card.get_by_label("JSON", exact=True)
    await expect(box).to_have_value(re.compile(re.escape(saying)))
    return dict(json.loads(await box.input_value()))


async def test_it_says_when_what_with_which_tools_and_what_follows(page: Page) -> None:
    card = await asked(page)
    await expect(
        card.get_by_text("At 09:00 on Monday through Friday, Europe/Paris")
    ).to_be_visible()
    fires = card.get_by_role("list", name="Next fires").get_by_role("listitem")
    await expect(fires).to_have_count(5)
    for words in (
        "Summarise the news.",
        "None. It can only think",
        "runs a month",
        "behalf of ada",
    ):
        await expect(card.get_by_text(words, exact=words.endswith(".")).first).to_be_visible()


async def test_a_zone_elsewhere_is_told_in_the_persons_own_time(page: Page) -> None:
    card = await asked(page, "every day at 9 in Tokyo summarise the news")
    first = card.get_by_role("list", name="Next fires").get_by_role("listitem").first
    await expect(first).to_contain_text("your time")
    await expect(first).to_contain_text("09:00 in Asia/Tokyo (UTC+09:00)")


async def test_a_step_that_knows_the_last_run_says_so_and_offers_the_choice(page: Page) -> None:
    card = await asked(page, "every day at 9 tell me what is new since yesterday")
    await expect(card.get_by_text("Is told what it gave in the last run")).to_be_visible()
    await card.get_by_role("button", name="Edit").click()
    chosen = card.get_by_label("Memory", exact=True)
    await expect(chosen.locator("option:checked")).to_have_text("what it gave in the last run")


async def test_an_edited_card_is_saved_as_edited(page: Page) -> None:
    card = await editing(page)
    await card.get_by_label("Name", exact=True).fill("Morning news")
    await card.get_by_label("Cron", exact=True).fill("30 7 * * *")
    await card.get_by_label("fetch_url").check()
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name="Approved: Morning news")).to_be_visible()
    await ended(page)
    await open_automation(page, "Morning news")
    await expect(page.get_by_text("At 07:30, Europe/Paris")).to_be_visible()
    await expect(page.get_by_text("fetch_url").first).to_be_visible()


async def test_the_preview_follows_cron_and_zone_as_they_are_typed(page: Page) -> None:
    card = await editing(page)
    await card.get_by_label("Cron", exact=True).fill("0 12 1 * 1")
    await expect(card.get_by_text("At 12:00 on day 1 of the month or on Monday")).to_be_visible()
    await expect(card.get_by_text("fires on days that match either")).to_be_visible()
    await card.get_by_label("Time zone", exact=True).fill("Asia/Tokyo")
    await expect(card.get_by_text("in Asia/Tokyo (UTC+09:00)").first).to_be_visible()


async def test_a_clock_change_is_told_on_the_card(page: Page) -> None:
    card = await editing(page)
    # Of the next five Sundays in March one is that of the clock change, whatever today is.
    await card.get_by_label("Cron", exact=True).fill("30 2 * 3 0")
    await card.get_by_text("More settings").first.click()
    await expect(card.locator(".dst, .when .note").first).to_be_visible()


async def test_form_and_json_stay_the_same(page: Page) -> None:
    card = await editing(page)
    await card.get_by_label("Name", exact=True).fill("News at nine")
    payload = await raw(card, "News at nine")
    assert payload["display_name"] == "News at nine"
    definition = payload["definition"]
    assert isinstance(definition, dict)
    assert definition["name"] == "News at nine"
    definition["plan"][0]["config"]["prompt"] = "Say what is new."
    await card.get_by_label("JSON", exact=True).fill(json.dumps(payload))
    await expect(card.get_by_label("Prompt", exact=True)).to_have_value("Say what is new.")
    await card.get_by_label("JSON", exact=True).fill("{")
    await expect(card.get_by_role("button", name="Approve with changes")).to_be_disabled()
    await expect(card.get_by_label("Prompt", exact=True)).to_have_value("Say what is new.")


async def test_what_the_server_refuses_is_told_at_its_field(page: Page) -> None:
    card = await editing(page)
    prompt = card.get_by_label("Prompt", exact=True)
    await prompt.fill("{{ nowhere.to_be_found }")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(prompt).to_have_attribute("aria-invalid", "true")
    await expect(prompt).to_be_focused()
    await expect(card.get_by_role("alert")).to_contain_text("Step 1 · Prompt: ")
    await expect(card.get_by_role("alert")).not_to_contain_text("definition")
    await expect(prompt).to_have_accessible_description(re.compile(r"\S"))
    await prompt.fill("Say what is new.")
    await expect(prompt).not_to_have_attribute("aria-invalid", "true")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()


async def test_a_card_whose_moment_has_passed_says_so_at_its_field(page: Page, stack: Site) -> None:
    card = await asked(page, "in two minutes tell me a joke")
    # The card would find out by itself, and then can't be approved.
    await page.route("**/PreviewSchedule", lambda route: route.abort())
    stack.forward(timedelta(minutes=3))
    await card.get_by_role("button", name="Approve", exact=True).click()
    alert = card.get_by_role("alert")
    await expect(alert).to_contain_text("This moment has passed: choose a later one.")
    await expect(alert).to_contain_text("Trigger 1 · ")
    await expect(alert).not_to_contain_text(re.compile(r"decision|definition|triggers|\[0\]|_"))
    wrong = card.locator("[aria-invalid=true]")
    await expect(wrong).to_be_focused()
    await expect(wrong).to_have_accessible_description(re.compile("would never fire"))


async def test_a_wrong_cron_is_told_at_once_and_keeps_the_last_preview(page: Page) -> None:
    card = await editing(page)
    cron = card.get_by_label("Cron", exact=True)
    await cron.fill("61 9 * * *")
    await expect(cron).to_have_attribute("aria-invalid", "true")
    await expect(card.get_by_text("'61' is not valid").first).to_be_visible()
    await card.get_by_role("button", name="Undo changes").click()
    await expect(cron).to_have_value("0 9 * * 1-5")
    await expect(cron).not_to_have_attribute("aria-invalid", "true")


async def test_a_rejection_carries_its_reason_to_the_agent(page: Page) -> None:
    card = await asked(page)
    reject = card.get_by_role("button", name="Reject", exact=True)
    await reject.click()
    await card.get_by_label("Why not?").fill("not before next month")
    await reject.click()
    told = page.get_by_role("region", name=re.compile("^Rejected"))
    await expect(told).to_contain_text("not before next month")
    await expect(page.locator(".say")).to_contain_text("I leave it at that (not before next month)")
    await ended(page)
    screen = await go_to(page, "Automations")
    await expect(screen.get_by_text("No automations yet")).to_be_visible()


async def test_a_zone_that_nobody_named_is_said_to_be_assumed(open_page: Open, stack: Site) -> None:
    workspace = f"w{uuid4().hex[:12]}"
    await stack.say(workspace, "every day at 9 summarise the news")
    page = await open_page(token=stack.token(workspace))
    screen = await go_to(page, "Approvals")
    await screen.get_by_role("link", name=re.compile(NAME)).click()
    card = page.get_by_role("region", name="Approval wanted")
    await expect(card.get_by_text("You named no time zone, so UTC is assumed.")).to_be_visible()
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    await card.get_by_label("Time zone", exact=True).fill("Europe/Paris")
    await expect(card.get_by_text("You named no time zone")).to_be_hidden()
    await card.get_by_role("button", name="Approve with changes").click()
    decided = page.get_by_role("region", name=re.compile("^Approved"))
    await decided.get_by_text("What it was about").click()
    await expect(decided.get_by_role("deletion").get_by_text("UTC", exact=True)).to_be_visible()


async def test_what_fires_once_shows_one_fire(page: Page) -> None:
    card = await asked(page, "in two minutes tell me a joke")
    fires = card.get_by_role("list", name="Next fires").get_by_role("listitem")
    await expect(fires).to_have_count(1)
    await expect(card.get_by_text(re.compile("^Once, at ")).first).to_be_visible()


async def test_a_change_is_shown_field_by_field_with_the_fires_before_and_after(
    page: Page,
) -> None:
    await approved(page)
    # What is typed now is the next message.
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()
    card = await asked(page, f"move {NAME} to 10:30")
    await expect(card.get_by_role("heading", name=f"Change {NAME}")).to_be_visible()
    cron = card.get_by_role("definition").filter(has_text="0 9 * * 1-5")
    await expect(cron.get_by_role("deletion")).to_contain_text("0 9 * * 1-5")
    await expect(cron.get_by_role("insertion")).to_contain_text("30 10 * * 1-5")
    now, then = (
        card.locator("section").filter(has=page.get_by_role("heading", name=name, exact=True))
        for name in ("It fires now", "It would fire")
    )
    await expect(now.get_by_role("listitem").first).to_contain_text("09:00")
    await expect(then.get_by_role("listitem").first).to_contain_text("10:30")
    await expect(card.get_by_role("link", name="Open the automation as it is")).to_be_visible()
    await approve(page, card)
    await open_automation(page)
    await expect(page.get_by_text("At 10:30 on Monday through Friday")).to_be_visible()


async def test_a_change_that_is_edited_says_what_the_person_changed(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, NEWS)
    card = await asked(page, f"move {NAME} to 10:30")
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    await card.get_by_label("Cron", exact=True).fill("45 11 * * 1-5")
    await card.get_by_role("button", name="Done editing").click()
    mine = card.locator("section").filter(has=page.get_by_role("heading", name="Your changes"))
    await expect(mine.get_by_role("deletion")).to_contain_text("30 10 * * 1-5")
    await expect(mine.get_by_role("insertion")).to_contain_text("45 11 * * 1-5")
    then = card.locator("section").filter(has=page.get_by_role("heading", name="It would fire"))
    await expect(then.get_by_role("listitem").first).to_contain_text("11:45")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name=f"Approved: Change {NAME}")).to_be_visible()
    await ended(page)
    await open_automation(page)
    await expect(page.get_by_text("At 11:45 on Monday through Friday")).to_be_visible()


async def test_pausing_says_which_and_what_is_skipped_and_resuming_what_comes(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, NEWS)
    card = await asked(page, f"pause {NAME} because of the holidays")
    await expect(card.get_by_role("heading", name=f"Pause {NAME}")).to_be_visible()
    await expect(card.get_by_text("of the holidays")).to_be_visible()
    skipped = card.locator("section").filter(has_text="These fires are skipped")
    await expect(skipped.get_by_role("listitem")).to_have_count(5)
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.get_by_label("Note", exact=True)).to_be_visible()
    await expect(card.get_by_label("Name", exact=True)).to_be_hidden()
    await card.get_by_label("Note", exact=True).fill("a long holiday")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name=f"Approved: Pause {NAME}")).to_be_visible()
    await ended(page)
    card = await asked(page, f"resume {NAME}")
    await expect(card.get_by_role("heading", name=f"Resume {NAME}")).to_be_visible()
    await expect(card.get_by_text("It fires again")).to_be_visible()
    await card.get_by_role("link", name="Open the automation as it is").click()
    await shown(page)
    await expect(page.get_by_text("Paused: a long holiday")).to_be_visible()
    await page.go_back()
    await expect(card.get_by_role("heading", name=f"Resume {NAME}")).to_be_visible()
    await approve(page, card)
    await open_automation(page)
    await expect(page.get_by_text("Active", exact=True)).to_be_visible()


async def test_a_tool_is_asked_for_by_name_with_its_arguments(page: Page) -> None:
    card = await called(page, "shelf_write", title="Shopping", text="bread\nmilk")
    await expect(card.get_by_role("heading", name="Use shelf_write")).to_be_visible()
    await expect(card.get_by_text("Writes a note.")).to_be_visible()
    await expect(card.get_by_role("definition").get_by_text("Shopping")).to_be_visible()
    await expect(card.get_by_role("definition").get_by_text("bread")).to_be_visible()
    await card.get_by_role("button", name="Edit", exact=True).click()
    await card.get_by_label("Title", exact=True).fill("Groceries")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name="Approved: Use shelf_write")).to_be_visible()
    await ended(page)
    await page.get_by_text("Used shelf_write").click()
    await expect(page.locator(".step pre").last).to_contain_text("wrote Groceries")


async def test_what_is_said_elsewhere_waits_here(page: Page, stack: Site, workspace: str) -> None:
    screen = await go_to(page, "Approvals")
    await expect(screen.get_by_text("Nothing waits for you")).to_be_visible()
    await stack.say(workspace, NEWS, zone="Asia/Tokyo")
    await expect(screen.get_by_role("link", name=re.compile(f"{NAME}.*asked"))).to_be_visible()
    main = page.get_by_role("navigation", name="Main", exact=True)
    await expect(main.get_by_label("1 waiting")).to_be_visible()
    await expect(page).to_have_title("(1) Rota")


async def test_what_waits_is_decided_from_another_device(open_page: Open, stack: Site) -> None:
    token = stack.token()
    desk, phone = await open_page(token=token), await open_page(width=360, token=token)
    await asked(desk)
    await phone.get_by_role("link", name="1 approvals wait").click()
    screen = phone.get_by_role("region", name="Approvals", exact=True)
    await screen.get_by_role("link", name=re.compile(NAME)).click()
    await screen.get_by_role("button", name="Approve", exact=True).click()
    await expect(phone.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await expect(desk.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await expect(phone.get_by_role("link", name="1 approvals wait")).to_be_hidden()


async def test_the_keyboard_alone_asks_and_approves(page: Page) -> None:
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()
    await page.keyboard.type(NEWS)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await page.keyboard.press("Enter")
    card = page.get_by_role("region", name="Approval wanted")
    await expect(card).to_be_visible()
    # Not before everything is there that one passes on the way.
    await expect(card.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()
    approve = card.get_by_role("button", name="Approve", exact=True)
    # Backwards from where one wrote: what is below the card, then its buttons.
    for _ in range(20):
        await page.keyboard.press("Shift+Tab")
        if await approve.evaluate("here => here === document.activeElement"):
            break
    await expect(approve).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()


async def test_the_keyboard_alone_rejects_and_may_think_again(page: Page) -> None:
    card = await asked(page)
    reject = card.get_by_role("button", name="Reject", exact=True)
    await reject.press("Enter")
    why = card.get_by_label("Why not?")
    await expect(why).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(reject).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(why).to_be_focused()
    await page.keyboard.type("not now")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name=re.compile("^Rejected"))).to_contain_text(
        "not now"
    )


async def test_a_decision_stays_readable_after_a_reload(page: Page) -> None:
    await approved(page)
    await page.reload()
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await expect(page.locator(".turn")).to_have_count(1)
    await expect(page.get_by_text("Drafted an automation")).to_have_count(1)
