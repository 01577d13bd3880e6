"""What people do on the page."""

import json
import re
import struct
import zlib
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from devstack.demo.controls import Controls, RequestRecord

NEWS: Final = "Every weekday at 9 in Paris, summarise the news"
NAME: Final = "Summarise the news"


async def say(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    await box.fill(text)
    # While a turn is open Enter sends nothing.
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await box.press("Enter")


async def begun(page: Page, model: Controls, words: int) -> None:
    """A message whose answer has that many words and stands still after a few of them."""
    model.hold(after=5, kind="chat")
    await say(page, f"hello <<tokens={words}>>")
    await expect(page.locator(".turn[data-state=running] .say.live")).to_have_text(
        re.compile(r"\S+\s+\S+")
    )


def requests(model: Controls, words: str) -> list[RequestRecord]:
    """What the model was asked in these words: turns of other tests may still go on."""
    return [seen for seen in model.log("chat") if words in seen.asked]


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
    await card.get_by_role("button", name="Approve", exact=True).click()
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


async def go_to(page: Page, place: str) -> Locator:
    """Follows a link of the main navigation; gives the screen once it is what is shown."""
    main = page.get_by_role("navigation", name="Main", exact=True)
    await main.get_by_role("link", name=re.compile(f"^{place}\\b")).click()
    screen = page.get_by_role("main").get_by_role("region", name=place, exact=True)
    await expect(screen.get_by_role("heading", name=place, level=1, exact=True)).to_be_visible()
    return screen


def row(screen: Locator, title: str) -> Locator:
    """A line of a list, by the whole of its title."""
    named = screen.page.get_by_text(title, exact=True)
    return screen.get_by_role("listitem").get_by_role("link").filter(has=named)


async def open_automation(page: Page, name: str = NAME) -> None:
    await row(await go_to(page, "Automations"), name).click()
    await shown(page, name)


async def shown(page: Page, name: str = NAME) -> None:
    """An automation's own screen, with what became of its slots."""
    screen = page.get_by_role("main").get_by_role("region", name=name, exact=True)
    await expect(screen.get_by_role("heading", name=name, level=1, exact=True)).to_be_visible()


async def new_chat(page: Page) -> Locator:
    """Begins a new thread; gives the empty box where one writes."""
    await page.get_by_role("link", name="New chat", exact=True).click()
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()
    box = page.get_by_label("Message", exact=True)
    await expect(box).to_have_value("")
    return box


async def open_thread(page: Page) -> None:
    """The only one there is."""
    threads = page.get_by_role("navigation", name="Threads", exact=True)
    await threads.get_by_role("link").click()
    await expect(page.locator(".turn").first).to_be_visible()


def png(side: int = 40) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + b"\x3c\x8c\x78" * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
