"""Lists: each says that there is more, loads it, and stays as it is when that fails."""

import random
import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message
from playwright.async_api import Browser, Locator, Page, Route, expect
from rota.automation.v1 import automation_pb2 as automation
from rota.chat.v1 import chat_pb2 as chat

from tests.web.acts import new_chat
from tests.web.conftest import Open
from tests.web.script import calls
from tests.web.site import Site
from tests.web.stub import URL, Answer, Answers, refusal, stubbed

THREAD: Final = "workspaces/w/threads/t"
PLAN: Final = "workspaces/w/automations/a"
COUNT: Final = 5


def paged(answer: type[Message], items: str, made: list[Any]) -> Callable[[Any], Answer]:
    """Two a page. The second page fails at first, and then begins with one that is empty."""
    failed: list[str] = []

    def ask(request: Any) -> Answer:
        token = request.page_token
        if token == "2" and not failed:
            failed.append(token)
            return refusal(13, "the list is out of order")
        if token == "2":
            return answer(next_page_token="2+")
        start = int(token.removesuffix("+") or 0)
        left = "" if start + 2 >= len(made) else str(start + 2)
        return answer(**{items: made[start : start + 2]}, next_page_token=left)

    return ask


def turns() -> list[Any]:
    return [chat.Turn(name=f"{THREAD}/turns/{n}", state=chat.Turn.SUCCEEDED) for n in range(COUNT)]


def at(second: int) -> Any:
    slot = automation.Slot()
    slot.slot_time.FromSeconds(1_790_000_000 - second * 3600)
    return slot.slot_time


ANSWERS: Final[dict[str, Callable[[], Callable[[Any], Answer]]]] = {
    "ChatService/ListThreads": lambda: paged(
        chat.ListThreadsResponse, "threads",
        [chat.Thread(name=f"workspaces/w/threads/{n}", display_name=f"n{n}") for n in range(COUNT)],
    ),
    "ChatService/ListApprovals": lambda: paged(
        chat.ListApprovalsResponse, "approvals",
        [chat.Approval(name=f"workspaces/w/approvals/{n}", summary=f"n{n}") for n in range(COUNT)],
    ),
    "AutomationService/ListAutomations": lambda: paged(
        automation.ListAutomationsResponse, "automations",
        [automation.Automation(name=f"{PLAN}{n}", display_name=f"n{n}") for n in range(COUNT)],
    ),
    "AutomationService/ListRuns": lambda: paged(
        automation.ListRunsResponse, "runs",
        [automation.Run(name=f"{PLAN}/runs/{n}", slot_time=at(n)) for n in range(COUNT)],
    ),
    "AutomationService/ListRevisions": lambda: paged(
        automation.ListRevisionsResponse, "revisions",
        [automation.Revision(name=f"{PLAN}/revisions/{n}", revision=9 - n) for n in range(COUNT)],
    ),
    "AutomationService/ListSlots": lambda: paged(
        automation.ListSlotsResponse, "slots",
        [automation.Slot(name=f"{PLAN}/slots/{n}", slot_time=at(n)) for n in range(COUNT)],
    ),
    "ChatService/ListTurns": lambda: paged(chat.ListTurnsResponse, "turns", turns()),
}  # fmt: skip
# Where lists are shown: the items of each, and what its button says.
PLACES: Final = {
    "#/approvals": {
        ".threads li": "Load more threads",
        ".screen .rows > li": "Load more approvals",
    },
    "#/automations": {".screen .rows > li": "Load more automations"},
    "#/automations/a": {
        ".panel a.row": "Load earlier runs",
        ".panel button.row": "Load earlier revisions",
        ".square": "Load earlier slots",
    },
}


def answers() -> Answers:
    made: Answers = {name: make() for name, make in ANSWERS.items()}
    made["AutomationService/GetAutomation"] = lambda request: automation.Automation(
        name=request.name, display_name="a", state=automation.Automation.ARCHIVED
    )
    made["ChatService/GetThread"] = lambda request: chat.Thread(name=request.name)
    return made


async def test_every_list_loads_all_that_there_is(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers())
    for where, lists in PLACES.items():
        await page.goto(f"{URL}/{where}")
        for what, button in lists.items():
            await loads_all(page, page.locator(what), button)
        # What is read again duplicates nothing and drops nothing.
        async with page.expect_response("**/List*"):
            await page.evaluate("dispatchEvent(new Event('online'))")
        for what in lists:
            await expect(page.locator(what)).to_have_count(COUNT)
    await page.context.close()


