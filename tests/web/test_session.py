"""Who is signed in and where: a link with a token, and a token with several workspaces."""

import asyncio
import re
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from playwright.async_api import Browser, Page, Route, expect
from rota.chat.v1 import chat_pb2 as chat

from tests.web.stub import URL, Answers, Stub, stubbed, token

ADA: Final = {"sub": "ada", "workspaces": {"w": "owner", "v": "editor"}, "exp": 9_999_999_999}
BOB: Final = {"sub": "bob", "workspaces": {"v": "owner"}, "exp": 9_999_999_999}

# All that a person, or a reader of the screen, could be told.
_SHOWN: Final = """() => [document.documentElement.outerHTML, document.title, location.href,
  JSON.stringify(history.state), ...[...document.querySelectorAll('input, textarea')]
  .map(each => each.value)].join(' ')"""


# Counts the answers of other tabs, and waits for them until a test says so.
_HELD: Final = """
  const later = setTimeout;
  setTimeout = (what, wait, ...more) =>
    wait === 400 ? (window.end = what, 0) : later(what, wait, ...more);
  let count = 0;
  new BroadcastChannel("rota.session").onmessage = ({ data }) => {
    if (data.answers) document.documentElement.dataset.answers = ++count;
  };
"""


def threads(request: Any) -> chat.ListThreadsResponse:
    place = request.parent
    name = f"of {place.removeprefix('workspaces/')}"
    return chat.ListThreadsResponse(
        threads=[chat.Thread(name=f"{place}/threads/t", display_name=name)]
    )


ANSWERS: Final[Answers] = {
    "ChatService/ListThreads": threads,
    "ChatService/GetThread": lambda request: chat.Thread(name=request.name, display_name="a talk"),
    "ChatService/ListTurns": lambda request: chat.ListTurnsResponse(
        turns=[chat.Turn(name=f"{request.parent}/turns/u", state=chat.Turn.RUNNING)]
    ),
}


async def listed(page: Page, name: str) -> None:
    await expect(page.locator(".threads .line")).to_have_text(name)


async def test_a_link_with_a_token_signs_in_another_person_in_an_open_tab(browser: Browser) -> None:
    page, _ = await stubbed(browser, ANSWERS, claims=ADA)
    await listed(page, "of w")
    await page.get_by_label("Message", exact=True).fill("a secret of ada")
    await page.evaluate("link => { location.hash = link; }", f"#token={token(BOB)}")
    await listed(page, "of v")
    await expect(page.locator(".side-foot")).to_have_text("bob")
    await expect(page).to_have_url(f"{URL}/#/chat")
    await expect(page.get_by_label("Message", exact=True)).to_have_value("")
    assert "secret" not in await page.evaluate("JSON.stringify(sessionStorage)")
    # A newer token of the same person changes nothing that is on the screen.
    await page.get_by_label("Message", exact=True).fill("a word of bob")
    await page.evaluate("link => { location.hash = link; }", f"#token={token({**BOB, 'iat': 2})}")
    await expect(page).to_have_url(f"{URL}/#/chat")
    await expect(page.get_by_label("Message", exact=True)).to_have_value("a word of bob")
    await page.context.close()


async def test_a_late_answer_to_one_person_is_not_shown_to_another(browser: Browser) -> None:
    asked, release = asyncio.Event(), asyncio.Event()
    page, stub = await stubbed(browser, ANSWERS, claims=ADA)
    await listed(page, "of w")

    async def late(route: Route) -> None:
        asked.set()
        await release.wait()
        await stub.serve(route)

    await page.route("**/ListThreads", late, times=1)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await asked.wait()
    await page.evaluate("link => { location.hash = link; }", f"#token={token(BOB)}")
    await listed(page, "of v")
    release.set()
    await page.evaluate("() => new Promise(requestAnimationFrame)")
    await listed(page, "of v")
    await page.context.close()


async def test_another_workspace_of_the_token_is_opened_and_streams_of_the_first_end(
    browser: Browser,
) -> None:
    page, stub = await stubbed(browser, ANSWERS, claims=ADA)
    opened, ended = asyncio.Event(), asyncio.Event()

    async def stream(_: Route) -> None:
        opened.set()  # and never answers

    await page.route("**/WatchTurn", stream)
    page.on("requestfailed", lambda request: ended.set() if "WatchTurn" in request.url else None)
    await page.locator(".threads a").click()
    await opened.wait()
    await page.get_by_label("Workspace", exact=True).select_option("v")
    await asyncio.wait_for(ended.wait(), 30)
    await listed(page, "of v")
    await expect(page.locator(".turn")).to_have_count(0)
    await expect(page).to_have_url(f"{URL}/#/chat")
    # It stays chosen in this tab.
    await page.reload()
    await listed(page, "of v")
    await expect(page.get_by_label("Workspace", exact=True)).to_have_value("v")
    stub.calls.clear()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await listed(page, "of v")
    parents = {getattr(request, "parent", "") for _, request in stub.calls}
    assert all(re.match("workspaces/v|$", parent) for parent in parents)
    await page.context.close()


