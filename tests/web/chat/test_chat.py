"""Talking: streams that survive reloads, dropped networks and second windows."""

import re
from datetime import timedelta
from typing import Final

from playwright.async_api import Page, Route, expect

from devstack.demo.controls import Controls
from tests.web.acts import (
    NEWS,
    approve,
    asked,
    begun,
    ended,
    go_to,
    new_chat,
    open_thread,
    say,
    told,
)
from tests.web.conftest import Open
from tests.web.site import Site

_ANY_CALL: Final = re.compile(r"/rota\.\w+\.v1\.")
# Whether the element is on the page, and the errors that a scroll event raises there.
_SCROLL: Final = """(element) => {
  const errors = [];
  const note = (event) => errors.push(event.message);
  addEventListener("error", note);
  element.dispatchEvent(new Event("scroll"));
  removeEventListener("error", note);
  return [element.isConnected, errors];
}"""


async def test_words_appear_while_they_are_being_said(page: Page, model: Controls) -> None:
    await begun(page, model, 40)
    model.release()
    await told(page, 40)


async def test_the_thread_gets_its_title_where_threads_are_listed(page: Page) -> None:
    await say(page, "hello there, tell me what you can do")
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_role("link", name=re.compile("Hello there"))).to_be_visible()
    await expect(page).to_have_url(re.compile("#/chat/.+"))


async def test_a_reload_in_mid_sentence_goes_on_in_place(page: Page, model: Controls) -> None:
    await begun(page, model, 40)
    await page.reload()
    await expect(page.locator(".turn[data-state=running] .say.live")).to_be_visible()
    model.release()
    await told(page, 40)
    await expect(page.locator(".turn")).to_have_count(1)
    await page.reload()
    await told(page, 40)


async def test_a_message_cut_off_before_its_first_frame_is_said_once(page: Page) -> None:
    async def swallow(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    await page.route("**/SendMessage", swallow, times=1)
    await say(page, "hello")
    await expect(page.locator(".say").last).to_contain_text("demo model")
    await ended(page)
    await expect(page.locator(".turn")).to_have_count(1)
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_role("link")).to_have_count(1)


async def test_a_reload_before_the_first_frame_says_it_once_too(page: Page) -> None:
    async def never(route: Route) -> None:
        await route.abort("connectionreset")

    # All of them: another answer would show that there is a connection.
    await page.route(_ANY_CALL, never)
    await say(page, "hello <<tokens=7>>")
    await expect(page.get_by_text("No connection.")).to_be_visible()
    await page.unroute(_ANY_CALL)
    await page.reload()
    await told(page, 7)
    await expect(page.locator(".turn")).to_have_count(1)


async def test_a_dropped_network_is_told_and_then_nothing_is_missing_or_twice(
    page: Page, model: Controls
) -> None:
    await begun(page, model, 60)
    await page.context.set_offline(True)
    await expect(page.get_by_text("No connection.")).to_be_visible()
    model.release()
    await page.context.set_offline(False)
    await expect(page.get_by_text("No connection.")).to_be_hidden()
    await told(page, 60)
    await expect(page.locator(".turn")).to_have_count(1)
    await page.reload()
    await told(page, 60)


async def test_escape_cancels_what_is_being_said(page: Page, model: Controls) -> None:
    await begun(page, model, 400)
    await page.get_by_label("Message", exact=True).press("Escape")
    await ended(page, "cancelled")
    await expect(page.locator(".turn").get_by_text("Cancelled.")).to_be_visible()


async def test_shift_enter_makes_a_line_and_enter_sends(page: Page) -> None:
    box = page.get_by_label("Message", exact=True)
    await box.press_sequentially("hello")
    await box.press("Shift+Enter")
    await box.press_sequentially("again")
    await expect(box).to_have_value("hello\nagain")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await box.press("Enter")
    await expect(page.locator(".mine p")).to_have_text("hello\nagain", use_inner_text=True)
    await expect(box).to_have_value("")


async def test_what_is_being_written_waits_in_its_thread(page: Page) -> None:
    await say(page, "hello")
    await ended(page)
    box = page.get_by_label("Message", exact=True)
    await box.fill("not yet said")
    await (await new_chat(page)).fill("something else")
    await open_thread(page)
    await expect(box).to_have_value("not yet said")
    await page.reload()
    await expect(box).to_have_value("not yet said")


async def test_a_scroll_event_that_comes_after_the_thread_was_left_raises_no_error(
    page: Page,
) -> None:
    log = await page.get_by_role("log", name="Messages").element_handle()
    assert await log.evaluate(_SCROLL) == [True, []]
    await go_to(page, "Automations")
    assert await log.evaluate(_SCROLL) == [False, []]


async def test_two_windows_show_the_same_and_one_decision_is_seen_in_both(
    open_page: Open, stack: Site
) -> None:
    token = stack.token()
    one, two = await open_page(token=token), await open_page(token=token)
    await asked(one)
    await open_thread(two)
    card = two.get_by_role("region", name="Approval wanted")
    await expect(card).to_be_visible()
    await approve(two, card)
    for window in (one, two):
        await expect(window.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
        await expect(window.locator(".say")).to_contain_text("is saved")
        await ended(window)


async def test_two_windows_see_the_same_words_come(
    open_page: Open, stack: Site, model: Controls
) -> None:
    token = stack.token()
    one, two = await open_page(token=token), await open_page(token=token)
    await begun(one, model, 30)
    await open_thread(two)
    await expect(two.locator(".turn[data-state=running] .say.live")).to_be_visible()
    model.release()
    for window in (one, two):
        await told(window, 30)


async def test_a_message_said_elsewhere_turns_up_here(open_page: Open, stack: Site) -> None:
    token = stack.token()
    one, two = await open_page(token=token), await open_page(token=token)
    await say(one, "hello")
    await ended(one)
    await expect(one).to_have_url(re.compile("#/chat/.+"))
    await two.goto(one.url)
    await ended(two)
    await say(one, "thanks")
    await expect(two.locator(".turn")).to_have_count(2)
    await expect(two.locator(".say").last).to_have_text("You are welcome!")


async def test_the_token_leaves_the_address_and_lasts_over_a_reload(page: Page) -> None:
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()
    await expect(page).not_to_have_url(re.compile("token"))
    await page.reload()
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()


async def test_without_a_token_one_is_asked_for(open_page: Open, stack: Site) -> None:
    page = await open_page(token="")
    field = page.get_by_label("Your token")
    await field.fill("nonsense")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not a token")
    await field.fill(stack.token())
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()


async def test_a_token_that_is_refused_leads_back_to_signing_in(
    open_page: Open, stack: Site
) -> None:
    page = await open_page(token=stack.token(life=timedelta(days=-1)))
    await expect(page.get_by_role("alert")).to_contain_text("no longer taken")
    await expect(page.get_by_label("Your token")).to_be_visible()


async def test_a_thread_is_deleted_only_when_one_is_sure(page: Page) -> None:
    await say(page, "hello")
    await ended(page)
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_role("link", name=re.compile("^Hello"))).to_be_visible()
    await threads.get_by_role("listitem").hover()
    await threads.get_by_role("button", name=re.compile("^Delete")).click()
    await threads.get_by_role("button", name=re.compile("^Really delete")).click()
    await expect(threads.get_by_text("None yet.")).to_be_visible()
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()


async def test_what_waits_is_told_to_a_screen_reader(page: Page) -> None:
    await asked(page, NEWS)
    await expect(page.locator("#announcer")).to_contain_text("waits for your approval")
