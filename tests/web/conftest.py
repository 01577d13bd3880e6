"""A stack for the session, and a browser for each test."""

import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.browser import MISSING, Scheme, chromium, found, opened
from tests.web.site import Site, site

collect_ignore_glob = [] if found() else ["test_*.py"]
if not found():
    if os.environ.get("CI") == "true":
        raise RuntimeError(MISSING)
    warnings.warn(MISSING, stacklevel=1)

# Not a wait: how long a busy machine may take before a condition counts as unmet.
expect.set_options(timeout=20_000)

# (width, scheme, token): a window on the page; an empty token: nobody is signed in
Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def stack() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture
async def open_page(stack: Site, browser: Browser) -> AsyncIterator[Open]:
    """Opens windows; at the end none of them may have complained."""
    complaints: list[str] = []

    async def open_one(
        width: int = 1440, scheme: Scheme = "light", token: str | None = None
    ) -> Page:
        page = await opened(browser, width, scheme)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Content Security" in said.text else None,
        )
        given = stack.token() if token is None else token
        await page.goto(f"{stack.url}/#token={given}" if given else stack.url)
        return page

    yield open_one
    assert not complaints


@pytest.fixture
async def page(open_page: Open) -> Page:
    return await open_page()
