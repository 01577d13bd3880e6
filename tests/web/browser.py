"""Finding Chromium and opening the page in it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, Page, async_playwright

from tests.web.site import ZONE

Scheme = Literal["light", "dark"]
SCREENSHOTS: Final = Path(__file__).parent / "screenshots"
MISSING: Final = (
    "NO CHROMIUM: the browser tests in tests/web were not run. "
    "Install it: sudo apt-get install chromium-headless-shell, or chromium"
)
# The machine may have no sandbox and no way out; Chromium must not look for one.
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def found() -> str | None:
    # The shell needs a third of the CPU: it has no windows to keep.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=found(), args=list(_FLAGS), timeout=90_000
        )
        try:
            yield browser
        finally:
            await browser.close()


async def opened(browser: Browser, width: int = 1440, scheme: Scheme = "light") -> Page:
    """A window of somebody in Paris who has not been here before."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900 if width > 800 else 780},
        color_scheme=scheme,
        timezone_id=ZONE,
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(30_000)
    return await context.new_page()


async def pictured(page: Page, name: str) -> Path:
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    await page.screenshot(path=path)
    return path
