"""Automations on the page: they fire, and every slot is explained."""

import asyncio
import re
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect
from rota.automation.v1 import automation_pb2 as automation

from devstack.demo.controls import Controls
from tests.web.acts import NAME, NEWS, approved, editing, ended, go_to, open_automation, row
from tests.web.site import ZONE, Site
from tests.web.stub import stubbed

# How many squares lie only partly within the column that scrolls.
_CLIPPED: Final = """() => [...document.querySelectorAll('button.square')].filter((each) => {
  const [here, column] = [each, each.parentElement].map((it) => it.getBoundingClientRect());
  return here.bottom > column.bottom || here.right > column.right || here.top < column.top;
}).length"""

MINUTELY: Final = "every minute summarise the news"


async def fires(page: Page, stack: Site, state: str = "Succeeded") -> None:
    """The first run of an automation that runs each minute is begun."""
    await open_automation(page)
    main = page.get_by_role("main")
    await expect(main.get_by_text("None yet.", exact=True)).to_be_visible()
    stack.forward(timedelta(minutes=1))
    runs = main.get_by_role("link", name=re.compile(f"^{state}"))
    await expect(runs).to_have_count(1)


async def open_run(page: Page, state: str = "Succeeded") -> Locator:
    main = page.get_by_role("main")
    await main.get_by_role("link", name=re.compile(f"^{state}")).click()
    screen = main.get_by_role("region", name="Run", exact=True)
    await expect(screen.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()
    return screen


async def test_what_was_approved_is_seen_to_fire(page: Page, stack: Site) -> None:
    await approved(page, MINUTELY)
    await fires(page, stack)
    run = await open_run(page)
    await expect(run.get_by_text("[demo] A pretend summary")).to_be_visible()
    succeeded = run.locator("ol.results").get_by_text("Succeeded", exact=True)
    await expect(succeeded).to_have_count(2)  # the task, and what delivers its result


async def test_a_slot_is_explained_where_it_is_chosen(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, MINUTELY)
    await fires(page, stack)
    past = page.get_by_role("button", name=re.compile(": Fired$"))
    planned = page.get_by_role("button", name=re.compile(": Planned$")).first
    await expect(planned).to_be_visible()
    await past.click()
    explained = page.locator(".explained")
    await expect(explained).to_contain_text("Fired")
    await expect(explained).to_contain_text("run")
    await past.press("ArrowRight")
    await expect(planned).to_be_focused()
    await expect(explained).to_contain_text("Planned")
    await planned.press("ArrowLeft")
    await expect(past).to_be_focused()
    await explained.get_by_role("link", name="Open its run").click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()


async def test_a_paused_automation_says_why_and_its_slots_say_so(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, MINUTELY)
    await open_automation(page, NAME)
    pause = page.get_by_role("button", name="Pause", exact=True)
    await pause.click()
    await page.get_by_label("Why?").fill("on holiday")
    await pause.click()
    await expect(page.get_by_text("Paused: on holiday")).to_be_visible()
    stack.forward(timedelta(minutes=1))
    skipped = page.get_by_role("button", name=re.compile("Skipped: paused"))
    await skipped.click()
    explained = page.locator(".explained")
    await expect(explained).to_contain_text("paused")
    afterwards = explained.get_by_role("button", name="Run this now")
    await expect(afterwards).to_be_hidden()
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.get_by_text("Active", exact=True)).to_be_visible()
    await expect(page.get_by_text("Paused: on holiday")).to_be_hidden()
    # What was skipped is run afterwards, once, and stays skipped.
    await afterwards.click()
    await explained.get_by_role("button", name="Don't run").click()
    await afterwards.click()
    await explained.get_by_role("button", name="Run it now").click()
    await expect(explained).to_contain_text("It was run afterwards: succeeded")
    await expect(explained).to_contain_text("Skipped: paused")
    await expect(afterwards).to_be_hidden()
    run = page.get_by_role("link", name=re.compile("run afterwards"))
    await expect(run).to_have_count(1)
    await explained.get_by_role("link", name="Open that run").click()
    await expect(page.get_by_role("heading", name=re.compile("^Run of"))).to_be_visible()


