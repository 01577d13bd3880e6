"""Where one writes: pictures, mentions, the model and the tools."""

import re
from typing import Final

from playwright.async_api import Browser, FilePayload, Page, expect
from rota.chat.v1 import chat_pb2 as chat

from devstack.demo.controls import Controls
from tests.web.acts import NAME, NEWS, ended, new_chat, open_thread, png, requests, say, shown
from tests.web.conftest import Open
from tests.web.site import Site
from tests.web.stub import URL, refusal, stubbed

_HAND_OVER: Final = """([bytes, how]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], 'held.png', {type: 'image/png'}));
  const box = document.getElementById('message');
  const told = {bubbles: true, cancelable: true};
  box.dispatchEvent(how === 'paste'
    ? new ClipboardEvent('paste', {...told, clipboardData: data})
    : new DragEvent('drop', {...told, dataTransfer: data}));
}"""


async def chosen(page: Page, *files: FilePayload) -> None:
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Attach pictures").click()
    await (await chooser.value).set_files(list(files))


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


async def test_a_picture_is_shown_before_and_after_it_is_sent(page: Page, model: Controls) -> None:
    await chosen(page, file("chart.png", png()))
    await expect(page.get_by_role("img", name="chart.png")).to_be_visible()
    await say(page, "what is on this?")
    await expect(page.locator(".mine").get_by_role("img")).to_be_visible()
    await expect(page.locator(".say")).to_contain_text("I cannot see images")
    await expect(page.get_by_role("list", name="Attached pictures")).to_be_hidden()
    await ended(page)
    await new_chat(page)
    await open_thread(page)
    await expect(page.locator(".mine").get_by_role("img")).to_be_visible()
    await page.reload()
    await expect(page.locator(".mine")).to_contain_text("A picture (png)")


async def test_what_is_written_while_a_picture_is_read_stays(page: Page) -> None:
    await page.evaluate(
        """() => {
          const [read, open] = [Blob.prototype.arrayBuffer, Promise.withResolvers()];
          Blob.prototype.arrayBuffer = async function () {
            await open.promise;
            return read.call(this);
          };
          window.letRead = open.resolve;
        }"""
    )
    await chosen(page, file("chart.png", png()))
    box = page.get_by_label("Message", exact=True)
    await box.fill("what is on this?")
    await page.evaluate("window.letRead()")
    await expect(page.get_by_role("img", name="chart.png")).to_be_visible()
    await expect(box).to_have_value("what is on this?")


async def test_pictures_can_be_pasted_and_dropped_and_taken_away_again(page: Page) -> None:
    pictures = page.get_by_role("list", name="Attached pictures").get_by_role("listitem")
    for count, how in enumerate(("paste", "drop"), start=1):
        await page.get_by_label("Message", exact=True).evaluate(
            f"(_, given) => ({_HAND_OVER})(given)", [list(png(8)), how]
        )
        await expect(pictures).to_have_count(count)
    await pictures.first.get_by_role("button", name="Remove held.png").click()
    await expect(pictures).to_have_count(1)
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".mine").get_by_role("img")).to_have_count(1)
    await ended(page)


async def test_what_is_no_picture_or_too_large_is_told_and_left_out(page: Page) -> None:
    large = png() + bytes(5 * 1024 * 1024)
    await chosen(page, file("words.png", b"words"), file("large.png", large), file("ok.png", png()))
    told = page.get_by_role("alert")
    await expect(told).to_contain_text("words.png is not a png, jpeg, webp or gif.")
    await expect(told).to_contain_text("large.png is larger than 5 MiB.")
    await expect(
        page.get_by_role("list", name="Attached pictures").get_by_role("img")
    ).to_have_count(1)


async def test_an_automation_is_mentioned_by_keyboard_and_linked(
    open_page: Open, stack: Site, workspace: str, model: Controls
) -> None:
    await stack.approve(workspace, NEWS)
    page = await open_page(token=stack.token(workspace))
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_role("link", name=re.compile("Every weekday"))).to_be_visible()
    box = await new_chat(page)
    await box.press_sequentially("look at @e")
    options = page.get_by_role("listbox", name="Mention").get_by_role("option")
    await expect(options).to_have_count(2)
    await expect(page.get_by_role("option", name=re.compile(f"{NAME}.*automation"))).to_be_visible()
    first = options.first
    await expect(first).to_have_attribute("aria-selected", "true")
    await box.press("ArrowDown")
    await expect(first).to_have_attribute("aria-selected", "false")
    await box.press("ArrowUp")
    await expect(first).to_have_attribute("aria-selected", "true")
    await box.press("Enter")
    await expect(box).to_have_value(f"look at @{NAME} ")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await box.press_sequentially("please")
    await expect(box).to_have_value(f"look at @{NAME} please")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await box.press("Enter")
    await ended(page)
    await page.reload()
    await page.locator(".mine").get_by_role("link", name=f"@{NAME}", exact=True).click()
    await shown(page)
    asked = requests(model, "look at")
    assert any("/automations/" in text for seen in asked for text in seen.texts if NAME in text)


