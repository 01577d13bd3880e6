"""The inbox on the page: badge, list, reading, threads, and notifications of the browser."""

import asyncio
import re
from collections.abc import Collection
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, expect
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import destination_pb2 as dp
from rota.automation.v1 import inbox_pb2 as ib

from automation_service.inbox.items import InboxItemKind
from tests.web.acts import ended, go_to, say
from tests.web.conftest import Open
from tests.web.site import Site
from tests.web.stub import stubbed

HOSTILE: Final = """<script>window.hit = 1</script><img src=x onerror="window.hit = 2">

# Trains <b onclick="window.hit = 3">are</b> late

![a pixel](https://evil.example/pixel.png) [go](javascript:window.hit=4) \u202etxt.exe
[bank](https://evil.example/login) <https://fine.example/>
"""
# Keeps what the page would have shown; the browser of the tests has no place to show it.
SPY: Final = """
window.shown = [];
window.Notification = class {
  static permission = localStorage.getItem("allowed") ?? "default";
  static async requestPermission() {
    window.asked = (window.asked ?? 0) + 1;
    localStorage.setItem("allowed", "granted");
    return (Notification.permission = "granted");
  }
  constructor(title, options) {
    window.shown.push(this);
    Object.assign(this, { title, ...options });
  }
  close() {}
};
"""


async def opened(open_page: Open, stack: Site, workspace: str) -> Page:
    """Somebody who has been there: only a member gets an item."""
    page = await open_page(token=stack.token(workspace))
    await expect(page.get_by_role("link", name="Inbox")).to_be_visible()
    await go_to(page, "Inbox")
    await expect(page.get_by_text("Nothing has come yet")).to_be_visible()
    return page


async def test_what_comes_is_counted_opened_and_read(
    open_page: Open, stack: Site, workspace: str
) -> None:
    page = await opened(open_page, stack, workspace)
    run = f"workspaces/{workspace}/automations/news/runs/r1"
    first, _ = await stack.bring(
        workspace,
        {"subject": "Morning news", "body": "**Trains** are late", "run": run},
        {"subject": "It failed", "kind": InboxItemKind.RUN_FAILED, "body": "no model"},
    )
    await expect(page).to_have_title("(2) Rota")
    badge = page.get_by_role("navigation", name="Main").get_by_label("2 unread")
    await expect(badge).to_be_visible()
    rows = page.locator(".inbox-row")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="Morning news")).to_contain_text("Trains")
    # Listing marks nothing; opening does.
    await rows.filter(has_text="Morning news").click()
    await expect(page.get_by_role("heading", name="Morning news", level=1)).to_be_visible()
    await expect(page.locator(".inbox-body strong")).to_have_text("Trains")
    await expect(page.get_by_role("link", name="Open the run")).to_have_attribute(
        "href", "#/automations/news/runs/r1"
    )
    await expect(page).to_have_title("(1) Rota")
    await page.get_by_role("link", name="Inbox").last.click()
    await expect(page.locator(".inbox-row.unread")).to_have_count(1)
    await page.get_by_label("Show").select_option(label="Results")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Show").select_option(label="Everything")
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(page.locator(".inbox-row.unread")).to_have_count(0)
    await expect(page).to_have_title("Rota")
    await page.goto(f"{stack.url}/#/inbox/{first}")
    await page.get_by_role("button", name="Mark as unread").click()
    await expect(page.locator(".inbox-row.unread")).to_have_count(1)
    await expect(page).to_have_title("(1) Rota")