async def test_a_slot_is_skipped_and_taken_back_and_a_pause_has_an_end(
    page: Page, stack: Site, workspace: str
) -> None:
    # At weekends too, so that tomorrow has a fire.
    await stack.approve(workspace, "every day at 9 in Paris summarise the news")
    await open_automation(page, NAME)
    await page.get_by_role("button", name=re.compile("^Skip the next: ")).click()
    await page.get_by_label(re.compile("^Why is .* skipped")).fill("nobody is in")
    await page.get_by_role("button", name="Skip", exact=True).click()
    skipped = page.get_by_text(re.compile("^Skipped: .*“nobody is in”"))
    await expect(skipped).to_be_visible()
    first = page.get_by_role("list", name="Next fires").locator("time").first
    square = page.get_by_role("button", name=re.compile(": Skipped on request$"))
    await expect(square).to_have_class(re.compile("idle"))
    moment = (await square.get_attribute("aria-label") or "").partition(": ")[0]
    await expect(first).not_to_have_text(moment)
    await page.get_by_role("button", name="Undo").click()
    await expect(skipped).to_be_hidden()
    await expect(first).to_have_text(moment)
    pause = page.get_by_role("button", name="Pause", exact=True)
    await pause.click()
    # Other tests have moved the service's clock: this person's shows the same.
    await page.clock.set_fixed_time(stack.clock.now())
    tomorrow = stack.clock.now().astimezone(ZoneInfo(ZONE)).date() + timedelta(days=1)
    end = datetime.combine(tomorrow, time(9, 30), ZoneInfo(ZONE))
    until = page.get_by_label(re.compile("^Until when"))
    await page.get_by_label("Why?").fill("a move")
    await until.fill("2020-01-01T09:30")
    await pause.click()
    await expect(page.get_by_role("alert")).to_have_text(
        re.compile(r"^This moment is past \(it is \w")
    )
    await expect(page.get_by_label("Why?")).to_have_value("a move")
    await until.fill(f"{end:%Y-%m-%dT%H:%M}")
    await pause.click()
    await expect(page.get_by_text("Paused until tomorrow, 09:30: a move")).to_be_visible()
    await expect(first).not_to_have_text(moment)
    listed = await first.get_attribute("datetime") or ""
    assert datetime.fromisoformat(listed) >= end
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.get_by_text("Active", exact=True)).to_be_visible()


async def test_what_has_one_time_that_is_skipped_says_so_and_a_form_stays(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, "in two minutes tell me a joke")
    await open_automation(page, "Tell me a joke")
    skip = page.get_by_role("button", name=re.compile("^Skip the next: "))
    await skip.click()
    await page.get_by_role("button", name="Skip", exact=True).click()
    await expect(page.get_by_text("The only time left is skipped; Undo takes")).to_be_visible()
    await expect(page.get_by_text("Nothing fires: its only time left")).to_be_visible()
    await expect(page.get_by_text("It has no schedule")).to_be_hidden()
    await expect(
        page.get_by_role("button", name=re.compile(": Skipped on request$"))
    ).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await skip.click()
    why = page.get_by_label(re.compile("^Why is .* skipped"))
    await why.fill("typed at length")
    stack.forward(timedelta(minutes=3))
    await expect(page.get_by_text("It is not the next time any more; go back")).to_be_visible()
    await expect(why).to_have_value("typed at length")


async def test_the_list_says_when_each_fires_next(page: Page, stack: Site, workspace: str) -> None:
    await stack.approve(workspace, NEWS)
    news = row(await go_to(page, "Automations"), NAME)
    await expect(news).to_contain_text("09:00")
    await expect(news).to_contain_text("Active")


def revision(page: Page, number: int) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^Revision {number}\b"))


async def test_the_first_revision_shows_what_was_approved(page: Page) -> None:
    card = await editing(page)
    await card.get_by_label("Cron", exact=True).fill("15 6 * * *")
    await card.get_by_role("button", name="Approve with changes").click()
    await expect(page.get_by_role("region", name=re.compile("^Approved"))).to_be_visible()
    await ended(page)
    await open_automation(page, NAME)
    await revision(page, 1).click()
    await expect(page.get_by_text("As it was approved")).to_be_visible()
    await expect(page.get_by_text('"cron": "15 6 * * *"')).to_be_visible()


