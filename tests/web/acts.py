"""What people do on the page."""

import re

from playwright.async_api import Locator, Page, expect

NEWS = "Every weekday at 9 in Paris, summarise the news"


async def say(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    await box.fill(text)
    await box.press("Enter")


async def asked(page: Page, text: str = NEWS) -> Locator:
    """Says it and waits for the card."""
    await say(page, text)
    card = page.get_by_role("region", name="Approval wanted")
    await expect(card).to_be_visible()
    return card


async def approved(page: Page, text: str = NEWS) -> None:
    card = await asked(page, text)
    await card.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await expect(page.locator(".turn").last).to_have_attribute("data-state", "done")


async def editing(page: Page, text: str = NEWS) -> Locator:
    card = await asked(page, text)
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    return card


async def open_automation(page: Page, name: str) -> None:
    await (
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Automations").click()
    )
    await page.get_by_role("link", name=re.compile(name)).click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
