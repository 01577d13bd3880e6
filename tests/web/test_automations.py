"""Automations on the page: they fire, and every slot is explained."""

import re
from datetime import timedelta
from typing import Final

from playwright.async_api import Page, expect

from devstack.demo.controls import Controls
from tests.web.acts import NAME, approved, editing, open_automation
from tests.web.site import Site

MINUTELY: Final = "every minute summarise the news"


async def fired(page: Page, stack: Site, state: str = "Succeeded") -> None:
    """An automation that runs each minute, after its first run was begun."""
    await approved(page, MINUTELY)
    await open_automation(page)
    await expect(page.get_by_text("None yet.")).to_be_visible()
    stack.forward(timedelta(minutes=1))
    runs = page.get_by_role("link", name=re.compile(f"^{state}"))
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


async def test_a_revision_shows_what_it_changed_and_can_be_made_current_again(page: Page) -> None:
    await approved(page)
    await approved(page, f"move {NAME} to 10:30")
    await open_automation(page)
    await page.get_by_role("button", name="Revision 2").click()
    await expect(page.get_by_text("What changed since revision 1")).to_be_visible()
    await expect(page.locator(".diff .removed").filter(has_text="cron")).to_contain_text("0 9 * *")
    await expect(page.locator(".diff .added").filter(has_text="cron")).to_contain_text("30 10 * *")
    await page.get_by_role("button", name="Revision 1").click()
    await page.get_by_role("button", name="Make revision 1 current again").click()
    current = page.get_by_role("button", name=re.compile("Revision 3.*Current"))
    await expect(current).to_be_visible()
    await expect(page.get_by_text("At 09:00 on Monday through Friday")).to_be_visible()


async def test_a_run_is_cancelled_while_it_goes_on(
    page: Page, stack: Site, model: Controls
) -> None:
    model.hold(kind="task")
    await fired(page, stack, "Running")
    await page.get_by_role("link", name=re.compile("^Running")).first.click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()
    await page.get_by_role("button", name="Cancel this run").click()
    head = page.locator(".screen-head")
    await expect(head.get_by_text("Cancelled", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel this run")).to_be_hidden()


async def test_slots_stay_in_sight_however_far_the_clock_goes(page: Page, stack: Site) -> None:
    await approved(page, "every hour summarise the news")
    await open_automation(page)
    strip = page.get_by_role("group", name="Slots")
    past = strip.get_by_role("button", name=re.compile(": (?!Planned)"))
    for hours, far in ((1, 1), (2, 1), (9, 7)):
        stack.forward(timedelta(hours=far))
        await expect(past).to_have_count(hours, timeout=30_000)
    await expect(past.last).to_be_in_viewport()
    await expect(past.nth(6)).to_be_in_viewport()
    await expect(strip.get_by_role("button", name=re.compile("Planned$")).first).to_be_in_viewport()
    await page.reload()
    await expect(past.nth(6)).to_be_in_viewport()


async def test_the_next_fires_are_those_still_to_come(page: Page, stack: Site) -> None:
    await approved(page, "every hour summarise the news")
    await open_automation(page)
    first = page.get_by_role("list", name="Next fires").get_by_role("listitem").first
    await expect(first).to_have_text(re.compile(r"\d:00"))
    before = (await first.inner_text()).split("\n")[0]
    stack.forward(timedelta(hours=2))
    await expect(first).not_to_contain_text(before)


async def test_what_has_fired_for_the_last_time_says_so(page: Page, stack: Site) -> None:
    await approved(page, "in two minutes tell me a joke")
    await open_automation(page, "Tell me a joke")
    await expect(page.get_by_role("button", name=re.compile("Planned$"))).to_have_count(1)
    stack.forward(timedelta(minutes=3))
    await expect(page.get_by_text("No fire is left.")).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("button", name=re.compile(": (?!Planned)"))).to_have_count(1)
    await expect(page.get_by_role("button", name=re.compile("Planned$"))).to_have_count(0)
