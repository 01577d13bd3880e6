"""Automations on the page: they fire, and every slot is explained."""

import re
from datetime import timedelta

from playwright.async_api import Page, expect

from tests.web.acts import approved, editing, open_automation
from tests.web.site import Site

MINUTELY = "every minute summarise the news"
NAME = "Summarise the news"


async def fired(page: Page, stack: Site) -> None:
    """An automation that runs each minute, after its first run."""
    await approved(page, MINUTELY)
    await open_automation(page, NAME)
    await expect(page.get_by_text("None yet.")).to_be_visible()
    stack.forward(timedelta(minutes=1))
    runs = page.get_by_role("link", name=re.compile("^Succeeded"))
    await expect(runs.first).to_be_visible(timeout=30_000)


async def test_what_was_approved_is_seen_to_fire(page: Page, stack: Site) -> None:
    await fired(page, stack)
    await page.get_by_role("link", name=re.compile("^Succeeded")).first.click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()
    await expect(page.get_by_text("[demo] A pretend summary")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Succeeded")).to_be_visible()


async def test_a_slot_is_explained_where_it_is_chosen(page: Page, stack: Site) -> None:
    await fired(page, stack)
    await page.get_by_role("button", name=re.compile(": Fired$")).first.click()
    await expect(page.get_by_role("status").filter(has_text="Fired")).to_contain_text("run")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("button", name=re.compile(": Planned$")).first).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await page.get_by_role("link", name="Open its run").click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()


async def test_a_paused_automation_says_why_and_its_slots_say_so(page: Page, stack: Site) -> None:
    await approved(page, MINUTELY)
    await open_automation(page, NAME)
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_label("Why?").fill("on holiday")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: on holiday")).to_be_visible()
    stack.forward(timedelta(minutes=1))
    skipped = page.get_by_role("button", name=re.compile("Skipped: paused"))
    await expect(skipped.first).to_be_visible(timeout=30_000)
    await skipped.first.click()
    await expect(page.locator(".explained")).to_contain_text("paused")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Active", exact=True)).to_be_visible()
    await expect(page.get_by_text("Paused: on holiday")).to_be_hidden()


async def test_the_list_says_when_each_fires_next(page: Page) -> None:
    await approved(page)
    await page.get_by_role("link", name="Automations").click()
    row = page.get_by_role("link", name=re.compile(NAME))
    await expect(row).to_contain_text("09:00")
    await expect(row).to_contain_text("Active")


async def test_the_first_revision_shows_what_was_approved(page: Page) -> None:
    card = await editing(page)
    await card.get_by_label("Cron", exact=True).fill("15 6 * * *")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await open_automation(page, NAME)
    await page.get_by_role("button", name="Revision 1").click()
    await expect(page.get_by_text("As it was approved")).to_be_visible()
    await expect(page.get_by_text('"cron": "15 6 * * *"')).to_be_visible()