async def test_an_item_names_what_it_is_about_and_fits_a_narrow_window(browser: Browser) -> None:
    item = ib.InboxItem(
        name="workspaces/w/inboxItems/i",
        subject="A destination is paused",
        body="It is gone.",
        format="text",
        state=ib.InboxItem.UNREAD,
        automation="workspaces/w/automations/news",
        destination="workspaces/w/destinations/hook",
    )
    listed = ib.ListInboxItemsResponse(inbox_items=[item], unread_count=1)
    news = ap.Automation(
        name=item.automation,
        display_name="Morning news",
        description="What is new.",
        state=ap.Automation.ACTIVE,
        notes=["Nothing reaches one.", "Nothing reaches two."],
    )
    hook = dp.Destination(name=item.destination, display_name="Our Slack")
    page, _ = await stubbed(
        browser,
        {
            "InboxService/ListInboxItems": lambda _: listed,
            "InboxService/GetInboxItem": lambda _: item,
            "AutomationService/GetAutomation": lambda _: news,
            "AutomationService/ListAutomations": lambda _: ap.ListAutomationsResponse(
                automations=[news]
            ),
            "DestinationService/ListDestinations": lambda _: dp.ListDestinationsResponse(
                destinations=[hook]
            ),
        },
        where="#/automations",
        width=360,
    )
    # What is wrong with an automation stands beside what it is for.
    line = page.get_by_role("link").filter(has_text="What is new.")
    await expect(line).to_contain_text("Nothing reaches one.")
    await expect(line).to_contain_text("Nothing reaches two.")
    # What is unread is seen with the menu closed.
    await page.get_by_role("banner").get_by_label("1 unread").click()
    mark, title = page.locator(".inbox-mark"), page.locator(".inbox-row .row-title")
    beside, subject = await mark.bounding_box(), await title.bounding_box()
    assert beside is not None
    assert subject is not None
    assert subject["y"] < beside["y"] + beside["height"] < subject["y"] + 3 * subject["height"]
    await title.click()
    await expect(page.get_by_role("link", name="Morning news")).to_have_attribute(
        "href", "#/automations/news"
    )
    await expect(page.get_by_role("link", name="Our Slack")).to_have_attribute(
        "href", "#/destinations/hook"
    )
    await expect(page.locator(".inbox-body .plain-text")).to_have_text("It is gone.")
    await page.context.close()


async def test_a_hostile_item_is_only_text(open_page: Open, stack: Site, workspace: str) -> None:
    page = await opened(open_page, stack, workspace)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    large = "\n".join(f"{n} ![x](https://evil.example/{n}.png)" for n in range(5_500))
    await stack.bring(
        workspace,
        {"subject": "<img src=x onerror=window.hit=5>\u202e", "body": HOSTILE},
        {"subject": "large", "body": large[:200_000]},
        {"subject": "plain", "body": HOSTILE, "format": "text"},
        {"subject": "cut", "body": '{"a": "</pre><script>window.hit=6</script>"', "format": "json"},
    )
    await expect(page.locator(".inbox-row")).to_have_count(4)
    for subject in ("<img", "large", "plain", "cut"):
        await page.locator(".inbox-row .row-title").filter(has_text=subject).click()
        body = page.locator(".inbox-body")
        await expect(body).to_be_visible()
        await expect(body.locator("img, script, b, iframe, object")).to_have_count(0)
        await expect(page.locator("a[href^='javascript' i]")).to_have_count(0)
        assert "\u202e" not in await page.locator("main").inner_text()
        if subject == "<img":
            await expect(body.get_by_role("link", name="bank")).to_contain_text("(evil.example)")
        await page.get_by_role("link", name="Inbox").last.click()
    assert await page.evaluate("window.hit") is None
    assert [url for url in asked if "evil" in url] == []


async def test_a_thread_with_news_is_marked_until_it_is_seen(
    open_page: Open, stack: Site, workspace: str
) -> None:
    page = await opened(open_page, stack, workspace)
    await page.get_by_role("link", name="New chat").click()
    await say(page, "hello")
    await ended(page)
    thread = page.url.rpartition("/")[2]
    await go_to(page, "Inbox")
    name = f"workspaces/{workspace}/threads/{thread}"
    await stack.bring(workspace, {"subject": "Done", "body": "It ran.", "thread": name})
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_text("unread")).to_have_count(1)
    await threads.get_by_role("link").click()
    await expect(threads.get_by_text("unread")).to_have_count(0)
    await expect(page).to_have_title("Rota")