async def test_escape_closes_the_list_and_leaves_what_is_written(page: Page) -> None:
    await say(page, "hello there")
    await ended(page)
    threads = page.get_by_role("navigation", name="Threads")
    await expect(threads.get_by_role("link", name=re.compile("Hello"))).to_be_visible()
    box = await new_chat(page)
    await box.press_sequentially("as in @hel")
    await expect(page.get_by_role("option", name=re.compile("Hello.*thread"))).to_be_visible()
    await box.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await expect(box).to_have_value("as in @hel")


async def test_the_model_that_is_chosen_is_the_one_that_answers(
    page: Page, model: Controls
) -> None:
    await page.get_by_label("Model", exact=True).select_option("Demo for text · text only")
    await say(page, "hello, whoever answers")
    await ended(page)
    assert {seen.model for seen in requests(model, "whoever answers")} == {"demo-text"}


async def test_a_model_that_reads_no_pictures_is_told_beside_one(page: Page) -> None:
    await page.get_by_label("Model", exact=True).select_option("Demo for text · text only")
    await chosen(page, file("chart.png", png()))
    await expect(page.get_by_text("Demo for text reads text only.")).to_be_visible()


async def test_a_tool_that_is_switched_off_is_not_offered(page: Page, model: Controls) -> None:
    await page.get_by_label("Tools", exact=True).click()
    await page.get_by_label("Draft automations").uncheck()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Tools, 1 off")).to_be_focused()
    await say(page, "hello, with fewer tools")
    await ended(page)
    offered = [seen.tools for seen in requests(model, "fewer tools")]
    assert offered
    assert all("create_automation" not in tools for tools in offered)
    assert all("fetch_url" in tools for tools in offered)


async def test_what_the_service_refuses_stays_where_it_was_written(page: Page) -> None:
    await page.route("**/SendMessage", lambda route: route.fulfill(
        status=200, headers={"content-type": "application/grpc-web+proto", "grpc-status": "3",
                             "grpc-message": "no%20such%20thing"}, body="",
    ))  # fmt: skip
    await chosen(page, file("chart.png", png()))
    # Written while the picture is still being read.
    await say(page, "a long message")
    await expect(page.get_by_role("alert")).to_contain_text("No such thing")
    await expect(page.get_by_label("Message", exact=True)).to_have_value("a long message")
    await expect(page.get_by_role("img", name="chart.png")).to_be_visible()


async def test_the_model_of_a_thread_is_shown_also_after_a_reload(browser: Browser) -> None:
    # By thread: what is pinned, what the last turn used, and what is shown and sent.
    cases = {"pinned": (-2, -1), "used": (0, -2), "gone": (0, 9), "new": (0, 0)}
    shown = {"pinned": "-2", "used": "-2", "gone": "0", "new": "0"}
    page, stub = await stubbed(
        browser,
        {
            "ChatService/GetThread": lambda request: chat.Thread(
                name=request.name, model_config_id=cases[request.name.rpartition("/")[2]][0]
            ),
            "ChatService/ListTurns": lambda request: chat.ListTurnsResponse(
                turns=[
                    chat.Turn(
                        name=f"{request.parent}/turns/u",
                        state=chat.Turn.SUCCEEDED,
                        model_config_id=cases[request.parent.rpartition("/")[2]][1],
                    )
                ]
            ),
            "ChatService/ListModelConfigs": lambda _: chat.ListModelConfigsResponse(
                model_configs=[
                    chat.ModelConfig(id=-1, display_name="One"),
                    chat.ModelConfig(id=-2, display_name="Two"),
                ]
            ),
            "ChatService/SendMessage": lambda _: refusal(3, "not now"),
        },
    )
    model, box = (page.get_by_label(label, exact=True) for label in ("Model", "Message"))
    for name in cases:
        await page.goto(f"{URL}/#/chat/{name}")
        await page.reload()
        await expect(page.locator(".turn")).to_have_count(1)
        # A thread without a title is called the same everywhere.
        await expect(page.locator(".screen-head h1")).to_have_text("New thread")
        await expect(model).to_have_value(shown[name])
        await box.fill("hello")
        await box.press("Enter")
        await expect(page.get_by_role("alert")).to_have_count(1)
    # With 0 the service keeps to what is pinned.
    sent = await stub.asked("ChatService/SendMessage", len(cases))
    assert [request.model_config_id for request in sent] == [0, -2, 0, 0]
    # What is chosen in one thread is not chosen in another.
    await model.select_option("One")
    await page.evaluate("location.hash = '#/chat/used'")
    await expect(model).to_have_value("-2")
    await page.context.close()
