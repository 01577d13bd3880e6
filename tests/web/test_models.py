"""The person's own models: a key goes in and never comes out."""

import asyncio
import re
from typing import Final

from playwright.async_api import Page, Route, expect

from tests.web.acts import ended, go_to, new_chat, say

KEY: Final = "sk-visible-to-nobody-1234"
# The next list of models is asked for, and its answer kept back until `letAnswer`.
_HOLD_FIRST: Final = """() => {
  const [ask, open] = [window.fetch, Promise.withResolvers()];
  window.fetch = async (...given) => {
    if (!String(given[0]).endsWith('/ListModelConfigs')) return ask(...given);
    window.fetch = ask;
    const answer = await ask(...given);
    const body = await answer.arrayBuffer();
    document.documentElement.dataset.held = "yes";
    await open.promise;
    return new Response(body, answer);
  };
  window.letAnswer = () => {
    open.resolve();
    return new Promise((done) => setTimeout(done, 100));
  };
}"""


async def test_one_is_added_chosen_from_and_removed(page: Page) -> None:
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2026")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    key = screen.get_by_label("Key", exact=True)
    await expect(key).to_have_attribute("type", "password")
    await key.fill(KEY)
    await screen.get_by_label("Name", exact=True).fill("Mine")
    await screen.get_by_role("button", name="Add", exact=True).click()
    mine = screen.get_by_role("listitem").filter(has_text="Mine")
    await expect(mine).to_contain_text("own-2026 at https://models.example.org/v1")
    await expect(mine).to_contain_text("Key …1234")
    await expect(key).to_have_value("")
    await page.reload()
    await expect(mine).to_be_visible()
    await expect(page.locator("html")).not_to_contain_text(KEY)
    await new_chat(page)
    await expect(
        page.get_by_label("Model", exact=True).get_by_role("option", name="Mine")
    ).to_be_attached()
    await say(page, "hello")
    await ended(page)
    await go_to(page, "Models")
    await mine.get_by_role("button", name="Remove Mine", exact=True).click()
    await mine.get_by_role("button", name="Really remove Mine", exact=True).click()
    await expect(screen.get_by_text("None yet.")).to_be_visible()
    await expect(mine).to_have_count(0)


async def test_a_slow_answer_does_not_undo_a_later_one(page: Page) -> None:
    await page.evaluate(_HOLD_FIRST)
    screen = await go_to(page, "Models")
    await expect(page.locator("html")).to_have_attribute("data-held", "yes")
    await screen.get_by_label("Model", exact=True).fill("own-2027")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    mine = screen.get_by_role("listitem").filter(has_text="own-2027")
    await expect(mine).to_be_visible()
    await page.evaluate("window.letAnswer()")
    await expect(mine).to_be_visible()


async def test_one_is_added_though_its_screen_was_left_before_the_answer(page: Page) -> None:
    left = asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        await left.wait()
        await route.fulfill(response=answer)

    await page.route("**/CreateModelConfig", answer_late, times=1)
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2028")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    await new_chat(page)
    left.set()
    await expect(page.locator("#announcer")).to_have_text("own-2028 is added.")
    option = page.get_by_label("Model", exact=True).get_by_role("option", name="own-2028")
    await expect(option).to_be_attached()


async def test_what_is_refused_is_told_at_its_field(page: Page) -> None:
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2026")
    address = screen.get_by_label("Address", exact=True)
    await address.fill("https://somebody@models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    await expect(address).to_have_attribute("aria-invalid", "true")
    await expect(address).to_be_focused()
    await expect(address).to_have_accessible_description(re.compile("must not hold a user"))
