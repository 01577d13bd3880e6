"""Every screen, narrow and wide, light and dark; a picture of each is left in screenshots/."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.web.acts import approved, asked, open_automation
from tests.web.browser import Scheme, pictured
from tests.web.conftest import Open
from tests.web.site import Site

LOOKS = [(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")]

# What can be pressed or filled in and has no name that a screen reader could say.
_NAMELESS = """() => [...document.querySelectorAll('button, a[href], input, textarea, select')]
  .filter(each => each.checkVisibility({visibilityProperty: true}))
  .filter(each => !(each.getAttribute('aria-label') || each.innerText?.trim()
    || [...(each.labels ?? [])].some(label => label.innerText.trim())))
  .map(each => each.outerHTML.slice(0, 120))"""
# Text that is too faint on what is behind it: below 4.5 to 1.
_FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (rgb) => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (here) => {
    for (let up = here; up; up = up.parentElement) {
      const colour = rgba(getComputedStyle(up).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const here of document.querySelectorAll('body *')) {
    const own = [...here.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !here.checkVisibility({visibilityProperty: true})) continue;
    if (here.closest(':disabled, .unseen, .empty')) continue;
    const [a, b] = [light(rgba(getComputedStyle(here).color)), light(behind(here))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${here.outerHTML.slice(0, 100)}`);
  }
  return faint;
}"""


async def looked_at(page: Page, name: str) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(_NAMELESS) == []
    assert await page.evaluate(_FAINT) == []
    assert await page.get_by_role("main").count() == 1
    await pictured(page, name)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_every_screen_fits_and_can_be_read(
    open_page: Open, stack: Site, width: int, scheme: Scheme
) -> None:
    token, look = stack.token(), f"{scheme}-{width}"
    desk = await open_page(token=token)
    await approved(desk)
    page = await open_page(width=width, scheme=scheme, token=token)
    await expect(page.get_by_role("heading", name="What should happen")).to_be_visible()
    await looked_at(page, f"{look}-1-welcome")
    card = await asked(page, "every Monday at 8:30 in New York say what is due this week")
    await looked_at(page, f"{look}-2-card")
    await card.get_by_role("button", name="Edit", exact=True).click()
    await expect(card.locator("[data-ready=true]")).to_be_visible()
    await looked_at(page, f"{look}-3-edit")
    await page.goto(f"{stack.url}/#/approvals")
    await expect(page.get_by_role("link", name=re.compile("is due this week")).last).to_be_visible()
    await looked_at(page, f"{look}-4-approvals")
    await page.goto(f"{stack.url}/#/automations")
    await expect(page.get_by_role("link", name=re.compile("Summarise the news"))).to_be_visible()
    await looked_at(page, f"{look}-5-automations")
    await page.get_by_role("link", name=re.compile("Summarise the news")).click()
    await expect(page.get_by_role("button", name=re.compile(": Planned$")).first).to_be_visible()
    await expect(page.get_by_text("At 09:00 on Monday through Friday")).to_be_visible()
    await looked_at(page, f"{look}-6-automation")


async def test_on_a_phone_the_menu_opens_and_closes_by_key(open_page: Open) -> None:
    page = await open_page(width=360)
    menu = page.get_by_role("button", name="Menu")
    await menu.click()
    await expect(page.get_by_role("link", name="New chat")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="New chat")).to_be_hidden()


async def test_an_automation_can_be_opened_by_its_address_alone(
    open_page: Open, stack: Site
) -> None:
    token = stack.token()
    page = await open_page(token=token)
    await approved(page)
    await open_automation(page, "Summarise the news")
    other = await open_page(token=token)
    await other.goto(page.url)
    await expect(other.get_by_role("heading", name="Summarise the news", level=1)).to_be_visible()