async def test_no_word_of_one_person_or_workspace_is_left_for_the_next(browser: Browser) -> None:
    said = "Marmalade is what I wrote."

    def sent(request: Any) -> list[Message]:
        turn = f"{request.name.replace('/-', '/t')}/turns/u"
        text = chat.TextDelta(message=f"{turn}/m", text=said)
        return [
            chat.TurnEvent(sequence=1, started=chat.TurnStarted(turn=turn)),
            chat.TurnEvent(sequence=2, text_delta=text),
            chat.TurnEvent(sequence=3, thread_updated=chat.ThreadUpdated(display_name="Marmalade")),
            chat.TurnEvent(sequence=4, completed=chat.TurnCompleted()),
        ]

    def waiting(request: Any) -> chat.ListApprovalsResponse:
        asked = chat.Approval(name=f"{request.parent}/approvals/a", summary="Marmalade")
        return chat.ListApprovalsResponse(approvals=[asked] if request.parent[-1] == "w" else [])

    answers: Answers = {
        "ChatService/SendMessage": sent,
        "ChatService/ListApprovals": waiting,
        "ChatService/ListThreads": threads,
    }
    page, _ = await stubbed(browser, answers, claims=ADA)
    for leave in ("link", "workspace", "sign out"):
        await expect(page).to_have_title("(1) Rota")
        await page.get_by_label("Message", exact=True).fill("Marmalade")
        await page.get_by_label("Message", exact=True).press("Enter")
        await expect(page.locator("#announcer")).to_have_text(said)
        await page.get_by_label("Message", exact=True).fill("and Marmalade")
        if leave == "link":
            await page.evaluate("link => { location.hash = link; }", f"#token={token(BOB)}")
        elif leave == "workspace":
            await page.get_by_label("Workspace", exact=True).select_option("v")
        else:
            await page.get_by_role("button", name="Sign out", exact=True).click()
            await expect(page.get_by_label("Your token", exact=True)).to_be_visible()
        if leave != "sign out":
            await listed(page, "of v")
        await expect(page).to_have_title("Rota")
        assert "Marmalade" not in await page.evaluate(_SHOWN)
        await page.evaluate("link => { location.hash = link; }", f"#token={token(ADA)}")
        if leave == "workspace":
            await page.get_by_label("Workspace", exact=True).select_option("w")
        await listed(page, "of w")
    await page.context.close()


@pytest.mark.parametrize("link", ["#token=garbage", "#token=", "#token=a.b.c", "#token=%E0%A4%A"])
async def test_a_link_without_a_token_says_so_and_changes_nothing_else(
    browser: Browser, link: str
) -> None:
    said = "That link holds no token Rota can read."
    page, _ = await stubbed(browser, ANSWERS, claims=ADA, where="#/automations")
    await page.evaluate("link => { location.hash = link; }", link)
    await expect(page.get_by_role("alert")).to_contain_text(f"{said} You stay signed in as ada.")
    await expect(page).to_have_url(f"{URL}/#/automations")
    await listed(page, "of w")
    await page.get_by_role("button", name="Close", exact=True).click()
    await expect(page.get_by_role("alert")).to_have_count(0)
    fresh = await page.context.new_page()
    await fresh.route(f"{URL}/**", Stub(answers=ANSWERS).serve)
    await fresh.goto(f"{URL}/{link}")
    await expect(fresh.get_by_role("alert")).to_have_text(said)
    await fresh.get_by_label("Your token", exact=True).fill(token(ADA))
    await fresh.get_by_role("button", name="Sign in", exact=True).click()
    await listed(fresh, "of w")
    await expect(fresh.get_by_role("alert")).to_have_count(0)
    await page.context.close()


async def test_a_new_tab_takes_the_session_of_another_and_a_sign_out_is_for_both(
    browser: Browser,
) -> None:
    first, _ = await stubbed(browser, ANSWERS, claims=ADA)
    await listed(first, "of w")

    async def another(where: str, script: str = "") -> Page:
        page = await first.context.new_page()
        await page.add_init_script(script)
        await page.route(f"{URL}/**", Stub(answers=ANSWERS).serve)
        await page.goto(f"{URL}/{where}")
        return page

    # As from a mail: at what it names, in its workspace.
    second = await another("#/workspaces/v/automations/a/runs/r")
    await listed(second, "of v")
    await expect(second).to_have_url(f"{URL}/#/automations/a/runs/r")
    asleep = await another("#/workspaces/w/threads/t")
    await listed(asleep, "of w")
    await asleep.goto("about:blank")
    # Of two persons it takes the one whom the link is for, and none if it is for both.
    bob = await another(f"#token={token(BOB)}")
    await expect(bob.locator(".side-foot")).to_have_text("bob")
    for where, whose in (("#/workspaces/w", "ada"), ("#/workspaces/v", "")):
        third = await another(where, _HELD)
        await expect(third.locator("html")).to_have_attribute("data-answers", "3")
        await third.evaluate("end()")
        if whose:
            await expect(third.locator(".side-foot")).to_contain_text(whose)
        else:
            await expect(third.get_by_label("Your token", exact=True)).to_be_visible()
        await third.close()
    await second.get_by_role("button", name="Sign out", exact=True).click()
    await expect(first.get_by_role("alert")).to_have_text("You signed out in another tab.")
    await asleep.goto(URL)
    await expect(asleep.locator(".side-foot")).to_have_text("bob")  # of those that are left
    await expect(bob.locator(".side-foot")).to_have_text("bob")
    assert "rota.token" not in await first.evaluate("Object.keys(sessionStorage)")
    await first.context.close()


async def test_the_workspace_that_is_open_already_is_not_opened_again(browser: Browser) -> None:
    page, _ = await stubbed(browser, ANSWERS, claims=ADA, where="#/automations")
    await listed(page, "of w")
    await page.evaluate("document.querySelector('.side').dataset.kept = 'yes'")
    await page.get_by_label("Workspace", exact=True).dispatch_event("change")
    await page.evaluate("() => new Promise(requestAnimationFrame)")
    await expect(page).to_have_url(f"{URL}/#/automations")
    await expect(page.locator(".side")).to_have_attribute("data-kept", "yes")
    await page.context.close()
