"""The person's own models: a key goes in and never comes out."""

import re
from typing import Final

from playwright.async_api import Page, expect

from tests.web.acts import ended, say

KEY: Final = "sk-visible-to-nobody-1234"


async def opened(page: Page) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Models").click()
    await expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()


async def test_one_is_added_chosen_from_and_removed(page: Page) -> None:
    await opened(page)
    await page.get_by_label("Model", exact=True).fill("own-2026")
    await page.get_by_label("Address").fill("https://models.example.org/v1")
    key = page.get_by_label("Key")
    await expect(key).to_have_attribute("type", "password")
    await key.fill(KEY)
    await page.get_by_label("Name").fill("Mine")
    await page.get_by_role("button", name="Add").click()
    mine = page.get_by_role("listitem").filter(has_text="Mine")
    await expect(mine).to_contain_text("own-2026 at https://models.example.org/v1")
    await expect(mine).to_contain_text("Key …1234")
    await expect(key).to_have_value("")
    await page.reload()
    await expect(mine).to_be_visible()
    await expect(page.locator("html")).not_to_contain_text(KEY)
    await page.get_by_role("link", name="New chat").click()
    await expect(
        page.get_by_label("Model", exact=True).get_by_role("option", name="Mine")
    ).to_be_attached()
    await say(page, "hello")
    await ended(page)
    await opened(page)
    await mine.get_by_role("button", name="Remove Mine").click()
    await mine.get_by_role("button", name="Really remove Mine").click()
    await expect(page.get_by_text("None yet.", exact=False).first).to_be_visible()
    await expect(mine).to_have_count(0)


async def test_what_is_refused_is_told_at_its_field(page: Page) -> None:
    await opened(page)
    await page.get_by_label("Model", exact=True).fill("own-2026")
    address = page.get_by_label("Address")
    await address.fill("https://somebody@models.example.org/v1")
    await page.get_by_role("button", name="Add").click()
    await expect(address).to_have_attribute("aria-invalid", "true")
    await expect(address).to_be_focused()
    await expect(address).to_have_accessible_description(re.compile("must not hold a user"))
