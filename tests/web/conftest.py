"""A stack and a browser for the session, and windows of their own for each test."""

import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from devstack.demo.controls import Controls
from devstack.demo.server import DemoServer, demo_server
from tests.support.servers.smtp_server import Mail, MailServer, smtp_server
from tests.web.browser import MISSING, Scheme, chromium, found, opened
from tests.web.site import Site, site

collect_ignore_glob = [] if found() else ["test_*.py", "*/test_*.py"]
if not found():
    if os.environ.get("CI") == "true":
        raise RuntimeError(MISSING)
    warnings.warn(MISSING, stacklevel=1)

# Not a wait: how long a busy machine may take before a condition counts as unmet.
expect.set_options(timeout=30_000)

# (width, scheme, token): a window on the page; an empty token: nobody is signed in
Open = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # A browser belongs to the event loop it was started in.
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            # The first of them waits for the whole stack, too.
            item.add_marker(pytest.mark.timeout(300))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo() -> AsyncIterator[DemoServer]:
    async with demo_server(controls=False) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mail_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MailServer]:
    """That of the operator."""
    async with smtp_server(tmp_path_factory.mktemp("mail")) as running:
        yield running


@pytest.fixture(scope="session")
def stack(demo: DemoServer, mail_server: MailServer) -> Iterator[Site]:
    with site(demo.base_url, **mail_server.environment) as running:
        yield running


@pytest.fixture
def mails(mail_server: MailServer) -> list[Mail]:
    """What was mailed; empty when a test begins."""
    mail_server.mails.clear()
    return mail_server.mails


@pytest.fixture
def model(demo: DemoServer) -> Iterator[Controls]:
    """What the model does, and has been asked; afterwards it goes on as ever."""
    demo.controls.reset()
    yield demo.controls
    demo.controls.reset()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def browser(_browser: Browser) -> AsyncIterator[Browser]:
    """Without the windows of the tests before: an open one goes on asking and drawing."""
    yield _browser
    for context in _browser.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(stack: Site, browser: Browser) -> AsyncIterator[Open]:
    """Opens windows; at the end none of them may have complained."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    async def open_one(
        width: int = 1440, scheme: Scheme = "light", token: str | None = None
    ) -> Page:
        page = await opened(browser, width, scheme)
        contexts.append(page.context)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Content Security" in said.text else None,
        )
        given = stack.token() if token is None else token
        await page.goto(f"{stack.url}/#token={given}" if given else stack.url)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert not complaints


@pytest.fixture
def workspace() -> str:
    """One that is for this test alone."""
    return f"w{uuid4().hex[:12]}"


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: Open, stack: Site, workspace: str) -> Page:
    return await open_page(token=stack.token(workspace))