async def test_a_revision_shows_what_it_changed_and_can_be_made_current_again(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, NEWS)
    await stack.approve(workspace, f"move {NAME} to 10:30")
    await open_automation(page)
    await revision(page, 2).click()
    await expect(page.get_by_text("What changed since revision 1")).to_be_visible()
    await expect(page.locator(".diff .removed").filter(has_text="cron")).to_contain_text("0 9 * *")
    await expect(page.locator(".diff .added").filter(has_text="cron")).to_contain_text("30 10 * *")
    await revision(page, 1).click()
    await page.get_by_role("button", name="Make revision 1 current again").click()
    await expect(revision(page, 3)).to_contain_text("Current")
    await expect(page.get_by_text("At 09:00 on Monday through Friday")).to_be_visible()


async def test_a_run_is_cancelled_while_it_goes_on(
    page: Page, stack: Site, workspace: str, model: Controls
) -> None:
    model.hold(kind="task")
    await stack.approve(workspace, MINUTELY)
    await fires(page, stack, "Running")
    run = await open_run(page, "Running")
    await run.get_by_role("button", name="Cancel this run").click()
    head = run.locator(".screen-head")
    await expect(head.get_by_text("Cancelled", exact=True)).to_be_visible()
    await expect(run.get_by_role("button", name="Cancel this run")).to_be_hidden()


async def test_slots_stay_in_sight_however_far_the_clock_goes(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, "every hour summarise the news")
    await open_automation(page)
    strip = page.get_by_role("group", name="Slots")
    past = strip.get_by_role("button", name=re.compile(": (?!Planned)"))
    # It does not move under somebody's pointer.
    await page.mouse.move(0, 0)
    for hours in (1, 2):
        stack.forward(timedelta(hours=1))
        await expect(past).to_have_count(hours)
    # What is planned is known before what passed.
    planned = strip.get_by_role("button", name=re.compile("Planned$")).first
    before, told = await planned.get_attribute("aria-label"), asyncio.Event()

    async def hold(route: Route) -> None:
        await told.wait()
        await route.continue_()

    await page.route("**/ListSlots", hold)
    stack.forward(timedelta(hours=9))
    await expect(planned).not_to_have_attribute("aria-label", before or "")
    told.set()
    await expect(past).to_have_count(11)
    await expect(past.last).to_be_in_viewport()
    await expect(past.nth(8)).to_be_in_viewport()
    await expect(planned).to_be_in_viewport()
    await page.reload()
    await expect(past.nth(8)).to_be_in_viewport()


async def test_the_next_fires_are_those_still_to_come(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, "every hour summarise the news")
    await open_automation(page)
    first = page.get_by_role("list", name="Next fires").locator("time").first
    await expect(first).to_have_text(re.compile(r"\d:00$"))
    # The clock stands still: it stays so until it is moved.
    before = await first.inner_text()
    stack.forward(timedelta(hours=2))
    await expect(first).not_to_have_text(before)
    await expect(first).to_have_text(re.compile(r"\d:00$"))


async def test_what_has_fired_for_the_last_time_says_so(
    page: Page, stack: Site, workspace: str
) -> None:
    await stack.approve(workspace, "in two minutes tell me a joke")
    await open_automation(page, "Tell me a joke")
    await expect(page.get_by_role("button", name=re.compile("Planned$"))).to_have_count(1)
    stack.forward(timedelta(minutes=3))
    await expect(page.get_by_text("No fire is left.")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile(": (?!Planned)"))).to_have_count(1)
    await expect(page.get_by_role("button", name=re.compile("Planned$"))).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
async def test_every_square_of_a_full_hour_is_seen_whole(browser: Browser, width: int) -> None:
    place = "workspaces/w/automations/a"
    hour = datetime(2027, 3, 2, 9, tzinfo=UTC)
    slots = [
        automation.Slot(
            name=f"{place}/triggers/t/slots/{minute}",
            trigger=f"{place}/triggers/t",
            slot_time=hour + timedelta(minutes=minute),
            outcome=automation.Slot.FIRED,
        )
        for minute in range(60)
    ]
    page, _ = await stubbed(
        browser,
        {
            "AutomationService/GetAutomation": lambda _: automation.Automation(
                name=place, display_name="Every minute", state=automation.Automation.ACTIVE
            ),
            "AutomationService/ListSlots": lambda _: automation.ListSlotsResponse(slots=slots),
        },
        where="#/automations/a",
        width=width,
    )
    await expect(page.locator("button.square")).to_have_count(60)
    assert await page.evaluate(_CLIPPED) == 0
    await page.context.close()
