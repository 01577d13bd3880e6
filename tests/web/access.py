"""What a screen has to be for everybody: named, ordered, readable, and no wider than the window."""

import asyncio
import time
from typing import Final

from playwright.async_api import Page

# What can be pressed or filled in and has no name that a screen reader could say.
_NAMELESS: Final = """() => [...document.querySelectorAll(
    'button, a[href], input, textarea, select, summary, [role=option], [role=region], img')]
  .filter(each => each.checkVisibility({visibilityProperty: true}))
  .filter(each => !(each.getAttribute('aria-label') || each.innerText?.trim() || each.alt
    || [...(each.labels ?? [])].some(label => label.innerText.trim())))
  .map(each => `without a name: ${each.outerHTML.slice(0, 120)}`)"""
# Text that is too faint on what is behind it: below 4.5 to 1.
_FAINT: Final = """() => {
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
    if (here.closest(':disabled, .unseen')) continue;
    const [a, b] = [light(rgba(getComputedStyle(here).color)), light(behind(here))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${here.outerHTML.slice(0, 100)}`);
  }
  return faint;
}"""
# Ids that are there twice, references that lead nowhere, and an order that tab keys change.
_TANGLED: Final = """() => {
  const ids = [...document.querySelectorAll('[id]')].map(each => each.id);
  const twice = ids.filter((id, n) => ids.indexOf(id) !== n).map(id => `twice: #${id}`);
  const names = ['aria-controls', 'aria-describedby', 'aria-labelledby', 'aria-activedescendant'];
  const lost = names.flatMap(name => [...document.querySelectorAll(`[${name}]`)]
    .flatMap(each => each.getAttribute(name).split(/\\s+/))
    .filter(id => id && !document.getElementById(id)).map(id => `${name} of nothing: ${id}`));
  const jumps = [...document.querySelectorAll('[tabindex]')].filter(each => each.tabIndex > 0)
    .map(each => `out of order: ${each.outerHTML.slice(0, 80)}`);
  const nested = [...document.querySelectorAll('button, a[href], summary, label')]
    .filter(each => each.querySelector('button, a[href]'))
    .map(each => `one in another: ${each.outerHTML.slice(0, 80)}`);
  return [...twice, ...lost, ...jumps, ...nested];
}"""
# One main, one h1, a language, a title; and no level of headings left out.
_UNORDERED: Final = """() => {
  const shown = (what) => [...document.querySelectorAll(what)]
    .filter(each => each.checkVisibility({visibilityProperty: true}));
  const found = [];
  for (const what of ['main', 'h1']) {
    if (shown(what).length !== 1) found.push(`${shown(what).length} of ${what}`);
  }
  if (!document.documentElement.lang) found.push('no language');
  if (!document.title) found.push('no title');
  let last = 0;
  for (const each of shown('main :is(h1, h2, h3, h4)')) {
    const level = Number(each.tagName[1]);
    if (level > last + 1) found.push(`h${last} then h${level}: ${each.textContent.slice(0, 40)}`);
    last = level;
  }
  return found;
}"""
# What reaches beyond the window, unless it is in something that scrolls by itself.
_WIDE: Final = """() => {
  const scrolls = (here) => {
    for (let up = here.parentElement; up && up !== document.body; up = up.parentElement) {
      if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) {
        const box = up.getBoundingClientRect();
        if (box.left >= -1 && box.right <= innerWidth + 1) return true;
      }
    }
    return false;
  };
  return [...document.querySelectorAll('body *')]
    .filter(each => each.checkVisibility({visibilityProperty: true}))
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !scrolls(each))
    .map(each => `too wide: ${each.outerHTML.slice(0, 100)}`)
    .concat(document.documentElement.scrollWidth > innerWidth ? ['it scrolls sideways'] : []);
}"""
# Smaller than 24 pixels either way, with nothing around it that would be pressed too.
_SMALL: Final = """() => [...document.querySelectorAll('button, select, summary')]
  .filter(each => each.checkVisibility({visibilityProperty: true}))
  .filter(each => !each.matches('.square, .link, .skip'))
  .filter(each => {
    const {width, height} = each.getBoundingClientRect();
    return width < 24 || height < 20;
  })
  .map(each => `too small: ${each.outerHTML.slice(0, 100)}`)"""
_RULES: Final = (_NAMELESS, _FAINT, _TANGLED, _UNORDERED, _WIDE, _SMALL)
_PATIENCE: Final = 30.0


async def for_everybody(page: Page) -> None:
    """Waits until the screen that is being drawn is good; says what is not."""
    deadline = time.monotonic() + _PATIENCE
    while (wrong := await _wrong(page)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert not wrong, "\n".join(wrong)


async def _wrong(page: Page) -> list[str]:
    return [str(each) for rule in _RULES for each in await page.evaluate(rule)]
