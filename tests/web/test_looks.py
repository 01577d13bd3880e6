"""Every screen, narrow and wide, light and dark; a picture of each is left in screenshots/."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.web.access import for_everybody
from tests.web.acts import NAME, NEWS, approved, asked, called, ended, open_automation, row, shown
from tests.web.browser import Scheme, pictured
from tests.web.conftest import Open
from tests.web.site import Site

LOOKS = [(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")]


async def looked_at(page: Page, name: str) -> None:
    await for_everybody(page)
    await pictured(page, name)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_every_screen_fits_and_can_be_read(
    open_page: Open, stack: Site, workspace: str, width: int, scheme: Scheme
) -> None:
    look = f"{scheme}-{width}"
    await stack.approve(workspace, NEWS)
    page = await open_page(width=width, scheme=scheme, token=stack.token(workspace))
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()
    await looked_at(page, f"{look}-1-welcome")
    card = await asked(page, "every Monday at 8:30 in New York say what is due this week")
    await looked_at(page, f"{look}-2-card")
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    await looked_at(page, f"{look}-3-edit")
    await page.goto(f"{stack.url}/#/approvals")
    screen = page.get_by_role("region", name="Approvals", exact=True)
    await expect(screen.get_by_role("link", name=re.compile("is due this week"))).to_be_visible()
    await looked_at(page, f"{look}-4-approvals")
    await page.goto(f"{stack.url}/#/automations")
    news = row(page.get_by_role("region", name="Automations", exact=True), NAME)
    await expect(news).to_be_visible()
    await looked_at(page, f"{look}-5-automations")
    await news.click()
    await shown(page)
    await expect(page.get_by_role("button", name=re.compile(": Planned$")).first).to_be_visible()
    await expect(page.get_by_text("At 09:00 on Monday through Friday")).to_be_visible()
    await looked_at(page, f"{look}-6-automation")
    await page.goto(f"{stack.url}/#/models")
    screen = page.get_by_role("region", name="Models", exact=True)
    await expect(screen.get_by_text("Demo for text", exact=True)).to_be_visible()
    await looked_at(page, f"{look}-7-models")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
async def test_every_kind_of_card_fits_and_can_be_read(
    open_page: Open, width: int, scheme: Scheme
) -> None:
    page, look = await open_page(width=width, scheme=scheme), f"{scheme}-{width}"
    await approved(page)
    for number, words in enumerate((f"move {NAME} to 10:30", f"pause {NAME} because of May"), 8):
        card = await asked(page, words)
        await looked_at(page, f"{look}-{number}-card")
        await card.get_by_role("button", name="Reject", exact=True).click()
        await card.get_by_label("Why not?").press("Enter")
        await expect(card).to_have_count(0)
        await ended(page)
    card = await called(page, "shelf_write", title="A" * 90, text="a long note\nof two lines")
    await looked_at(page, f"{look}-10-tool")


async def test_what_is_open_above_the_composer_fits_too(open_page: Open) -> None:
    page = await open_page(width=360, scheme="dark")
    await approved(page)
    await page.get_by_label("Tools", exact=True).click()
    await expect(page.get_by_label("Draft automations")).to_be_visible()
    await for_everybody(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Mention an automation or a thread").click()
    await expect(page.get_by_role("listbox", name="Mention")).to_be_visible()
    await for_everybody(page)
    await pictured(page, "dark-360-11-mention")


async def test_on_a_phone_the_menu_opens_and_closes_by_key(open_page: Open) -> None:
    page = await open_page(width=360)
    menu = page.get_by_role("button", name="Menu")
    await menu.click()
    await expect(page.get_by_role("link", name="New chat")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="New chat")).to_be_hidden()


async def test_a_followed_link_shows_its_screen_before_anything_else_is_pressed(
    page: Page,
) -> None:
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()
    at_once = await page.evaluate(
        """async () => {
          document.querySelector('nav a[href="#/automations"]').click();
          await new Promise(queueMicrotask);
          return [document.querySelector('h1').textContent, document.activeElement.id];
        }"""
    )
    assert at_once == ["Automations", "main"]
    await page.go_back()
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()


async def test_an_automation_can_be_opened_by_its_address_alone(
    page: Page, open_page: Open, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, NEWS)
    await open_automation(page)
    await expect(page).to_have_url(re.compile("#/automations/.+"))
    other = await open_page(token=stack.token(workspace))
    await other.goto(page.url)
    await shown(other)
