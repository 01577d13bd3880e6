"""Results of runs in a thread: seen without a reload, safely, and answered."""

from typing import Any, Final
from uuid import uuid4

from playwright.async_api import Browser, Locator, Page, expect
from rota.chat.v1 import chat_pb2 as chat

from devstack.demo.controls import Controls
from tests.web.acts import begun, ended, say, told
from tests.web.conftest import Open
from tests.web.site import Site
from tests.web.stub import URL, stubbed

THREAD: Final = "workspaces/w/threads/t"
RUN: Final = "workspaces/w/automations/news/runs/r1"
HOSTILE: Final = "\n\n".join(
    [
        "# A heading",
        "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">",
        "![a picture](https://evil.example/?what=1)",
        "[press](javascript:alert(1)) [data](data:text/html,x) [mail](https://bank.example.evil)",
        "a\u202etxt.exe \u200b\u2066hidden",
        "\u05ea\u05d5\u05e6\u05d0\u05d4 of the day",
        "</section></article><h1>Rota</h1>",
    ]
)


def turn(name: str, **fields: Any) -> chat.Turn:
    return chat.Turn(name=f"{THREAD}/turns/{name}", state=chat.Turn.SUCCEEDED, **fields)


def delivered(name: str, body: str, **fields: Any) -> chat.Message:
    fields.setdefault("format", chat.RunResult.MARKDOWN)
    result = chat.RunResult(
        automation="workspaces/w/automations/news",
        automation_display_name="Morning <b>news</b>",
        run=RUN,
        subject="News of \u202eMonday",
        body=body,
        **fields,
    )
    message = chat.Message(
        name=f"{THREAD}/messages/{name}",
        turn=f"{THREAD}/turns/{name}",
        role=chat.Message.AGENT,
        parts=[chat.Part(run_result=result)],
    )
    message.create_time.FromJsonString("2026-11-23T08:00:00Z")
    return message


def cards(page: Page) -> Locator:
    return page.locator(".delivered")


async def shown(browser: Browser, *messages: chat.Message) -> Page:
    page, _ = await stubbed(
        browser,
        {
            "ChatService/GetThread": lambda request: chat.Thread(name=request.name),
            "ChatService/ListTurns": lambda request: chat.ListTurnsResponse(
                turns=[turn(m.turn.rpartition("/")[2]) for m in messages]
            ),
            "ChatService/ListMessages": lambda request: chat.ListMessagesResponse(
                messages=messages
            ),
        },
        width=700,
    )
    page.on("dialog", lambda dialog: dialog.dismiss())
    await page.goto(f"{URL}/#/chat/t")
    await expect(cards(page)).to_have_count(len(messages))
    return page


async def test_a_hostile_result_is_shown_and_does_nothing(browser: Browser) -> None:
    page = await shown(browser, delivered("a", HOSTILE))
    card = cards(page)
    await expect(card.locator("script, img, iframe, style, h1")).to_have_count(0)
    await expect(card.get_by_role("link", name="Morning <b>news</b>")).to_have_attribute(
        "href", "#/automations/news"
    )
    await expect(card.get_by_role("link", name="Open the run")).to_have_attribute(
        "href", "#/automations/news/runs/r1"
    )
    await expect(card.get_by_role("heading", name="News of \ufffdMonday")).to_be_visible()
    links = await card.locator(".prose a").evaluate_all("(all) => all.map((a) => a.href)")
    assert links == ["https://evil.example/?what=1", "https://bank.example.evil/"]
    await expect(card).to_contain_text("(bank.example.evil)")
    await expect(card).to_contain_text("a\ufffdtxt.exe \ufffd\ufffdhidden")
    await expect(card.get_by_text("of the day")).to_have_css("direction", "rtl")
    assert await page.title() != "taken"
    # Nobody said it, and it can't be sent again.
    await expect(page.locator(".mine")).to_have_count(0)


async def test_a_long_result_shows_its_beginning_and_then_all_of_it(browser: Browser) -> None:
    body = "\n".join(f"- line {number}" for number in range(3_000))
    json = '{"items": [1, 2], "cut": tru'
    page = await shown(
        browser,
        delivered("c", json, format=chat.RunResult.JSON),
        delivered("b", "*" * 200_000, format=chat.RunResult.TEXT),
        delivered("a", body),
    )
    first = cards(page).first
    await expect(first.locator("li")).to_have_count(24)
    await first.get_by_role("button", name="Show all of it").click()
    await expect(first.locator("li")).to_have_count(3_000)
    second = cards(page).nth(1)
    assert len(await second.inner_text()) < 3_000
    await second.get_by_role("button", name="Show all of it").click()
    await expect(second.locator(".plain-text")).to_have_text("*" * 200_000)
    await expect(cards(page).nth(2).locator("pre")).to_have_text(json)
    wide = "() => document.documentElement.scrollWidth > innerWidth"
    assert not await page.evaluate(wide)


async def test_a_result_is_seen_without_a_reload_also_while_an_answer_streams(
    open_page: Open, stack: Site, model: Controls
) -> None:
    workspace = f"w{uuid4().hex[:12]}"
    page = await open_page(token=stack.token(workspace))
    await begun(page, model, 40)
    thread = f"workspaces/{workspace}/threads/{page.url.rpartition('/')[2]}"
    await stack.add_result(workspace, thread, "**Nothing** new")
    card = cards(page)
    await expect(card).to_be_visible()
    await expect(page.locator(".turn[data-state=running] .say.live")).to_be_visible()
    await expect(card.locator("strong")).to_have_text("Nothing")
    model.release()
    await told(page, 40)
    await stack.add_result(workspace, thread, "Something new")
    await expect(card).to_have_count(2)
    await expect(page.locator(".turn")).to_have_count(3)
    await say(page, "what is new?")
    await expect(page.locator(".turn")).to_have_count(4)
    await ended(page)
    (read,) = [seen for seen in model.log("chat") if "what is new?" in seen.asked]
    assert any("\n> Something new" in text for text in read.texts)
    # The order of a reload is the one that was there before.
    before = await page.locator(".turn").evaluate_all("(all) => all.map((t) => t.innerText)")
    await page.reload()
    await expect(page.locator(".turn")).to_have_count(4)
    assert before == await page.locator(".turn").evaluate_all(
        "(all) => all.map((t) => t.innerText)"
    )