async def tab(context: BrowserContext, stack: Site, workspace: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{stack.url}/#token={stack.token(workspace)}")
    await go_to(page, "Inbox")
    return page


async def shown(*pages: Page, known: Collection[str] = ()) -> list[Any]:
    """The titles of what all tabs have shown, without those whose tags are `known`."""
    each = [
        await page.evaluate("window.shown.map(({ title, tag }) => [title, tag])") for page in pages
    ]
    return sorted(title for found in each for title, tag in found if tag not in known)


async def until(pages: list[Page], titles: list[str], known: Collection[str] = ()) -> None:
    async with asyncio.timeout(30):
        while await shown(*pages, known=known) != titles:
            await asyncio.sleep(0.05)


async def test_a_notification_is_asked_for_by_a_click_and_shown_once_for_all_tabs(
    open_page: Open, stack: Site, workspace: str
) -> None:
    first = await opened(open_page, stack, workspace)
    await first.context.add_init_script(SPY)
    await first.reload()
    second, third = [await tab(first.context, stack, workspace) for _ in range(2)]
    tabs = [first, second, third]
    await stack.bring(workspace, {"subject": "before"})
    await expect(first.get_by_text("before")).to_be_visible()
    assert await first.evaluate("window.asked") is None
    await second.get_by_role("button", name="Turn notifications on").click()
    await expect(second.get_by_text("This browser notifies you")).to_be_visible()
    await third.reload()
    await first.reload()
    await go_to(first, "Inbox")
    [result, approval, _] = await stack.bring(
        workspace,
        {"subject": "news", "body": "They are late"},
        {
            "subject": "approve me",
            "kind": InboxItemKind.APPROVAL_WAITING,
            "approval": f"workspaces/{workspace}/approvals/a1",
        },
        {"subject": "no news", "kind": InboxItemKind.AUTOMATION_PAUSED},
    )
    await until(tabs, ["approve me", "news"])
    # Read by hand and marked as unread again, it is no news.
    await first.goto(f"{stack.url}/#/inbox/{result}")
    await first.get_by_role("button", name="Mark as unread").click()
    await expect(first.locator(".inbox-row.unread").filter(has_text="news")).to_have_count(2)
    [holder] = [page for page in tabs if await shown(page)]
    told = await holder.evaluate("window.shown.map(({ body, tag }) => ({ body, tag }))")
    tags = {f"workspaces/{workspace}/inboxItems/{one}" for one in (result, approval)}
    assert {one["tag"] for one in told} == tags
    await holder.evaluate("window.shown.find(({ title }) => title === 'approve me').onclick()")
    await expect(holder).to_have_url(re.compile("#/approvals/a1$"))
    # Another tab goes on where this one was.
    await holder.close()
    left = [page for page in tabs if page is not holder]
    await stack.bring(workspace, {"subject": "after"})
    # What was marked just before the tab was closed may come again; of a tag a browser shows one.
    await until(left, ["after"], known=tags)


async def test_what_comes_as_the_tab_that_notifies_is_closed_is_shown_by_the_next(
    open_page: Open, stack: Site, workspace: str
) -> None:
    holder = await opened(open_page, stack, workspace)
    await holder.context.add_init_script(SPY)
    # It holds the place of all tabs, and nothing reaches it.
    await holder.route("**/WatchInboxItems", lambda route: route.abort())
    await holder.reload()
    await holder.get_by_role("button", name="Turn notifications on").click()
    left = await tab(holder.context, stack, workspace)
    # Elsewhere it is followed, so that the list of the other tab counts it as known.
    elsewhere = await open_page(token=stack.token(workspace))
    await stack.bring(workspace, {"subject": "news"})
    await expect(elsewhere).to_have_title("(1) Rota")
    await expect(left).to_have_title("(1) Rota")
    assert await shown(holder, left) == []
    await holder.close()
    await until([left], ["news"])


async def test_a_browser_that_forbids_notifications_says_so(
    open_page: Open, stack: Site, workspace: str
) -> None:
    page = await opened(open_page, stack, workspace)
    blocked = SPY.replace('localStorage.getItem("allowed") ?? "default"', '"denied"')
    await page.context.add_init_script(blocked)
    await page.reload()
    await go_to(page, "Inbox")
    await expect(page.get_by_text("Notifications are blocked")).to_be_visible()
    await expect(page.get_by_role("button", name="Turn notifications on")).to_have_count(0)
