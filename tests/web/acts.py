"""What people do on the page."""

import json
import re
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from devstack.demo.controls import Controls

NEWS: Final = "Every weekday at 9 in Paris, summarise the news"
NAME: Final = "Summarise the news"


async def say(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    await box.fill(text)
    await box.press("Enter")


async def begun(page: Page, model: Controls, words: int) -> None:
    """A message whose answer has that many words and stands still after a few of them."""
    model.hold(after=5, kind="chat")
    await say(page, f"hello <<tokens={words}>>")
    await expect(page.locator(".turn[data-state=running] .say.live")).to_have_text(
        re.compile(r"\S+\s+\S+")
    )


async def told(page: Page, words: int) -> None:
    """The last answer is all there: that many words, none missing and none twice."""
    await ended(page)
    whole = re.compile(rf"^\s*(?:\S+\s+){{{words - 1}}}\S+\s*$")
    await expect(page.locator(".say").last).to_have_text(whole, use_inner_text=True)


async def ended(page: Page, state: str = "done") -> None:
    await expect(page.locator(".turn").last).to_have_attribute("data-state", state)


async def asked(page: Page, text: str = NEWS) -> Locator:
    """Says it and waits for the card."""
    await say(page, text)
    card = page.get_by_role("region", name="Approval wanted")
    await expect(card).to_be_visible()
    return card


async def called(page: Page, tool: str, **arguments: Any) -> Locator:
    """Has the agent call a tool, and waits for the card."""
    calls = json.dumps([{"name": tool, "args": arguments}])
    return await asked(page, f"use it <<calls={calls}>>")


async def approve(page: Page, card: Locator) -> None:
    await card.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("region", name="Approval wanted")).to_have_count(0)
    await ended(page)


async def approved(page: Page, text: str = NEWS) -> None:
    await approve(page, await asked(page, text))
    await expect(page.get_by_role("region", name=re.compile("^Approved")).last).to_be_visible()


async def editing(page: Page, text: str = NEWS) -> Locator:
    card = await asked(page, text)
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    return card


async def open_automation(page: Page, name: str = NAME) -> None:
    await (
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Automations").click()
    )
    row = page.get_by_role("main").get_by_role("link", name=re.compile(name))
    await row.click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