async def loads_all(page: Page, found: Locator, button: str) -> None:
    noun = button.split()[-1]
    await expect(found).to_have_count(2)
    more = page.get_by_role("button", name=button, exact=True)
    around = page.locator(".more").filter(has=more)
    await more.press("Enter")
    await expect(page.get_by_text("The list is out of order")).to_be_visible()
    await expect(found).to_have_count(2)
    await page.locator(".more").get_by_role("button", name="Try again", exact=True).press("Enter")
    await expect(found).to_have_count(4)
    await expect(page.locator("#announcer")).to_have_text(f"2 more {noun} loaded.")
    await more.press("Enter")
    await expect(found).to_have_count(COUNT)
    await expect(page.locator("#announcer")).to_have_text(f"1 more {noun} loaded. That is all.")
    await expect(around).to_have_count(0)


async def test_a_thread_loads_its_earlier_turns(browser: Browser) -> None:
    made = [chat.Turn(name=f"{THREAD}/turns/{n}", state=chat.Turn.SUCCEEDED) for n in range(205)]

    def ask(request: Any) -> Answer:
        # Short, as a page of large turns is.
        start, size = int(request.page_token or 0), min(request.page_size, 100)
        left = str(start + size) if start + size < len(made) else ""
        return chat.ListTurnsResponse(turns=made[start : start + size], next_page_token=left)

    page, _ = await stubbed(browser, {**answers(), "ChatService/ListTurns": ask}, where="#/chat/t")
    turn = page.locator(".turn")
    await expect(turn).to_have_count(200)
    await page.get_by_role("button", name="Load earlier turns", exact=True).press("Enter")
    await expect(turn).to_have_count(205)
    await expect(page.locator("#announcer")).to_have_text("5 earlier turns loaded. That is all.")
    await page.context.close()


def test_a_page_that_is_read_again_takes_its_place_and_nothing_is_there_twice() -> None:
    rng = random.Random(3)
    cases: list[list[Any]] = []
    for _ in range(300):
        held = rng.sample(range(30), rng.randrange(12))
        items = rng.sample(range(40), rng.randrange(6))
        first = rng.random() < 0.5
        span: dict[str, Any] = {"token": "" if first else "t", "end": rng.random() < 0.3}
        if not first and held:
            span["after"] = str(rng.choice(held))
        cases.append([[{"name": str(n)} for n in held], [{"name": str(n)} for n in items], span])
    for case, merged in zip(cases, calls("lib/pages.ts", "merge", cases), strict=True):
        before, span = [each["name"] for each in case[0]], case[2]
        names = [each["name"] for each in merged]
        page = [each["name"] for each in case[1]]
        assert len(set(names)) == len(names)
        assert set(page) <= set(names) <= {*before, *page}
        if page:
            start = names.index(page[0])
            assert names[start : start + len(page)] == page
        if span["end"]:
            assert not page or names[-1] == page[-1]
        if span["end"] and not span["token"]:
            assert names == page
        others = [name for name in names if name not in page]
        assert others == [name for name in before if name in others]


async def _one_a_page(route: Route) -> None:
    """The real service, with pages of one."""
    request = chat.ListThreadsRequest()
    request.ParseFromString((route.request.post_data_buffer or b"")[5:])
    request.page_size = 1
    body = request.SerializeToString()
    await route.continue_(post_data=b"\0" + len(body).to_bytes(4, "big") + body)


async def test_a_mention_finds_what_is_beyond_the_first_page(open_page: Open, stack: Site) -> None:
    page: Page = await open_page(token="")
    workspace = "w-many"
    for words in ("alpha first", "beta second", "gamma third"):
        await stack.say(workspace, words)
    await page.route("**/ListThreads", _one_a_page)
    await page.goto(f"{stack.url}/#token={stack.token(workspace)}")
    threads = page.get_by_role("navigation", name="Threads", exact=True)
    await expect(threads.get_by_role("link")).to_have_count(1)
    await expect(threads.get_by_role("button", name="Load more threads")).to_be_visible()
    box = await new_chat(page)
    await box.press_sequentially("as in @alph")
    await expect(page.get_by_role("option", name=re.compile("Alpha.*thread"))).to_be_visible()
    await page.context.close()


async def test_what_does_not_exist_is_named_as_it_is_and_not_offered_again(
    browser: Browser,
) -> None:
    gone = refusal(5, "workspaces/w/automations/nope does not exist")
    answers: Answers = {"AutomationService/GetAutomation": lambda _: gone}
    page, _ = await stubbed(browser, answers, where="#/automations/nope")
    notice = page.get_by_role("alert").filter(has_text="does not exist")
    await expect(notice).to_have_text(re.compile("^workspaces/w/automations/nope does not exist"))
    await expect(notice.get_by_role("button", name="Try again")).to_have_count(0)
    await page.context.close()
